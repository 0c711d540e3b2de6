"""Watchers of the feed under load: consumers and servers killed at random, slow ones beside fast.

Whatever happens, each sees every event once, in the one order that the database has.
"""

import asyncio
import itertools
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.support import catalogs
from tests.support.chance import new_chance
from tests.support.consumer import SECONDS, consumed
from tests.support.eventually import eventually
from tests.support.following import Follower, Seen, following
from tests.support.records import Records, assert_same, read_records
from tests.support.servers import Server, running_servers
from tests.support.tills import Answer, Ask, until_answered
from tests.support.watching import NARROW, watching

ROOT = Path(__file__).parents[2]
TILLS = 8
CONSUMER_KILLS = 4
SERVER_KILLS = 4
STUCK = 40
LINES = 400
SALES = 25
GROWTH_MIB_MAX = 150


def organization() -> dict[str, Any]:
    """A promotion and a coupon without limits."""
    unlimited: dict[str, Any] = {
        "max_redemptions_per_coupon": "unlimited",
        "same_customer_may_repeat": True,
    }
    return catalogs.organization(
        promotions=[catalogs.promotion(name="n" * 250)],
        coupon_series=[catalogs.series(**unlimited)],
    )


@asynccontextmanager
async def under_load(servers: list[Server], chance: random.Random) -> AsyncIterator[set[str]]:
    """Tills redeem at all the servers within the block; tells the keys of what was granted."""
    closed = asyncio.Event()
    granted: set[str] = set()

    async def attempt(ask: Ask) -> Answer:
        return await chance.choice(servers).redeem(ask)

    async def till(name: int) -> None:
        for number in itertools.count():
            if closed.is_set():
                return
            key, lines = f"{name}-{number}", chance.randint(1, 5)
            of_coupon = number % 3 == 0
            ask = Ask(key, code="COUPON1") if of_coupon else Ask(key, "p1", lines=lines)
            answer = await until_answered(partial(attempt, ask))
            assert answer.granted, answer
            granted.add(key)

    async with asyncio.TaskGroup() as tills:
        for name in range(TILLS):
            tills.create_task(till(name))
        yield granted
        closed.set()


async def caught_up(records: Records, *seen: Callable[[], Seen]) -> None:
    """Returns when all have seen the last event; each has seen all, once, in their order."""

    async def at_the_end() -> bool:
        return all(s()[-1:] == records.events[-1:] for s in seen)

    await eventually(at_the_end, SECONDS)
    for told in seen:
        # The numbers first, which say it shorter.
        assert [number for number, _ in told()] == list(range(1, records.last_event + 1))
        assert told() == records.events


def assert_recorded(records: Records, granted: set[str]) -> None:
    """What was granted is recorded, and each record has its event."""
    keys = {r.transaction_identifier for r in records.promotions}
    assert keys | {r.request_id for r in records.coupons} == granted
    assert_same([r.id for r in records.redemptions], [record for _, record in records.events])


async def grows(file: Path, by: int) -> None:
    """Returns when a consumer has noted so many more events."""
    before = len(consumed(file))

    async def has_grown() -> bool:
        return len(consumed(file)) >= before + by

    await eventually(has_grown, SECONDS)


@asynccontextmanager
async def consumer(port: int, file: Path) -> AsyncIterator[None]:
    """A consumer in a process of its own, which is killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.consumer", str(port), str(file), cwd=ROOT
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        ended = await process.wait()
    # Not before, by an error of its own.
    assert ended == -signal.SIGKILL


async def test_a_consumer_that_is_killed_again_and_again_misses_nothing_and_repeats_nothing(
    database_url: str, tmp_path: Path
) -> None:
    chance = new_chance()
    file = tmp_path / "consumed"
    file.touch()
    async with running_servers(database_url, tmp_path, organization(), processes=1) as servers:
        async with under_load(servers, chance) as granted:
            for _ in range(CONSUMER_KILLS):
                async with consumer(servers[0].port, file):
                    await grows(file, by=chance.randint(1, 100))
                    await asyncio.sleep(chance.uniform(0, 1))
        records = await read_records(database_url)
        async with consumer(servers[0].port, file):
            await caught_up(records, lambda: consumed(file))
    assert_recorded(records, granted)


async def test_watchers_of_servers_that_are_killed_miss_nothing_and_repeat_nothing(
    database_url: str, tmp_path: Path
) -> None:
    chance = new_chance()
    processes = 1 if database_url.startswith("sqlite") else 2
    followers = [Follower(), Follower(0.05), Follower(0.3, NARROW)]
    async with running_servers(database_url, tmp_path, organization(), processes) as servers:
        # Some come back to another server than the one that was killed.
        ports = [lambda: chance.choice(servers).port for _ in followers]
        async with following(followers, ports):
            async with under_load(servers, chance) as granted:
                for number in range(SERVER_KILLS):
                    server = servers[number % processes]
                    await server.is_under_load(answers=TILLS)
                    await asyncio.sleep(chance.uniform(0, 0.5))
                    await server.kill()
                    await server.start()
            records = await read_records(database_url)
            await caught_up(records, *(partial(getattr, f, "seen") for f in followers))
    assert all(follower.failures for follower in followers)
    assert_recorded(records, granted)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_watchers_of_two_servers_see_one_order(database_url: str, tmp_path: Path) -> None:
    chance = new_chance()
    followers = [Follower(pause) for pause in (0.0, 0.0, 0.1, 0.1)]
    async with running_servers(database_url, tmp_path, organization(), processes=2) as servers:
        ports = [partial(getattr, server, "port") for server in servers] * 2
        async with following(followers, ports):
            async with under_load(servers, chance) as granted:
                for server in servers:
                    await server.is_under_load(answers=50 * TILLS)
            records = await read_records(database_url)
            await caught_up(records, *(partial(getattr, f, "seen") for f in followers))
    assert not any(follower.failures for follower in followers)
    assert_recorded(records, granted)


def peak_rss_mib(server: Server) -> float:
    """The most memory that a server ever held."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1_024


async def test_watchers_that_read_nothing_cost_neither_pace_nor_memory(
    database_url: str, tmp_path: Path
) -> None:
    keys = map(str, itertools.count())

    async def sell_much(server: Server) -> float:
        """Sells, one after the other, and tells how many seconds it took."""
        begun = time.monotonic()
        for _ in range(SALES):
            ask = Ask(next(keys), "p1", lines=LINES)
            assert (await until_answered(partial(server.redeem, ask))).granted
        return time.monotonic() - begun

    async with running_servers(database_url, tmp_path, organization(), processes=1) as servers:
        [server] = servers
        reader = Follower()
        async with following([reader], [lambda: server.port]):
            # Once to warm up: what is kept for watchers is bounded, and full by then.
            await sell_much(server)
            alone = await sell_much(server)
            before = peak_rss_mib(server)
            async with AsyncExitStack() as stack:
                for _ in range(STUCK):
                    target = f"127.0.0.1:{server.port}"
                    channel = grpc.aio.insecure_channel(target, options=NARROW)
                    await stack.enter_async_context(channel)
                    watch = await stack.enter_async_context(watching(channel, after_sequence=0))
                    await watch.begins()
                beside = await sell_much(server)
                growth = peak_rss_mib(server) - before
                records = await read_records(database_url)
                await caught_up(records, lambda: reader.seen)
    # What each of them has not read is several times as much in all.
    assert growth < GROWTH_MIB_MAX
    assert beside < 3 * alone + 2
