"""Encodes answers about reversals."""

from datetime import datetime

from redemption.v1 import reversal_pb2, reversal_service_pb2

from redemption_server.rpc.encode_values import timestamp
from redemption_server.rules.facts import RecordKind
from redemption_server.rules.outcomes import RecordedReversal, ReversedRecord
from redemption_server.rules.reversal_policy import Returned, ReversalReason


def encode_reverse_redemption(
    recorded: RecordedReversal, *, replayed: bool
) -> reversal_service_pb2.ReverseRedemptionResponse:
    """The answer to a granted or replayed request."""
    return reversal_service_pb2.ReverseRedemptionResponse(
        reversal_id=recorded.id,
        reversed_at=timestamp(recorded.recorded_at),
        redemptions=[_encode_record(recorded, record) for record in recorded.records],
        replayed=replayed,
    )


def encode_reversal(
    reversal_id: str, reason: ReversalReason, at: datetime, returned: Returned
) -> reversal_pb2.Reversal:
    """The reversal of one redemption."""
    return reversal_pb2.Reversal(
        id=reversal_id,
        reason=reversal_pb2.ReversalReason.Name(reason),
        reversed_at=timestamp(at),
        code_returned=Returned.CODE in returned,
        customer_returned=Returned.CUSTOMER in returned,
        budget_returned=Returned.BUDGET in returned,
    )


def _encode_record(
    recorded: RecordedReversal, record: ReversedRecord
) -> reversal_service_pb2.ReversedRedemption:
    reversed_redemption = reversal_service_pb2.ReversedRedemption(
        reversal=encode_reversal(
            recorded.id, recorded.reason, recorded.recorded_at, record.returned
        )
    )
    if record.key.kind is RecordKind.COUPON_REDEMPTION:
        reversed_redemption.coupon_redemption_id = int(record.key.id)
    else:
        reversed_redemption.promotion_redemption_id = record.key.id
    return reversed_redemption
