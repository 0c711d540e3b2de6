"""Every error says whether anything changed, and whether sending the request again makes sense."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from redemption.v1.coupon_redemption_service_pb2 import RedeemCouponsRequest
from redemption.v1.promotion_redemption_pb2 import PromotionUse
from redemption.v1.promotion_redemption_service_pb2 import RedeemPromotionsRequest
from redemption_server.storage.database import ATTEMPTS_MAX

from tests.rpc.coupon_calls import a_use
from tests.support import catalogs
from tests.support.databases import Databases
from tests.support.eventually import eventually
from tests.support.load import redeem_request
from tests.support.lock import locked
from tests.support.postgres_proxy import Loss, PostgresProxy, Then, proxied
from tests.support.service import Service, basic, detail, error_info, run_service

POINTLESS = {"state_changed": "no", "retry": "pointless"}
SAFE = {"state_changed": "no", "retry": "safe"}
OPEN = {"state_changed": "unknown", "retry": "safe"}
DANGEROUS = {"state_changed": "unknown", "retry": "unsafe"}
Request = RedeemPromotionsRequest | RedeemCouponsRequest

TOO_MANY = PromotionUse()
TOO_MANY.CopyFrom(redeem_request("t").redemptions[0])
TOO_MANY.promotion_id, TOO_MANY.redemption_count = "limited", 2
COUPONS = 10


def promotion(number: int = 0) -> Request:
    return redeem_request(f"t{number}")


def keyed(number: int = 0) -> Request:
    return RedeemCouponsRequest(coupons=[a_use(f"KEYED{number}")], request_id=f"r{number}")


def unkeyed(number: int = 0) -> Request:
    return RedeemCouponsRequest(coupons=[a_use(f"UNKEYED{number}")])


# What a caller is told when it is unknown whether the request was recorded.
LEFT_OPEN = ((promotion, OPEN), (keyed, OPEN), (unkeyed, DANGEROUS))


def organization() -> dict[str, Any]:
    reader = {
        "key": "reader",
        "secret": "reader",
        "access": {"customer": "read", "default": True},
    }
    coupons = [{"code": f"{kind}{n}"} for kind in ("KEYED", "UNKEYED") for n in range(COUPONS)]
    return catalogs.organization(
        credentials=[catalogs.CREDENTIAL, reader],
        promotions=[
            catalogs.promotion(),
            catalogs.promotion("limited", limits={"redemptions_total": 1}),
        ],
        coupon_series=[catalogs.series(coupons=coupons)],
    )


def _send(service: Service, request: Request, *metadata: tuple[str, str]) -> Any:
    stub = service.promotions.RedeemPromotions
    if isinstance(request, RedeemCouponsRequest):
        stub = service.coupons.RedeemCoupons
    return stub(request, metadata=metadata or service.metadata)


class Refusal(NamedTuple):
    """Why, what a caller is told to do, and after how many seconds."""

    reason: str
    advice: Mapping[str, str]
    retry_seconds: int | None = None


async def refusal(service: Service, request: Request, *metadata: tuple[str, str]) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _send(service, request, *metadata)
    status = rpc_status.from_call(caught.value)
    if status is None:
        return Refusal("no word of the service", {})
    info = error_info(status)
    advice = {name: info.metadata[name] for name in ("state_changed", "retry")}
    kind = error_details_pb2.RetryInfo
    if not any(packed.Is(kind.DESCRIPTOR) for packed in status.details):
        return Refusal(info.reason, advice)
    return Refusal(info.reason, advice, detail(status, kind).retry_delay.seconds)


async def refusal_after(service: Service, deadline: str, request: Request) -> Refusal:
    """What the service says after a deadline, which the client does not keep.

    gRPC ends the call at the same moment, now and then before the service has said a word.
    """
    return await refusal(service, request, *service.metadata, ("grpc-timeout", deadline))


@pytest.fixture
async def stocked(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    file = catalogs.write(tmp_path, organization())
    async with run_service(sqlite_url, file) as service:
        await _send(service, redeem_request("recorded"))
        yield service


JUDGED: tuple[tuple[str, Request, str], ...] = (
    ("FIELD_INVALID", redeem_request(""), basic()),
    ("FIELD_INVALID", RedeemCouponsRequest(), basic()),
    ("CUSTOMER_NOT_FOUND", redeem_request("t", customer_id=9), basic()),
    ("LIMIT_REACHED", redeem_request("t", redemptions=[TOO_MANY]), basic()),
    ("TRANSACTION_CONFLICT", redeem_request("recorded", transaction_number="2"), basic()),
    ("UNAUTHENTICATED", redeem_request("t"), basic("nobody")),
    ("PERMISSION_DENIED", redeem_request("t"), basic("reader", "reader")),
)


async def test_a_request_that_was_judged_changes_nothing_and_need_not_be_sent_again(
    stocked: Service,
) -> None:
    for reason, request, authorization in JUDGED:
        refused = await refusal(stocked, request, ("authorization", authorization))
        assert refused == Refusal(reason, POINTLESS)


async def assert_recorded_once(service: Service, request: Request) -> None:
    again = await _send(service, request)
    if isinstance(request, RedeemCouponsRequest) and not request.request_id:
        assert error_info(again.results[0].error).reason == "COUPON_REPEATED"
    else:
        assert again.replayed


@pytest.mark.provokes("DEADLINE_EXCEEDED")
async def test_after_a_deadline_only_what_has_a_key_may_be_sent_again(stocked: Service) -> None:
    for make, advice in LEFT_OPEN:
        for number in range(COUPONS):
            with locked(stocked.database_file):
                refused = await refusal_after(stocked, "200m", make(number))
            await assert_recorded_once(stocked, make(number))
            if refused.advice:
                break
        assert refused == Refusal("DEADLINE_EXCEEDED", advice)


@pytest.mark.provokes("OVERLOADED")
async def test_who_was_not_let_in_may_come_again(stocked: Service) -> None:
    refusals = []

    async def is_overloaded() -> bool:
        refusals.append(await refusal_after(stocked, "300m", unkeyed()))
        return refusals[-1].reason == "OVERLOADED"

    with locked(stocked.database_file):
        await eventually(is_overloaded)
    refused = refusals[-1]
    assert refused.advice == SAFE
    assert (refused.retry_seconds or 0) >= 1


@pytest.fixture
def postgresql_url(databases: Databases) -> Iterator[str]:
    with databases.postgresql() as url:
        yield url


@pytest.fixture
async def proxy(postgresql_url: str) -> AsyncIterator[PostgresProxy]:
    async with proxied(postgresql_url) as proxy:
        yield proxy


@pytest.fixture
async def far(proxy: PostgresProxy, tmp_path: Path) -> AsyncIterator[Service]:
    """A service whose connections to its database can be lost."""
    file = catalogs.write(tmp_path, organization())
    async with run_service(proxy.url, file) as service:
        yield service


@pytest.mark.provokes("CONTENTION")
async def test_after_lost_commits_what_has_no_key_must_not_be_sent_again(
    proxy: PostgresProxy, far: Service
) -> None:
    proxy.lose(Loss.AFTER_COMMIT, times=ATTEMPTS_MAX)
    assert await refusal(far, unkeyed()) == Refusal("CONTENTION", DANGEROUS, 1)
    await assert_recorded_once(far, unkeyed())


@pytest.mark.provokes("UNAVAILABLE")
async def test_while_the_database_is_away_all_may_be_sent_again_but_what_was_lost(
    proxy: PostgresProxy, far: Service
) -> None:
    proxy.lose(Loss.AFTER_COMMIT, Then.REFUSE)
    assert await refusal(far, unkeyed()) == Refusal("UNAVAILABLE", DANGEROUS, 1)
    for request in (promotion(), keyed(), unkeyed()):
        assert await refusal(far, request) == Refusal("UNAVAILABLE", SAFE, 1)
