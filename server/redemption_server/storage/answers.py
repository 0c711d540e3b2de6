"""Coupon answers as they are kept for replays: JSON of the results, in the order of the fields."""

from typing import Any

import orjson

from redemption_server.rules.commands import CouponCustomer
from redemption_server.rules.facts import DiscountType
from redemption_server.rules.outcomes import CouponResult, RecordedCoupon, RecordedCoupons
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Violation
from redemption_server.storage.instants import from_ms, to_ms


def pack_results(answer: RecordedCoupons) -> bytes:
    """The results as bytes."""
    return orjson.dumps([_pack(result) for result in answer.results])


def unpack_results(content: bytes, packed: bytes) -> RecordedCoupons:
    """The answer from bytes."""
    return RecordedCoupons(content, tuple(_unpack(fields) for fields in orjson.loads(packed)))


def _pack(result: CouponResult) -> list[Any]:
    redemption, violation = result.redemption, result.violation
    return [
        result.code,
        list(result.customer),
        result.customer_found,
        result.transaction_number,
        result.amount_text,
        redemption and [*redemption[:-1], to_ms(redemption.redeemed_at)],
        violation and [violation.reason, violation.description, dict(violation.metadata)],
    ]


def _unpack(fields: list[Any]) -> CouponResult:
    code, customer, found, number, amount_text, redemption, violation = fields
    return CouponResult(
        code,
        CouponCustomer(*customer),
        found,
        number,
        amount_text,
        redemption and _unpack_redemption(redemption),
        violation and Violation(Reason(violation[0]), violation[1], metadata=violation[2]),
    )


def _unpack_redemption(fields: list[Any]) -> RecordedCoupon:
    redemption_id, discount_code, series_id, discount_type, value, up_to, redeemed_at_ms = fields
    return RecordedCoupon(
        redemption_id,
        discount_code,
        series_id,
        DiscountType(discount_type),
        value,
        up_to,
        from_ms(redeemed_at_ms),
    )
