"""Decodes promotion requests into commands, checking their shape."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from redemption.v1 import promotion_redemption_pb2, promotion_redemption_service_pb2

from redemption_server.access.identity import Identity
from redemption_server.rpc.shape import Shape
from redemption_server.rules.commands import PromotionUse, RedeemPromotions
from redemption_server.rules.facts import (
    ANONYMOUS_CUSTOMER_ID,
    CustomerIdentifier,
    IdentifierKind,
)
from redemption_server.rules.identity import promotion_identifier
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Violation

USES_MAX = 500
REDEMPTION_COUNT_MAX = 1_000_000
AHEAD_MAX = timedelta(hours=24)

_Request = promotion_redemption_service_pb2.RedeemPromotionsRequest
_IDENTIFIER_KINDS = frozenset(kind.value for kind in IdentifierKind)


def decode_redeem_promotions(
    request: _Request, identity: Identity, now: datetime
) -> RedeemPromotions:
    """The command in a request. Raises Refused with every violation of its shape."""
    shape = Shape()
    line_items, redemptions = _uses(request, shape)
    identifier = _identifier(request, identity.membership.region, shape)
    amount = shape.micros("", request, "amount", required=True)
    transaction_date = now
    if request.HasField("transaction_date"):
        latest = now + AHEAD_MAX
        transaction_date = shape.instant("transaction_date", request.transaction_date, latest)
    else:
        shape.fail("transaction_date", "is required")
    command = RedeemPromotions(
        caller=identity.caller,
        customer_id=request.customer_id if request.HasField("customer_id") else None,
        customer_identifier_type=request.customer_identifier_type,
        customer_identifier_value=request.customer_identifier_value,
        identifier=identifier,
        transaction_identifier=shape.text(
            "transaction_identifier", request.transaction_identifier, required=True
        ),
        transaction_number=shape.text(
            "transaction_number", request.transaction_number, required=True
        ),
        transaction_date=transaction_date,
        amount=amount or 0,
        cart_evaluation_id=shape.text("cart_evaluation_id", request.cart_evaluation_id),
        line_items=line_items,
        redemptions=redemptions,
    )
    shape.check()
    return command


def _uses(
    request: _Request, shape: Shape
) -> tuple[tuple[PromotionUse, ...], tuple[PromotionUse, ...]]:
    count = len(request.line_items) + len(request.redemptions)
    if not count:
        shape.add(
            Violation(
                Reason.USES_REQUIRED,
                "At least line_items or redemptions must be specified",
                field="line_items",
            )
        )
    if count > USES_MAX:
        shape.fail("line_items", f"and redemptions must hold at most {USES_MAX} uses together")
        return (), ()
    return (
        _decode_uses("line_items", request.line_items, shape),
        _decode_uses("redemptions", request.redemptions, shape),
    )


def _decode_uses(
    name: str, uses: Sequence[promotion_redemption_pb2.PromotionUse], shape: Shape
) -> tuple[PromotionUse, ...]:
    return tuple(_decode_use(f"{name}[{i}].", use, shape) for i, use in enumerate(uses))


def _decode_use(
    prefix: str, use: promotion_redemption_pb2.PromotionUse, shape: Shape
) -> PromotionUse:
    return PromotionUse(
        sku=shape.text(prefix + "sku", use.sku),
        promotion_id=shape.text(prefix + "promotion_id", use.promotion_id, required=True),
        earned_promotion_id=shape.text(prefix + "earned_promotion_id", use.earned_promotion_id),
        promo_code=shape.text(prefix + "promo_code", use.promo_code),
        redemption_count=shape.between(
            prefix + "redemption_count", use.redemption_count, 1, REDEMPTION_COUNT_MAX
        ),
        discount=shape.micros(prefix, use, "discount", required=True) or 0,
        discount_applied_on_quantity=shape.micros(
            prefix, use, "discount_applied_on_quantity", required=True
        )
        or 0,
        promotion_applied_on_quantity=shape.micros(
            prefix, use, "promotion_applied_on_quantity", required=True
        )
        or 0,
        amount=shape.micros(prefix, use, "amount", required=False),
    )


def _identifier(request: _Request, region: str, shape: Shape) -> CustomerIdentifier | None:
    kind, value = request.customer_identifier_type, request.customer_identifier_value
    shape.text("customer_identifier_type", kind)
    shape.text("customer_identifier_value", value)
    if request.HasField("customer_id"):
        if request.customer_id <= 0 and request.customer_id != ANONYMOUS_CUSTOMER_ID:
            shape.fail("customer_id", "must be a positive integer, or -1 for an anonymous customer")
        return promotion_identifier(request.customer_id, kind, value, region)
    if not kind or not value:
        shape.add(
            Violation(
                Reason.CUSTOMER_REQUIRED,
                "customer_identifier_type and customer_identifier_value are required when "
                "customer_id is not given",
                field="customer_id",
            )
        )
        return None
    if kind.lower() not in _IDENTIFIER_KINDS:
        shape.fail("customer_identifier_type", "is no known type of identifier")
        return None
    return promotion_identifier(None, kind, value, region)
