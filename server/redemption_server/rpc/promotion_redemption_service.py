"""`redemption.v1.PromotionRedemptionService`."""

from redemption.v1 import promotion_redemption_pb2, promotion_redemption_service_pb2
from sqlalchemy import Connection

from redemption_server.access.identity import Access
from redemption_server.commit.dry_run import DryRun
from redemption_server.commit.queue import CommitQueue
from redemption_server.rpc.decode_promotions import decode_redeem_promotions
from redemption_server.rpc.encode_promotions import (
    encode_redeem_promotions,
    encode_redemption,
    encode_summary,
)
from redemption_server.rpc.page_tokens import make_page_token, read_page_token
from redemption_server.rpc.pipeline import Call, Method
from redemption_server.rpc.shape import Shape
from redemption_server.rules.commands import Clock
from redemption_server.rules.facts import PromotionMode
from redemption_server.rules.normal import fold
from redemption_server.rules.outcomes import RecordedTransaction, Replayed
from redemption_server.rules.redeem_promotions import not_enabled
from redemption_server.rules.refusals import Refused, field_invalid
from redemption_server.storage import lookups
from redemption_server.storage.database import Database

SERVICE = "redemption.v1.PromotionRedemptionService"
CODES_MAX = 100
PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1_000

_RedeemRequest = promotion_redemption_service_pb2.RedeemPromotionsRequest
_RedeemResponse = promotion_redemption_service_pb2.RedeemPromotionsResponse
_ListRequest = promotion_redemption_service_pb2.ListPromotionRedemptionsRequest
_ListResponse = promotion_redemption_service_pb2.ListPromotionRedemptionsResponse

_MODES = {
    promotion_redemption_pb2.PROMOTION_MODE_DISCOUNT: PromotionMode.DISCOUNT,
    promotion_redemption_pb2.PROMOTION_MODE_PAYMENT_VOUCHER: PromotionMode.PAYMENT_VOUCHER,
}


class PromotionRedemptionService:
    """Records promotion redemptions and looks them up by code."""

    def __init__(self, queue: CommitQueue, database: Database, clock: Clock) -> None:
        self._queue = queue
        self._database = database
        self._clock = clock

    def methods(self) -> list[Method]:
        """The RPCs of the service."""
        return [
            Method(f"/{SERVICE}/RedeemPromotions", Access.CUSTOMER_WRITE, self.redeem_promotions),
            Method(
                f"/{SERVICE}/ListPromotionRedemptions",
                Access.DEFAULT,
                self.list_promotion_redemptions,
            ),
        ]

    async def redeem_promotions(self, request: _RedeemRequest, call: Call) -> _RedeemResponse:
        """See the proto."""
        command = decode_redeem_promotions(request, call.identity, self._clock())
        if request.validate_only:
            outcome, _ = await self._database.read(DryRun(command, self._clock()))
        else:
            outcome = await self._queue.submit(command, call.deadline)
        if isinstance(outcome, Refused):
            raise outcome
        assert isinstance(outcome.answer, RecordedTransaction)
        return encode_redeem_promotions(outcome.answer, replayed=isinstance(outcome, Replayed))

    async def list_promotion_redemptions(self, request: _ListRequest, call: Call) -> _ListResponse:
        """See the proto."""
        _check_list(request)
        return await self._database.read(_list, request, call)


def _check_list(request: _ListRequest) -> None:
    shape = Shape()
    if not 1 <= len(request.codes) <= CODES_MAX:
        shape.fail("codes", f"must hold 1 to {CODES_MAX} codes")
    else:
        for i, code in enumerate(request.codes):
            shape.text(f"codes[{i}]", code, required=True)
    if request.mode not in _MODES:
        shape.fail("mode", "must be DISCOUNT or PAYMENT_VOUCHER")
    shape.between("page_size", request.page_size, 0, PAGE_SIZE_MAX)
    shape.check()


def _list(connection: Connection, request: _ListRequest, call: Call) -> _ListResponse:
    org_id = call.identity.caller.org_id
    organization, token_key = lookups.load_organization(connection, org_id)
    if not organization.redemption_without_evaluation:
        raise not_enabled()
    # The first spelling of a code stands for all of them.
    spellings: dict[str, str] = {}
    for code in request.codes:
        spellings.setdefault(fold(code), code)
    query = "\0".join([str(request.mode), *sorted(spellings)])
    before = ""
    if request.page_token:
        position = read_page_token(token_key, query, request.page_token)
        if position is None or not request.include_redemptions:
            raise Refused([field_invalid("page_token", "was not given out for this query")])
        before = position
    codes = lookups.find_codes(connection, org_id, list(spellings), _MODES[request.mode])
    if not before:
        call.misses.count += len(spellings) - len(codes)
    if not request.include_redemptions:
        return _summaries(connection, org_id, spellings, codes)
    size = request.page_size or PAGE_SIZE_DEFAULT
    found = lookups.find_redemptions(connection, org_id, codes, before, size + 1)
    response = _ListResponse(redemptions=[encode_redemption(org_id, r) for r in found[:size]])
    if len(found) > size:
        response.next_page_token = make_page_token(token_key, query, found[size - 1].id)
    if not before:
        redeemed = lookups.redeemed_code_ids(connection, org_id, codes)
        present = {code.code_key for code in codes if code.id in redeemed}
        response.missing_codes.extend(s for key, s in spellings.items() if key not in present)
    return response


def _summaries(
    connection: Connection,
    org_id: int,
    spellings: dict[str, str],
    codes: list[lookups.FoundCode],
) -> _ListResponse:
    by_id = lookups.summarize(connection, org_id, codes)
    by_key = {code.code_key: by_id[code.id] for code in codes if code.id in by_id}
    return _ListResponse(
        code_summaries=[encode_summary(org_id, by_key[k]) for k in spellings if k in by_key],
        missing_codes=[spelling for key, spelling in spellings.items() if key not in by_key],
    )
