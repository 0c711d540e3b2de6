"""SIGTERM: health says so first, who waits is answered; a second one ends the process at once."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support import catalogs
from tests.support.books import books_at, books_of
from tests.support.both_doors import both_doors, catalog
from tests.support.load import redeem_body
from tests.support.lock import locked
from tests.support.process import Process, started
from tests.support.service import REDEMPTIONS
from tests.support.till import GRANTED, Till, open_till

WAITING = [f"t{n}" for n in range(10)]


def file_of(folder: Path) -> Path:
    return folder / "var" / "redemption.db"


async def assert_recorded(folder: Path, *identifiers: str) -> None:
    url = f"sqlite+aiosqlite:///{file_of(folder)}"
    assert await books_at(url) == books_of(*identifiers)


class Watch:
    """Hears of each change of a server's health."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def hears(self, *, serving: bool) -> None:
        async with asyncio.timeout(5):
            answer = await self._call.read()
        expected = health_pb2.HealthCheckResponse
        assert answer.status == (expected.SERVING if serving else expected.NOT_SERVING)


@asynccontextmanager
async def watching(port: int) -> AsyncIterator[Watch]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        call = stub.Watch(health_pb2.HealthCheckRequest())
        watch = Watch(call)
        await watch.hears(serving=True)
        yield watch
        call.cancel()


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[tuple[Process, int]]:
    """A server alone, and its port."""
    with started("server", folder=folder, catalog=catalog(folder)) as process:
        yield process, process.port("gRPC server listens")


@asynccontextmanager
async def gateway(folder: Path, port: int) -> AsyncIterator[tuple[Process, httpx.AsyncClient]]:
    """A gateway alone, before the server at a port, and a client of it."""
    target = f"ipv4:127.0.0.1:{port}"
    with started("gateway", folder=folder, server_target=target) as process:
        url = f"http://127.0.0.1:{process.port('HTTP gateway listens')}"
        auth = (catalogs.KEY, catalogs.SECRET)
        async with httpx.AsyncClient(base_url=url, auth=auth, timeout=30) as http:
            yield process, http


@asynccontextmanager
async def calls_that_wait(
    folder: Path, till: Till, http: httpx.AsyncClient
) -> AsyncIterator["list[asyncio.Task[str]]"]:
    """Calls at both doors that have arrived, and are answered only after the block."""

    async def redeem(identifier: str) -> str:
        return (await till.redeem(identifier)).said

    async def post() -> str:
        answer = await http.post(REDEMPTIONS, json=redeem_body("http"))
        return GRANTED if answer.status_code == 200 else answer.text

    # A second connection to the gateway, so that none has to be made later.
    await asyncio.gather(http.get("/readyz"), http.get("/readyz"))
    with locked(file_of(folder)):
        calls = [asyncio.create_task(redeem(identifier)) for identifier in WAITING]
        calls.append(asyncio.create_task(post()))
        # What is asked later on the same connections is answered later.
        for _ in range(3):
            assert (await http.get("/readyz")).status_code == 200
            assert await till.is_serving()
        yield calls
        assert not any(call.done() for call in calls)


async def ends(process: Process, seconds: float) -> int:
    """The exit code of a process that ends within so many seconds."""
    async with asyncio.timeout(seconds):
        return await asyncio.to_thread(process.wait)


async def test_both_doors_in_one_process_say_so_first_and_answer_who_waits(tmp_path: Path) -> None:
    async with both_doors(tmp_path) as service:
        await service.till.settle("warm-up")
        waiting = calls_that_wait(tmp_path, service.till, service.http)
        async with waiting as calls, watching(service.grpc_port) as watch:
            service.process.signal(signal.SIGTERM)
            await watch.hears(serving=False)
            # The listener is still there.
            async with open_till(service.grpc_port) as newcomer:
                assert not await newcomer.is_serving()
        assert set(await asyncio.gather(*calls)) == {GRANTED}
        assert await ends(service.process, 5) == 0
    await assert_recorded(tmp_path, "warm-up", "http", *WAITING)


async def test_doors_in_two_processes_say_so_first_and_answer_who_waits(tmp_path: Path) -> None:
    async with (
        server(tmp_path) as (back, port),
        gateway(tmp_path, port) as (front, http),
        open_till(port) as till,
    ):
        await till.settle("warm-up")
        async with calls_that_wait(tmp_path, till, http) as calls:
            async with watching(port) as watch:
                back.signal(signal.SIGTERM)
                await watch.hears(serving=False)
            assert (await http.get("/readyz")).status_code == 503
            assert (await http.get("/healthz")).status_code == 200
            front.signal(signal.SIGTERM)
        assert set(await asyncio.gather(*calls)) == {GRANTED}
        assert [await ends(process, 5) for process in (back, front)] == [0, 0]
    await assert_recorded(tmp_path, "warm-up", "http", *WAITING)


async def test_a_second_signal_ends_a_stop_that_is_held_up_and_loses_nothing(
    tmp_path: Path,
) -> None:
    async with server(tmp_path) as (process, port), open_till(port) as till:
        granted = [f"g{n}" for n in range(20)]
        answers = await asyncio.gather(*(till.redeem(identifier) for identifier in granted))
        assert {answer.said for answer in answers} == {GRANTED}
        async with watching(port) as watch:
            with locked(file_of(tmp_path)):
                held_up = asyncio.create_task(till.redeem("held up"))
                assert await till.is_serving()
                process.signal(signal.SIGTERM)
                await watch.hears(serving=False)
                process.signal(signal.SIGTERM)
                assert await ends(process, 1) == 1
        assert (await held_up).said == "UNAVAILABLE"
    await assert_recorded(tmp_path, *granted)


async def test_who_watches_the_health_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    async with server(tmp_path) as (process, port), watching(port) as watch:
        process.signal(signal.SIGTERM)
        await watch.hears(serving=False)
        assert await ends(process, 5) == 0
