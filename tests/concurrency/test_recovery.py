"""A server with a long history is back soon after it was killed."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redemption_server.rules.outcomes import Granted

from tests.support import catalogs
from tests.support.desk import Desk, open_desk, use
from tests.support.servers import Server
from tests.support.tills import Ask, Unanswered

RECORDS = 100_000
RECORDS_PER_CALL = 5
IN_FLIGHT = 2_000
SECONDS_UNTIL_SERVING = 4.0
ATTEMPTS = 3
TILLS = 16
ANSWERS_BEFORE_THE_KILL = 300


@pytest.fixture
async def history(database_url: str, tmp_path: Path) -> str:
    """The URL of a database with many records of a limited promotion, written by real batches."""
    writers = 1 if database_url.startswith("sqlite") else 3
    limited = catalogs.promotion(limits={"redemptions_total": 2 * RECORDS})
    async with open_desk(database_url, tmp_path, writers=writers) as desk:
        await desk.apply(catalogs.organization(promotions=[limited]))
        numbers = iter(range(RECORDS // RECORDS_PER_CALL))
        await asyncio.gather(*(redeem_each(desk, numbers) for _ in range(IN_FLIGHT)))
        assert await desk.rows("SELECT count(*) FROM promotion_redemption") == [(RECORDS,)]
    return database_url


async def redeem_each(desk: Desk, numbers: Iterator[int]) -> None:
    for number in numbers:
        uses = [use()] * RECORDS_PER_CALL
        outcome = await desk.redeem(*uses, transaction_identifier=f"history-{number}")
        assert isinstance(outcome, Granted)


async def start(server: Server) -> float:
    """Seconds from the start of the process until a health check over the wire says SERVING.

    Those in which other processes had the processors are not its own.
    """
    begun = time.monotonic()
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    return time.monotonic() - begun - seconds_without_a_processor(server.pid)


def seconds_without_a_processor(pid: int) -> float:
    """How long the main thread could have run and did not get to."""
    statistics = Path(f"/proc/{pid}/schedstat")
    return int(statistics.read_text().split()[1]) / 1e9 if statistics.exists() else 0.0


async def kill_under_load(server: Server, name: str) -> None:
    async def till(number: int) -> None:
        for call in itertools.count():
            try:
                answer = await server.redeem(Ask(f"{name}-{number}-{call}", "p1"))
            except Unanswered:
                return
            assert answer.granted, answer

    async with asyncio.TaskGroup() as tills:
        for number in range(TILLS):
            tills.create_task(till(number))
        await server.is_under_load(ANSWERS_BEFORE_THE_KILL)
        await server.kill()


async def test_a_server_with_100_000_records_serves_within_4_seconds_of_its_start_after_a_kill(
    history: str, tmp_path: Path
) -> None:
    seconds: list[float] = []
    async with aclosing(Server(tmp_path, database_url=history)) as server:
        await start(server)
        # The best of a few: a noisy machine can only make it look worse.
        while not seconds or (seconds[-1] > SECONDS_UNTIL_SERVING and len(seconds) < ATTEMPTS):
            await kill_under_load(server, name=f"before-start-{len(seconds)}")
            seconds.append(await start(server))
            assert (await server.redeem(Ask(f"after-start-{len(seconds)}", "p1"))).granted
    assert min(seconds) <= SECONDS_UNTIL_SERVING, f"SERVING after {seconds} s"
