"""`redemption.v1.ReversalService`."""

import hashlib

import orjson
from redemption.v1 import reversal_service_pb2

from redemption_server.access.identity import Access, Identity
from redemption_server.commit.queue import CommitQueue
from redemption_server.rpc.decode_coupons import decode_request_id
from redemption_server.rpc.encode_reversals import encode_reverse_redemption
from redemption_server.rpc.pipeline import Call, Method
from redemption_server.rpc.shape import Shape
from redemption_server.rules.commands import ReverseRedemption
from redemption_server.rules.facts import Operation, RequestKey
from redemption_server.rules.outcomes import RecordedReversal, Replayed
from redemption_server.rules.refusals import Refused
from redemption_server.rules.reversal_policy import ReversalReason

SERVICE = "redemption.v1.ReversalService"
COUPONS_MAX = 100
USES_MAX = 500

_Request = reversal_service_pb2.ReverseRedemptionRequest
_Response = reversal_service_pb2.ReverseRedemptionResponse


class ReversalService:
    """Undoes redemptions."""

    def __init__(self, queue: CommitQueue) -> None:
        self._queue = queue

    def methods(self) -> list[Method]:
        """The RPCs of the service."""
        name = f"/{SERVICE}/ReverseRedemption"
        return [Method(name, Access.CUSTOMER_WRITE, self.reverse_redemption)]

    async def reverse_redemption(self, request: _Request, call: Call) -> _Response:
        """See the proto."""
        command = _decode(request, call.identity)
        outcome = await self._queue.submit(command, call.deadline)
        if isinstance(outcome, Refused):
            raise outcome
        assert isinstance(outcome.answer, RecordedReversal)
        return encode_reverse_redemption(outcome.answer, replayed=isinstance(outcome, Replayed))


def _decode(request: _Request, identity: Identity) -> ReverseRedemption:
    shape = Shape()
    identifier = ""
    record_ids: tuple[str, ...] = ()
    kind = request.WhichOneof("redemption")
    if kind == "transaction_identifier":
        identifier = shape.text(kind, request.transaction_identifier, required=True)
        record_ids = _use_ids(request, shape)
    elif kind == "coupon_redemptions":
        record_ids = _coupon_ids(request, shape)
        if request.redemption_ids:
            shape.fail("redemption_ids", "belongs to a transaction_identifier")
    else:
        shape.fail("transaction_identifier", "is required, or else coupon_redemptions")
    if len(set(record_ids)) < len(record_ids):
        field = "redemption_ids" if identifier else "coupon_redemptions.redemption_ids"
        shape.fail(field, "must name each redemption once")
    if int(request.reason) not in set(map(int, ReversalReason)):
        shape.fail("reason", "is required and must be a reason that there is")
    key = decode_request_id(request.request_id, shape)
    note = shape.text("note", request.note)
    shape.check()
    content = [identifier, record_ids, request.reason, note]
    return ReverseRedemption(
        caller=identity.caller,
        key=RequestKey(Operation.REVERSE_REDEMPTION, key),
        content=hashlib.sha256(orjson.dumps(content)).digest(),
        reason=ReversalReason(request.reason),
        note=note,
        transaction_identifier=identifier,
        record_ids=record_ids,
    )


def _use_ids(request: _Request, shape: Shape) -> tuple[str, ...]:
    ids = tuple(request.redemption_ids)
    if len(ids) > USES_MAX:
        shape.fail("redemption_ids", f"must be at most {USES_MAX}")
        return ()
    for i, record_id in enumerate(ids):
        shape.text(f"redemption_ids[{i}]", record_id, required=True)
    return ids


def _coupon_ids(request: _Request, shape: Shape) -> tuple[str, ...]:
    ids = request.coupon_redemptions.redemption_ids
    field = "coupon_redemptions.redemption_ids"
    if not 1 <= len(ids) <= COUPONS_MAX:
        shape.fail(field, f"must be 1 to {COUPONS_MAX}")
        return ()
    for i, redemption_id in enumerate(ids):
        if redemption_id <= 0:
            shape.fail(f"{field}[{i}]", "must be a positive integer")
    return tuple(str(redemption_id) for redemption_id in ids)
