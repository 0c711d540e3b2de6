"""The rate of each credential in each organisation, at both doors."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from redemption.v1.promotion_redemption_pb2 import PROMOTION_MODE_DISCOUNT
from redemption.v1.promotion_redemption_service_pb2 import ListPromotionRedemptionsRequest
from redemption_server.access.rate_limit import RateLimiter
from redemption_server.access.windows import LocalWindows
from redemption_server.rules.commands import Caller

from tests.support import catalogs
from tests.support.databases import Databases
from tests.support.eventually import eventually
from tests.support.load import redeem_body
from tests.support.redis_server import COMMAND, free_port, redis_server
from tests.support.service import (
    COUPONS,
    REDEMPTIONS,
    Service,
    basic,
    detail,
    error_info,
    run_service,
    status_of,
)
from tests.support.tools import REQUIRE_TOOLS

LIMIT = 5
LIST = ListPromotionRedemptionsRequest(codes=["A"], mode=PROMOTION_MODE_DISCOUNT)
LOOKUP = f"{REDEMPTIONS}?codes=A&mode=DISCOUNT"
SHARED = {"key": "shared", "secret": "s", "access": {"customer": "write", "default": True}}
needs_redis = pytest.mark.skipif(
    COMMAND is None and not REQUIRE_TOOLS, reason="redis-server is missing: apt-get install it"
)


def limited(folder: Path) -> Path:
    main = catalogs.organization(
        rate_limit_per_minute=LIMIT,
        promotions=[catalogs.promotion()],
        credentials=[catalogs.CREDENTIAL, SHARED],
    )
    other = catalogs.organization(
        id=catalogs.OTHER_ORG, rate_limit_per_minute=LIMIT, credentials=[SHARED]
    )
    return catalogs.write(folder, main, other)


@asynccontextmanager
async def serving(url: str, folder: Path, **settings: Any) -> AsyncIterator[Service]:
    async with run_service(url, limited(folder), **settings) as service:
        yield service


@pytest.fixture(params=[pytest.param(False, id="channel"), pytest.param(True, id="in-process")])
async def service(
    request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Service]:
    async with serving(sqlite_url, tmp_path, in_process=request.param) as service:
        yield service


async def looked_up(service: Service, **headers: str) -> int:
    answer = await service.http.get(LOOKUP, headers=headers)
    return answer.status_code


@pytest.mark.provokes("RATE_LIMITED")
async def test_one_request_too_many_is_refused_over_grpc_with_the_quota(service: Service) -> None:
    for _ in range(LIMIT):
        await service.promotions.ListPromotionRedemptions(LIST, metadata=service.metadata)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.promotions.ListPromotionRedemptions(LIST, metadata=service.metadata)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = status_of(caught.value)
    info = error_info(status)
    assert (info.reason, info.metadata["scope"]) == ("RATE_LIMITED", "requests")
    assert info.metadata["limit"] == str(LIMIT)
    assert info.metadata["state_changed"] == "no"
    quota = detail(status, error_details_pb2.QuotaFailure).violations[0]
    assert (quota.subject, quota.quota_value) == ("requests", LIMIT)
    assert 1 <= detail(status, error_details_pb2.RetryInfo).retry_delay.seconds <= 60
    trailers = dict(caught.value.trailing_metadata() or ())
    assert trailers["ratelimit-policy"] == f'"requests";q={LIMIT};w=60'
    assert str(trailers["ratelimit"]).startswith('"requests";r=0;t=')


@pytest.mark.provokes("RATE_LIMITED")
@pytest.mark.parametrize(
    ("verb", "path", "body", "key"),
    [
        pytest.param("POST", REDEMPTIONS, redeem_body("t1"), "errorCode", id="A"),
        pytest.param("GET", LOOKUP, None, "errors", id="B"),
        pytest.param("POST", COUPONS, {"root": {"coupon": {"code": "A"}}}, "response", id="C"),
    ],
)
async def test_one_request_too_many_is_429_in_the_form_of_the_surface(
    service: Service, verb: str, path: str, body: Any, key: str
) -> None:
    for left in reversed(range(LIMIT)):
        answer = await service.http.request(verb, path, json=body)
        assert answer.status_code in (200, 404)
        assert answer.headers["RateLimit-Policy"] == f'"requests";q={LIMIT};w=60'
        assert answer.headers["RateLimit"].startswith(f'"requests";r={left};t=')
    answer = await service.http.request(verb, path, json=body)
    assert answer.status_code == 429
    assert key in answer.json()
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit"].startswith('"requests";r=0;t=')


async def test_each_credential_has_an_allowance_in_each_organization(service: Service) -> None:
    for _ in range(LIMIT):
        await looked_up(service)
    assert await looked_up(service) == 429
    shared = {"Authorization": basic("shared", "s")}
    for org_id in (catalogs.ORG, catalogs.OTHER_ORG):
        headers = {**shared, "X-CAP-API-AUTH-ORG-ID": str(org_id)}
        # The other organisation is not enabled for promotions by default: any answer but 429.
        answers = [await looked_up(service, **headers) for _ in range(LIMIT + 1)]
        assert answers.index(429) == LIMIT


async def test_a_wrong_secret_uses_up_nobodys_allowance(service: Service) -> None:
    for _ in range(LIMIT):
        assert await looked_up(service, Authorization=basic(secret="wrong")) == 401
    assert [await looked_up(service) for _ in range(LIMIT + 1)] == [404] * LIMIT + [429]


async def test_racing_calls_get_exactly_the_limit(service: Service) -> None:
    answers = await asyncio.gather(*(looked_up(service) for _ in range(4 * LIMIT)))
    assert sorted(answers) == [404] * LIMIT + [429] * 3 * LIMIT


async def test_without_a_limit_nothing_is_said_about_one(sqlite_url: str, tmp_path: Path) -> None:
    file = catalogs.write(tmp_path, catalogs.organization())
    async with run_service(sqlite_url, file) as service:
        answers = [await service.http.get(LOOKUP) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {404}
    assert not any("RateLimit" in answer.headers for answer in answers)


async def test_the_default_is_1000_a_minute(sqlite_url: str, tmp_path: Path) -> None:
    organization = catalogs.organization()
    del organization["rate_limit_per_minute"]
    async with run_service(sqlite_url, catalogs.write(tmp_path, organization)) as service:
        answer = await service.http.get(LOOKUP)
    assert answer.headers["RateLimit-Policy"] == '"requests";q=1000;w=60'


async def test_a_subject_that_was_not_heard_of_for_long_is_forgotten() -> None:
    windows = LocalWindows(2)
    for subject in ("a", "b", "c"):
        assert await windows.take(subject, 1)
    assert not await windows.take("c", 1)
    assert await windows.take("a", 1)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with redis_server(tmp_path, free_port()) as url:
        yield url


@needs_redis
async def test_servers_that_share_redis_share_the_allowance(
    databases: Databases, tmp_path: Path, redis_url: str
) -> None:
    shared: dict[str, Any] = {"rate_limit_storage": redis_url}
    async with (
        serving(
            databases_url := await asyncio.to_thread(databases.sqlite), tmp_path, **shared
        ) as first,
        serving(databases_url, tmp_path, **shared) as second,
    ):
        answers = [await looked_up(s) for _ in range(LIMIT) for s in (first, second)]
        assert sorted(answers) == [404] * LIMIT + [429] * LIMIT
        racing = {"Authorization": basic("shared", "s"), "X-CAP-API-AUTH-ORG-ID": "100"}
        calls = (looked_up(s, **racing) for _ in range(LIMIT) for s in (first, second))
        assert sorted(await asyncio.gather(*calls)) == [404] * LIMIT + [429] * LIMIT


@needs_redis
@pytest.mark.provokes("UNAVAILABLE")
@pytest.mark.parametrize(("when_away", "status"), [("allow", 404), ("refuse", 503)])
async def test_while_redis_is_away_calls_pass_or_not_as_set(
    sqlite_url: str, tmp_path: Path, when_away: str, status: int
) -> None:
    port = free_port()
    settings: dict[str, Any] = {
        "rate_limit_storage": f"redis://127.0.0.1:{port}/0",
        "rate_limit_when_away": when_away,
    }
    async with serving(sqlite_url, tmp_path, **settings) as service:
        assert [await looked_up(service) for _ in range(LIMIT + 2)] == [status] * (LIMIT + 2)
        with redis_server(tmp_path, port):

            async def counts_again() -> bool:
                return await looked_up(service) == 429

            await eventually(counts_again, 20)


async def test_a_counter_that_hangs_is_not_asked_by_each_call() -> None:
    class Hanging(LocalWindows):
        away_errors: tuple[type[BaseException], ...] = (TimeoutError,)
        asked = 0

        async def take(self, subject: str, limit: int, cost: int = 1) -> bool:
            self.asked += 1
            raise TimeoutError

    windows = Hanging(1)
    limiter = RateLimiter(windows, fail_open=True)
    caller = Caller(1, "key", None, "")
    for _ in range(50):
        assert await limiter.take(caller, 1) is None
    assert windows.asked == 1
