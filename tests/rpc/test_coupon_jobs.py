"""The making of codes over real gRPC: once for its request, to the end, whatever dies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from redemption_server.storage.issued_codes import ALPHABET

from tests.rpc.coupon_service_calls import (
    CLERK,
    THEIR_SERIES,
    THEIRS,
    assert_clean,
    call,
    call_at,
    create,
    exported,
    invalid,
    on_sqlite,
    open_service,
    pb,
    refusal,
)
from tests.support import catalogs
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.servers import Server, running_servers
from tests.support.service import Service, basic

MANY = 20_500
OURS = (("authorization", basic()),)
ASKED = {"series_id": 2, "count": 2_500, "request_id": "r1"}


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with open_service(database_url, tmp_path, FakeClock()) as service:
        yield service


async def job(service: Service, metadata: Any = None, job_id: str = "r1") -> Any:
    return (await call(service, "GetCouponJob", metadata or CLERK, job_id=job_id)).job


async def is_done(service: Service, job_id: str = "r1") -> Any:
    """The job, once it is done."""

    async def holds() -> bool:
        return bool((await job(service, job_id=job_id)).state == pb.COUPON_JOB_STATE_DONE)

    await eventually(holds, 60)
    return await job(service, job_id=job_id)


@pytest.mark.provokes("REQUEST_CONFLICT")
async def test_a_job_makes_as_many_codes_as_were_asked_for_once(
    service: Service, database_url: str
) -> None:
    await create(service)
    begun = (await call(service, "GenerateCoupons", **ASKED)).job
    assert (begun.job_id, begun.series_id, begun.count) == ("r1", 2, 2_500)
    done = await is_done(service)
    assert (done.count, done.done) == (2_500, 2_500)
    coupons = await exported(service, 2)
    assert len({coupon.code for coupon in coupons}) == 2_500
    assert all(len(coupon.code) == 12 and set(coupon.code) <= set(ALPHABET) for coupon in coupons)
    # Again, also with the default spelled out, it is the same job.
    for again in (ASKED, {**ASKED, "length": 12}):
        assert (await call(service, "GenerateCoupons", **again)).job == done
    await create(service, number=3)
    for changes in (
        {"count": 2_501},
        {"series_id": 3},
        {"length": 13},
        {"prefix": "P"},
        {"suffix": "S"},
    ):
        other = {**ASKED, **changes}
        assert await refusal(service, "GenerateCoupons", **other) == "REQUEST_CONFLICT"
    assert await exported(service, 2) == coupons
    assert await exported(service, 3) == []
    await assert_clean(database_url)


@on_sqlite
async def test_codes_begin_and_end_as_asked(service: Service) -> None:
    await create(service)
    look = {"length": 7, "prefix": "Été-", "suffix": "-%"}
    await call(service, "GenerateCoupons", series_id=2, count=50, request_id="r1", **look)
    await is_done(service)
    for coupon in await exported(service, 2):
        assert coupon.code.startswith("Été-")
        assert coupon.code.endswith("-%")
        middle = coupon.code.removeprefix("Été-").removesuffix("-%")
        assert len(middle) == 7
        assert not set(middle) & set("01ILOUabcdefghijklmnopqrstuvwxyz")


@on_sqlite
@pytest.mark.provokes("FIELD_INVALID")
async def test_only_codes_that_can_be_made_and_hardly_guessed_are_made(service: Service) -> None:
    await create(service)
    good = {**ASKED, "count": 1}
    for changes, wrong in (
        ({"count": 0}, ["count"]),
        ({"count": -1}, ["count"]),
        ({"count": 100_000_001}, ["count"]),
        ({"length": -1}, ["length"]),
        ({"length": 65}, ["length"]),
        # 30 characters: 30 ** 4 are fewer than a million, 30 ** 5 are enough for 24.
        ({"length": 4}, ["length"]),
        ({"length": 5, "count": 25}, ["length"]),
        ({"prefix": "x" * 51}, ["prefix"]),
        ({"prefix": "a,b"}, ["prefix"]),
        ({"prefix": "a\n"}, ["prefix"]),
        ({"suffix": "\0"}, ["suffix"]),
        # Coupon codes have no white space.
        ({"prefix": "a b"}, ["prefix"]),
        ({"request_id": ""}, ["request_id"]),
        ({"request_id": "x" * 256}, ["request_id"]),
        ({"count": 0, "prefix": ",", "request_id": "é"}, ["count", "prefix", "request_id"]),
    ):
        assert await invalid(service, "GenerateCoupons", **{**good, **changes}) == wrong, changes
    for job_id in ("", "x" * 256):
        assert await invalid(service, "GetCouponJob", job_id=job_id) == ["job_id"]
    await call(service, "GenerateCoupons", **{**good, "length": 5, "count": 24})
    assert (await is_done(service)).done == 24


@on_sqlite
@pytest.mark.provokes("JOB_NOT_FOUND", "SERIES_NOT_FOUND", "PERMISSION_DENIED")
async def test_jobs_are_those_of_the_organisation_and_begun_by_administrators(
    service: Service,
) -> None:
    await create(service)
    assert await refusal(service, "GenerateCoupons", CLERK, **ASKED) == "PERMISSION_DENIED"
    for number in (99, THEIR_SERIES):
        asked = {**ASKED, "series_id": number}
        assert await refusal(service, "GenerateCoupons", **asked) == "SERIES_NOT_FOUND"
    await call(service, "GenerateCoupons", **ASKED)
    assert await refusal(service, "GetCouponJob", job_id="r2") == "JOB_NOT_FOUND"
    assert await refusal(service, "GetCouponJob", THEIRS, job_id="r1") == "JOB_NOT_FOUND"
    # Under the same request id they have a job of their own.
    theirs = {"series_id": THEIR_SERIES, "count": 3, "request_id": "r1"}
    await call(service, "GenerateCoupons", THEIRS, **theirs)
    assert (await job(service, THEIRS)).count == 3
    assert (await is_done(service)).count == 2_500


@asynccontextmanager
async def asking(server: Server) -> AsyncIterator[Any]:
    """Asks a server for what the job `r1` has come to, its codes included."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:

        async def ask(name: str, **fields: Any) -> Any:
            return await call_at(channel, name, OURS, **fields)

        yield ask


async def has_made(ask: Any, count: int, seconds: float = 60) -> None:
    async def holds() -> bool:
        return bool((await ask("GetCouponJob", job_id="r1")).job.done >= count)

    await eventually(holds, seconds)


async def codes_at(server: Server) -> list[str]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stream = call_at(channel, "ExportCoupons", OURS, series_id=1)
        return [coupon.code async for response in stream for coupon in response.coupons]


async def assert_exact(url: str, server: Server) -> None:
    """The job is done, and there are exactly its codes beside the one that was there."""
    async with asking(server) as ask:
        found = (await ask("GetCouponJob", job_id="r1")).job
    assert (found.done, found.state) == (MANY, pb.COUPON_JOB_STATE_DONE)
    codes = await codes_at(server)
    assert len(codes) == len(set(codes)) == MANY + 1
    await assert_clean(url)


async def test_a_job_outlives_the_kill_of_its_server_and_makes_exactly_its_codes(
    database_url: str, tmp_path: Path
) -> None:
    stock = catalogs.organization(coupon_series=[catalogs.series()])
    async with running_servers(database_url, tmp_path, stock, 1) as (server,):
        async with asking(server) as ask:
            await ask("GenerateCoupons", series_id=1, count=MANY, request_id="r1")
            await has_made(ask, 1_000)
        for _ in range(2):
            await server.kill()
            await server.start()
            async with asking(server) as ask:
                before = (await ask("GetCouponJob", job_id="r1")).job.done
                await has_made(ask, min(before + 1, MANY))
        async with asking(server) as ask:
            await has_made(ask, MANY)
        await assert_exact(database_url, server)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_servers_that_step_one_job_make_exactly_its_codes_and_one_is_enough(
    database_url: str, tmp_path: Path
) -> None:
    stock = catalogs.organization(coupon_series=[catalogs.series()])
    async with running_servers(database_url, tmp_path, stock, 2) as (one, other):
        # Each is told of the job, so that both step it at once.
        async with asking(one) as ask, asking(other) as ask_other:
            asked = {"series_id": 1, "count": MANY, "request_id": "r1"}
            await asyncio.gather(
                ask("GenerateCoupons", **asked), ask_other("GenerateCoupons", **asked)
            )
            await has_made(ask, 2_000)
            await one.kill()
            await has_made(ask_other, MANY)
        await assert_exact(database_url, other)
