"""Answers as they are kept for replays: JSON of their values, in the order of the fields.

Answers about promotions are not kept: they are made from the records.
"""

from typing import Any

import orjson

from redemption_server.rules.commands import CouponCustomer
from redemption_server.rules.facts import DiscountType, Operation, RecordKey, RecordKind
from redemption_server.rules.outcomes import (
    CouponResult,
    RecordedCoupon,
    RecordedCoupons,
    RecordedReversal,
    ReversedRecord,
)
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Violation
from redemption_server.rules.reversal_policy import Returned, ReversalReason
from redemption_server.storage.instants import from_ms, to_ms

Kept = RecordedCoupons | RecordedReversal


def pack(answer: Kept) -> bytes:
    """An answer as bytes, its content apart."""
    if isinstance(answer, RecordedReversal):
        return _pack_reversal(answer)
    return pack_results(answer)


def unpack(operation: Operation, content: bytes, packed: bytes) -> Kept:
    """The answer from bytes."""
    if operation is Operation.REVERSE_REDEMPTION:
        return _unpack_reversal(content, packed)
    return unpack_results(content, packed)


def _pack_reversal(answer: RecordedReversal) -> bytes:
    records = [[*record.key, record.returned] for record in answer.records]
    at_ms = to_ms(answer.recorded_at)
    return orjson.dumps([answer.id, answer.reason, answer.note, at_ms, records])


def _unpack_reversal(content: bytes, packed: bytes) -> RecordedReversal:
    reversal_id, reason, note, at_ms, records = orjson.loads(packed)
    return RecordedReversal(
        content,
        reversal_id,
        ReversalReason(reason),
        note,
        from_ms(at_ms),
        tuple(
            ReversedRecord(RecordKey(RecordKind(kind), record_id), Returned(what))
            for kind, record_id, what in records
        ),
    )


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
