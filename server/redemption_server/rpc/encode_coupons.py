"""Encodes answers about coupon redemptions."""

from collections.abc import Sequence

from google.type.decimal_pb2 import Decimal
from redemption.v1 import coupon_redemption_pb2, coupon_redemption_service_pb2

from redemption_server.rpc.encode_values import decimal, timestamp
from redemption_server.rpc.status import item_status_of
from redemption_server.rules.facts import DiscountType
from redemption_server.rules.outcomes import CouponResult, RecordedCoupon, RecordedCoupons
from redemption_server.rules.refusals import Violation

DISCOUNT_TYPES = {
    DiscountType.ABS: coupon_redemption_pb2.DISCOUNT_TYPE_ABS,
    DiscountType.PERC: coupon_redemption_pb2.DISCOUNT_TYPE_PERC,
}


def encode_redeem_coupons(
    answer: RecordedCoupons, *, replayed: bool
) -> coupon_redemption_service_pb2.RedeemCouponsResponse:
    """The answer to a request that was judged or replayed."""
    return coupon_redemption_service_pb2.RedeemCouponsResponse(
        results=[_encode_result(result) for result in answer.results], replayed=replayed
    )


def encode_validate_coupons(
    answer: RecordedCoupons, violations: Sequence[Sequence[Violation]]
) -> coupon_redemption_service_pb2.ValidateCouponsResponse:
    """The answer to a request that was only tried."""
    return coupon_redemption_service_pb2.ValidateCouponsResponse(
        validations=[
            coupon_redemption_service_pb2.CouponValidation(
                result=_encode_result(result), errors=[item_status_of(v) for v in found]
            )
            for result, found in zip(answer.results, violations, strict=True)
        ]
    )


def _encode_result(result: CouponResult) -> coupon_redemption_pb2.CouponResult:
    amount = Decimal(value=result.amount_text) if result.amount_text else None
    encoded = coupon_redemption_pb2.CouponResult(
        code=result.code,
        customer=coupon_redemption_pb2.CouponCustomer(**result.customer._asdict()),
        transaction=coupon_redemption_pb2.CouponTransaction(
            number=result.transaction_number, amount=amount
        ),
        customer_found=result.customer_found,
    )
    if result.redemption:
        encoded.redemption.CopyFrom(encode_redemption(result.redemption))
    elif result.violation:
        encoded.error.CopyFrom(item_status_of(result.violation))
    return encoded


def encode_redemption(redemption: RecordedCoupon) -> coupon_redemption_pb2.CouponRedemption:
    """A recorded redemption."""
    up_to = redemption.discount_up_to
    return coupon_redemption_pb2.CouponRedemption(
        redemption_id=redemption.redemption_id,
        discount_code=redemption.discount_code,
        series_id=redemption.series_id,
        discount_type=DISCOUNT_TYPES[redemption.discount_type],
        discount_value=decimal(redemption.discount_value),
        discount_up_to=None if up_to is None else decimal(up_to),
        redeemed_at=timestamp(redemption.redeemed_at),
    )
