"""`redemption.v1.CouponRedemptionService`."""

from redemption.v1 import coupon_redemption_service_pb2

from redemption_server.access.identity import Access
from redemption_server.commit.dry_run import DryRun, Tried
from redemption_server.commit.queue import CommitQueue
from redemption_server.rpc.decode_coupons import decode_redeem_coupons
from redemption_server.rpc.encode_coupons import encode_redeem_coupons, encode_validate_coupons
from redemption_server.rpc.pipeline import Call, Method
from redemption_server.rules.commands import Clock, IdSource, RedeemCoupons
from redemption_server.rules.outcomes import RecordedCoupons, Replayed
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused, Violation
from redemption_server.storage.database import Database

SERVICE = "redemption.v1.CouponRedemptionService"

_Request = coupon_redemption_service_pb2.RedeemCouponsRequest
_Response = coupon_redemption_service_pb2.RedeemCouponsResponse
_ValidateRequest = coupon_redemption_service_pb2.ValidateCouponsRequest
_ValidateResponse = coupon_redemption_service_pb2.ValidateCouponsResponse


class CouponRedemptionService:
    """Redeems coupons."""

    def __init__(self, queue: CommitQueue, database: Database, clock: Clock, ids: IdSource) -> None:
        self._queue = queue
        self._database = database
        self._clock = clock
        self._ids = ids

    def methods(self) -> list[Method]:
        """The RPCs of the service."""
        return [
            Method(f"/{SERVICE}/RedeemCoupons", Access.DEFAULT, self.redeem_coupons, _has_key),
            Method(f"/{SERVICE}/ValidateCoupons", Access.DEFAULT, self.validate_coupons),
        ]

    async def redeem_coupons(self, request: _Request, call: Call) -> _Response:
        """See the proto."""
        command = decode_redeem_coupons(request, call.identity, self._ids)
        if request.validate_only:
            outcome, _ = await self._try(command)
        else:
            outcome = await self._queue.submit(command, call.deadline)
        if isinstance(outcome, Refused):
            raise outcome
        assert isinstance(outcome.answer, RecordedCoupons)
        if not isinstance(outcome, Replayed):
            call.misses.count += _unknown_codes(outcome.answer)
        return encode_redeem_coupons(outcome.answer, replayed=isinstance(outcome, Replayed))

    async def validate_coupons(self, request: _ValidateRequest, call: Call) -> _ValidateResponse:
        """See the proto."""
        same = _Request(coupons=request.coupons, atomic=request.atomic)
        command = decode_redeem_coupons(same, call.identity, self._ids)
        outcome, violations = await self._try(command)
        if isinstance(outcome, Refused):
            raise outcome
        assert isinstance(outcome.answer, RecordedCoupons)
        # All are told, so that one behind another tells a guesser just as much.
        call.misses.count += sum(map(_is_unknown, (v for found in violations for v in found)))
        return encode_validate_coupons(outcome.answer, violations)

    async def _try(self, command: RedeemCoupons) -> Tried:
        return await self._database.read(DryRun(command, self._clock()))


def _unknown_codes(answer: RecordedCoupons) -> int:
    return sum(_is_unknown(result.violation) for result in answer.results)


def _is_unknown(violation: Violation | None) -> bool:
    return violation is not None and violation.reason is Reason.CODE_NOT_FOUND


def _has_key(request: _Request) -> bool:
    return bool(request.request_id)
