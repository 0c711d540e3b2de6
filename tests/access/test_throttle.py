"""Guessing is slow: secrets by key and by address, codes by credential."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest
from redemption.v1 import catalog_pb2, catalog_service_pb2
from redemption.v1.promotion_redemption_service_pb2 import ListPromotionRedemptionsRequest
from redemption_server.access import attempts, gate
from redemption_server.access.attempts import FREE_FAILURES, FailedAttempts
from redemption_server.access.throttle import Throttle
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused

from tests.support import catalogs
from tests.support.load import redeem_body
from tests.support.service import COUPONS, REDEMPTIONS, Service, basic, run_service

LOOKUP = f"{REDEMPTIONS}?codes=A&mode=DISCOUNT"
ADDRESS = "203.0.113.7"
MOST = 8


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer failures and shorter waits."""
    monkeypatch.setattr(attempts, "FAILURES_MAX", MOST)
    monkeypatch.setattr(attempts, "_STEP_SECONDS", 0.001)


async def fail(tried: FailedAttempts, key: str, address: str, times: int = 1) -> None:
    for _ in range(times):
        async with tried.attempt(key, address):
            await tried.failed(key, address)


async def refusal(tried: FailedAttempts, key: str, address: str) -> Refused | None:
    try:
        async with tried.attempt(key, address):
            return None
    except Refused as refused:
        return refused


@pytest.mark.usefixtures("quick")
async def test_who_fails_too_often_with_a_key_is_refused_from_everywhere() -> None:
    tried = FailedAttempts()
    for number in range(MOST):
        await fail(tried, "key", f"203.0.113.{number}")
    refused = await refusal(tried, "key", ADDRESS)
    assert refused
    assert refused.reason is Reason.RATE_LIMITED
    assert refused.violations[0].metadata["scope"] == "failed_attempts"
    assert 1 <= refused.retry_seconds <= 60
    assert await refusal(tried, "other key", ADDRESS) is None


@pytest.mark.usefixtures("quick")
async def test_who_fails_too_often_from_an_address_is_refused_with_every_key() -> None:
    tried = FailedAttempts()
    for number in range(MOST):
        await fail(tried, f"key {number}", ADDRESS)
    assert await refusal(tried, "key", ADDRESS)
    assert await refusal(tried, "key", "203.0.113.8") is None


@pytest.mark.usefixtures("quick")
async def test_one_subscriber_of_version_6_has_one_address() -> None:
    tried = FailedAttempts()
    for number in range(MOST):
        await fail(tried, f"key {number}", f"2001:db8:1:2::{number:x}")
    assert await refusal(tried, "key", "2001:db8:1:2:ffff::1")
    assert await refusal(tried, "key", "2001:db8:1:3::1") is None


@pytest.mark.usefixtures("quick")
async def test_attempts_side_by_side_are_counted_one_by_one() -> None:
    tried = FailedAttempts()
    verified = 0

    async def attempt() -> None:
        nonlocal verified
        async with tried.attempt("key", ADDRESS):
            verified += 1
            await asyncio.sleep(0)
            await tried.failed("key", ADDRESS)

    await asyncio.gather(*(attempt() for _ in range(10 * MOST)), return_exceptions=True)
    # Those that were being verified when the last failure came.
    assert MOST <= verified <= MOST + 1


async def test_the_first_failures_are_free_and_each_one_after_them_slows() -> None:
    throttle = Throttle("x", "Too many", free=3, most=100, step_seconds=0.05)
    waits = []
    for _ in range(6):
        begun = time.monotonic()
        await throttle.admit("subject")
        waits.append(time.monotonic() - begun)
        await throttle.missed("subject")
    assert all(wait < 0.04 for wait in waits[:4])
    assert waits[4] >= 0.05
    assert waits[5] >= 0.1


async def test_many_misses_at_once_count_each_but_never_past_the_most() -> None:
    throttle = Throttle("x", "Too many", free=1, most=10, step_seconds=0)
    await throttle.missed("subject", 7)
    assert await throttle.check("subject") == 7
    await throttle.missed("subject", 1_000)
    with pytest.raises(Refused):
        await throttle.check("subject")


async def test_those_who_wait_for_the_expensive_hash_are_not_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempts, "_WAITING_MAX", 3)
    tried, leave = FailedAttempts(), asyncio.Event()

    async def wait(number: int) -> None:
        async with tried.attempt(f"key {number}", ""):
            await leave.wait()

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    refused = await refusal(tried, "key", "")
    assert refused
    assert refused.reason is Reason.OVERLOADED
    leave.set()
    await asyncio.gather(*waiting)
    assert await refusal(tried, "key", "") is None


@pytest.fixture
async def hurried(
    sqlite_url: str, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    monkeypatch.setattr(gate, "_STEP_SECONDS", 0.0)
    file = catalogs.write(
        tmp_path,
        catalogs.organization(
            promotions=[catalogs.promotion(codes=[{"id": "c", "code": "A"}])],
            coupon_series=[catalogs.series(max_redemptions_per_coupon="unlimited")],
            credentials=[catalogs.CREDENTIAL, {**catalogs.CREDENTIAL, "key": "second"}],
        ),
    )
    async with run_service(sqlite_url, file, unknown_codes_per_minute=2) as service:
        yield service


@pytest.mark.provokes("RATE_LIMITED")
async def test_who_was_let_in_before_stays_in_whoever_tries_the_key(hurried: Service) -> None:
    assert (await hurried.http.get(LOOKUP)).status_code == 404
    wrong = {"Authorization": basic(secret="wrong")}
    answers = [(await hurried.http.get(LOOKUP, headers=wrong)).status_code for _ in range(MOST + 2)]
    assert answers == [401] * MOST + [429] * 2
    refused = await hurried.http.get(LOOKUP, headers=wrong)
    assert int(refused.headers["Retry-After"]) >= 1
    # The second has not been let in before, and is at the same address.
    second = {"Authorization": basic("second", catalogs.SECRET)}
    assert (await hurried.http.get(LOOKUP, headers=second)).status_code == 429
    assert (await hurried.http.get(LOOKUP)).status_code == 404
    # Not even a change of the catalog, after which everything is read again, puts it out.
    change = catalog_pb2.Catalog(
        organizations=[
            catalog_pb2.Organization(id=catalogs.ORG, redemption_without_evaluation=True)
        ]
    )
    request = catalog_service_pb2.ApplyCatalogRequest(catalog=change)
    await hurried.catalog.ApplyCatalog(request, metadata=hurried.metadata)
    assert (await hurried.http.get(LOOKUP)).status_code == 404


async def test_a_forwarded_address_counts_only_from_a_trusted_peer(
    sqlite_url: str, tmp_path: Path, quick: None
) -> None:
    file = catalogs.write(tmp_path, catalogs.organization())
    for trusted, last in (
        ("127.0.0.1", "UNAUTHENTICATED"),
        ("192.0.2.1", "RESOURCE_EXHAUSTED"),
    ):
        async with run_service(sqlite_url, file, trusted_proxies=trusted) as service:
            # One more than needed: a minute that slides over a boundary counts a little less.
            for number in range(MOST + 2):
                metadata = (
                    ("authorization", basic(f"key {number}")),
                    ("x-forwarded-for", f"203.0.113.{number}"),
                )
                code = await _code(service, metadata)
            assert code == last


async def _code(service: Service, metadata: tuple[tuple[str, str], ...]) -> str:
    request = ListPromotionRedemptionsRequest()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.promotions.ListPromotionRedemptions(request, metadata=metadata)
    return caught.value.code().name


def guesses(count: int) -> dict[str, object]:
    customer = {"id": catalogs.CUSTOMER}
    coupons = [{"code": f"GUESS{n}", "customer": customer} for n in range(count)]
    return {"root": {"coupon": coupons}}


@pytest.mark.provokes("RATE_LIMITED")
async def test_who_guesses_coupons_is_refused_and_nobody_else_is(hurried: Service) -> None:
    good = {"root": {"coupon": {"code": "COUPON1", "customer": {"id": catalogs.CUSTOMER}}}}
    for _ in range(2):
        assert (await hurried.post(COUPONS, guesses(10))).status_code == 200
    refused = await hurried.post(COUPONS, good)
    assert refused.status_code == 429
    assert (await hurried.http.get(LOOKUP)).status_code == 429
    second = {"Authorization": basic("second", catalogs.SECRET)}
    assert (await hurried.post(COUPONS, good, **second)).status_code == 200


async def test_unknown_codes_of_lookups_and_promotions_count_and_unused_ones_do_not(
    hurried: Service,
) -> None:
    for _ in range(30):
        assert (await hurried.http.get(LOOKUP)).status_code == 404
    unknown = ",".join(f"X{n}" for n in range(19))
    await hurried.http.get(f"{REDEMPTIONS}?codes={unknown}&mode=DISCOUNT")
    assert (await hurried.http.get(LOOKUP)).status_code == 404
    body = redeem_body("t")
    body["redemptions"][0]["promoCode"] = "GUESS"
    assert (await hurried.post(REDEMPTIONS, body)).status_code == 404
    assert (await hurried.http.get(LOOKUP)).status_code == 429


async def test_free_failures_are_fewer_than_those_that_are_refused() -> None:
    assert FREE_FAILURES < attempts.FAILURES_MAX
