"""`redemption.v1.CouponRedemptionService`."""

from redemption.v1 import coupon_redemption_service_pb2

from redemption_server.access.identity import Access
from redemption_server.commit.queue import CommitQueue
from redemption_server.rpc.decode_coupons import decode_redeem_coupons
from redemption_server.rpc.encode_coupons import encode_redeem_coupons
from redemption_server.rpc.pipeline import Call, Method
from redemption_server.rules.commands import IdSource
from redemption_server.rules.outcomes import RecordedCoupons, Replayed
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused

SERVICE = "redemption.v1.CouponRedemptionService"

_Request = coupon_redemption_service_pb2.RedeemCouponsRequest
_Response = coupon_redemption_service_pb2.RedeemCouponsResponse


class CouponRedemptionService:
    """Redeems coupons."""

    def __init__(self, queue: CommitQueue, ids: IdSource) -> None:
        self._queue = queue
        self._ids = ids

    def methods(self) -> list[Method]:
        """The RPCs of the service."""
        name = f"/{SERVICE}/RedeemCoupons"
        return [Method(name, Access.DEFAULT, self.redeem_coupons, _has_key)]

    async def redeem_coupons(self, request: _Request, call: Call) -> _Response:
        """See the proto."""
        command = decode_redeem_coupons(request, call.identity, self._ids)
        outcome = await self._queue.submit(command, call.deadline)
        if isinstance(outcome, Refused):
            raise outcome
        assert isinstance(outcome.answer, RecordedCoupons)
        if not isinstance(outcome, Replayed):
            call.misses.count += _unknown_codes(outcome.answer)
        return encode_redeem_coupons(outcome.answer, replayed=isinstance(outcome, Replayed))


def _unknown_codes(answer: RecordedCoupons) -> int:
    violations = (result.violation for result in answer.results)
    return sum(v is not None and v.reason is Reason.CODE_NOT_FOUND for v in violations)


def _has_key(request: _Request) -> bool:
    return bool(request.request_id)
