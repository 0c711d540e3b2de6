"""Encodes answers about promotion redemptions."""

from collections.abc import Iterable

from redemption.v1 import promotion_redemption_pb2, promotion_redemption_service_pb2

from redemption_server.rpc.encode_reversals import encode_reversal
from redemption_server.rpc.encode_values import decimal, timestamp
from redemption_server.rules.commands import PromotionUse
from redemption_server.rules.facts import PromotionMode
from redemption_server.rules.outcomes import RecordedTransaction
from redemption_server.storage.lookups import CodeSummary, FoundRedemption

_MODES = {
    PromotionMode.DISCOUNT: promotion_redemption_pb2.PROMOTION_MODE_DISCOUNT,
    PromotionMode.PAYMENT_VOUCHER: promotion_redemption_pb2.PROMOTION_MODE_PAYMENT_VOUCHER,
}


def encode_redeem_promotions(
    recorded: RecordedTransaction, *, replayed: bool
) -> promotion_redemption_service_pb2.RedeemPromotionsResponse:
    """The answer to a granted or replayed request."""
    request = recorded.request
    return promotion_redemption_service_pb2.RedeemPromotionsResponse(
        org_id=request.caller.org_id,
        customer_identifier_type=request.customer_identifier_type,
        customer_identifier_value=request.customer_identifier_value,
        customer_id=recorded.customer_id,
        transaction_identifier=request.transaction_identifier,
        transaction_number=request.transaction_number,
        transaction_date=timestamp(request.transaction_date),
        amount=decimal(request.amount),
        cart_evaluation_id=request.cart_evaluation_id,
        line_items=_encode_uses(request.line_items),
        redemptions=_encode_uses(request.redemptions),
        replayed=replayed,
    )


def encode_redemption(
    org_id: int, found: FoundRedemption
) -> promotion_redemption_pb2.PromotionRedemption:
    """A record as a lookup shows it."""
    on_line = found.line_id is not None
    record = promotion_redemption_pb2.PromotionRedemption(
        id=found.id,
        org_id=org_id,
        promotion_id=found.promotion_id,
        promo_code=found.promo_code,
        earned_promotion_id=found.earned_promotion_id,
        customer_id=found.customer_id,
        redemption_date=timestamp(found.transaction_date),
        transaction_identifier=found.transaction_identifier,
        transaction_number=found.transaction_number,
        promotion_name=found.promotion_name,
        promotion_message_label=found.promotion_message_label,
        transaction_entity_identifier=(
            f"REGULAR_l_{found.line_id}" if on_line else f"REGULAR_b_{found.transaction_identifier}"
        ),
        cart_evaluation_id=found.cart_evaluation_id,
        redemption_till=found.till_id or 0,
        discount=decimal(found.discount),
        redemption_count=found.redemption_count,
        amount=decimal(_amount(found)),
        redemption_type=_redemption_type(found),
        over_limit=found.over_limit,
        earned_by_other_customer=found.earned_by_other_customer,
    )
    if found.reversal:
        record.reversal.CopyFrom(encode_reversal(*found.reversal))
    if on_line:
        record.sku = found.sku
        record.product_id = found.product_id or 0
        record.discount_applied_quantity.CopyFrom(decimal(found.discount_quantity))
        record.promotion_applied_quantity.CopyFrom(decimal(found.promotion_quantity))
    return record


def encode_summary(
    org_id: int, summary: CodeSummary
) -> promotion_redemption_pb2.PromotionCodeSummary:
    """The redemptions of a code, added up."""
    return promotion_redemption_pb2.PromotionCodeSummary(
        id=summary.code_id,
        org_id=org_id,
        promotion_id=summary.promotion_id,
        promotion_name=summary.promotion_name,
        promo_code=summary.promo_code,
        mode=_MODES[summary.mode],
        redemption_count=summary.redemption_count,
        discount=decimal(summary.discount),
    )


def _encode_uses(uses: Iterable[PromotionUse]) -> list[promotion_redemption_pb2.PromotionUse]:
    return [
        promotion_redemption_pb2.PromotionUse(
            sku=use.sku,
            promotion_id=use.promotion_id,
            earned_promotion_id=use.earned_promotion_id,
            promo_code=use.promo_code,
            redemption_count=use.redemption_count,
            discount=decimal(use.discount),
            discount_applied_on_quantity=decimal(use.discount_applied_on_quantity),
            promotion_applied_on_quantity=decimal(use.promotion_applied_on_quantity),
            amount=None if use.amount is None else decimal(use.amount),
        )
        for use in uses
    ]


def _amount(found: FoundRedemption) -> int:
    """Of the transaction on cart records; on line records the line's, else its discount."""
    if found.line_id is None:
        return found.transaction_amount
    return found.discount if found.line_amount is None else found.line_amount


def _redemption_type(found: FoundRedemption) -> promotion_redemption_pb2.RedemptionType:
    if found.mode is PromotionMode.PAYMENT_VOUCHER:
        return promotion_redemption_pb2.REDEMPTION_TYPE_PAYMENT_VOUCHER
    if found.line_id is None:
        return promotion_redemption_pb2.REDEMPTION_TYPE_CART
    return promotion_redemption_pb2.REDEMPTION_TYPE_LINEITEM
