"""`redemption.v1.OutcomeService`."""

from redemption.v1 import outcome_service_pb2
from sqlalchemy import Connection

from redemption_server.access.identity import Access
from redemption_server.rpc.decode_coupons import decode_request_id
from redemption_server.rpc.encode_coupons import encode_redeem_coupons
from redemption_server.rpc.encode_promotions import encode_redeem_promotions
from redemption_server.rpc.encode_reversals import encode_reverse_redemption
from redemption_server.rpc.encode_values import timestamp
from redemption_server.rpc.pipeline import Call, Method
from redemption_server.rpc.shape import Shape
from redemption_server.rules.facts import Operation, RequestKey
from redemption_server.rules.outcomes import Answer, RecordedReversal, RecordedTransaction
from redemption_server.storage.claims import load_answers
from redemption_server.storage.database import Database
from redemption_server.storage.records import load_transactions

SERVICE = "redemption.v1.OutcomeService"

_Request = outcome_service_pb2.GetOutcomeRequest
_Response = outcome_service_pb2.GetOutcomeResponse


class OutcomeService:
    """Tells what became of a request whose answer was lost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def methods(self) -> list[Method]:
        """The RPCs of the service."""
        return [Method(f"/{SERVICE}/GetOutcome", Access.DEFAULT, self.get_outcome)]

    async def get_outcome(self, request: _Request, call: Call) -> _Response:
        """See the proto."""
        key = _decode(request)
        membership = call.identity.membership
        answer = await self._database.read(_load, membership.org_id, key, membership.region)
        return _encode(answer)


def _decode(request: _Request) -> RequestKey:
    shape = Shape()
    kind = request.WhichOneof("key")
    if kind == "request_id":
        text = decode_request_id(request.request_id, shape)
        key = RequestKey(Operation.REDEEM_COUPONS, text)
    elif kind == "reversal_request_id":
        text = decode_request_id(request.reversal_request_id, shape, kind)
        key = RequestKey(Operation.REVERSE_REDEMPTION, text)
    else:
        field = "transaction_identifier"
        text = shape.text(field, request.transaction_identifier, required=True)
        key = RequestKey(Operation.REDEEM_PROMOTIONS, text)
    shape.check()
    return key


def _load(connection: Connection, org_id: int, key: RequestKey, region: str) -> Answer | None:
    if key.operation is Operation.REDEEM_PROMOTIONS:
        return load_transactions(connection, org_id, [key.key], region).get(key)
    return load_answers(connection, org_id, [key]).get(key)


def _encode(answer: Answer | None) -> _Response:
    if answer is None:
        return _Response(state=outcome_service_pb2.OUTCOME_STATE_NOT_RECORDED)
    response = _Response(
        state=outcome_service_pb2.OUTCOME_STATE_RECORDED, recorded_at=timestamp(answer.recorded_at)
    )
    if isinstance(answer, RecordedTransaction):
        response.redeem_promotions.CopyFrom(encode_redeem_promotions(answer, replayed=True))
    elif isinstance(answer, RecordedReversal):
        reversal = encode_reverse_redemption(answer, replayed=True)
        response.reverse_redemption.CopyFrom(reversal)
    else:
        response.redeem_coupons.CopyFrom(encode_redeem_coupons(answer, replayed=True))
    return response
