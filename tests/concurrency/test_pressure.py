"""More calls than the database takes, on a real server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.books import books_at, books_of
from tests.support.both_doors import catalog
from tests.support.eventually import eventually
from tests.support.load import redeem_body
from tests.support.lock import locked
from tests.support.process import Process, started
from tests.support.service import REDEMPTIONS, Service, run_service
from tests.support.till import GRANTED, Answer, Till, open_till

WAITING = 10_000
BEYOND = 200
RSS_GROWTH_MIB_MAX = 300
DEADLINE = 0.5
REFUSED = {"state_changed": "no", "retry": "safe"}


def peak_rss_mib(process: Process) -> float:
    """The most memory that a process ever held."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1_024


async def insist(till: Till, identifier: str) -> Answer:
    """Sends a redemption until the service itself answers.

    gRPC refuses calls in a burst that the service has not even seen.
    """
    answer = await till.redeem(identifier)
    while not (answer.is_settled or answer.advice):
        await asyncio.sleep(0.1)
        answer = await till.redeem(identifier)
    return answer


@pytest.mark.provokes("OVERLOADED")
async def test_10_000_calls_wait_in_bounded_memory_and_are_all_answered(tmp_path: Path) -> None:
    with started("server", folder=tmp_path, catalog=catalog(tmp_path)) as process:
        async with open_till(process.port("gRPC server listens")) as till:
            await till.settle("warm-up")
            before = peak_rss_mib(process)
            with locked(tmp_path / "var" / "redemption.db"):
                identifiers = [f"t{n}" for n in range(WAITING + BEYOND)]
                calls = [asyncio.create_task(insist(till, name)) for name in identifiers]
                await till.hears("OVERLOADED", BEYOND // 2)
            answers = await asyncio.gather(*calls)
            growth = peak_rss_mib(process) - before
    granted = [answer.identifier for answer in answers if answer.said == GRANTED]
    refused = [answer for answer in answers if answer.said == "OVERLOADED"]
    assert len(granted) + len(refused) == len(answers)
    assert len(granted) >= WAITING
    assert all(answer.advice == REFUSED and answer.retry_seconds >= 1 for answer in refused)
    url = f"sqlite+aiosqlite:///{tmp_path / 'var' / 'redemption.db'}"
    assert await books_at(url) == books_of("warm-up", *granted)
    assert growth < RSS_GROWTH_MIB_MAX


async def test_a_burst_of_calls_is_answered_by_the_service_itself(service: Service) -> None:
    till = Till(service.channel)
    answers = await asyncio.gather(*(till.redeem(f"t{n}") for n in range(3_000)))
    assert {answer.said for answer in answers} <= {GRANTED, "OVERLOADED"}


@pytest.fixture
async def hasty(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A service whose gateway waits no longer than DEADLINE."""
    file = Path(catalog(tmp_path))
    async with run_service(sqlite_url, file, deadline_seconds=DEADLINE) as service:
        # Verifying a secret for the first time takes a while.
        await Till(service.channel).settle("warm-up")
        yield service


@pytest.mark.provokes("OVERLOADED")
async def test_a_deadline_that_cannot_be_made_is_refused_at_once_at_both_doors(
    hasty: Service,
) -> None:
    till = Till(hasty.channel)

    async def is_overloaded() -> bool:
        answer = await hasty.post(REDEMPTIONS, redeem_body("http"))
        return answer.status_code == 503

    with locked(hasty.database_file):
        patient = [asyncio.create_task(till.redeem(f"patient-{n}")) for n in range(3)]
        # Until it is known that the writer hangs, calls are let in and wait in vain: 504.
        assert await eventually(is_overloaded) < 5
        refused = await hasty.post(REDEMPTIONS, redeem_body("http"))
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.elapsed.total_seconds() < DEADLINE / 2
        answer = await till.redeem("grpc", timeout=DEADLINE)
        assert (answer.said, answer.advice) == ("OVERLOADED", REFUSED)
        assert answer.retry_seconds >= 1
        assert answer.seconds < DEADLINE / 2
        assert not any(call.done() for call in patient)
    assert [call.said for call in await asyncio.gather(*patient)] == [GRANTED] * 3
    again = await till.redeem("grpc", timeout=DEADLINE)
    assert again.said == GRANTED
    assert again.seconds < DEADLINE


async def test_calls_that_are_hung_up_are_recorded_and_delay_nobody(hasty: Service) -> None:
    till = Till(hasty.channel)

    async def all_wait() -> bool:
        return hasty.queue.waiting == 20

    with locked(hasty.database_file):
        first = asyncio.create_task(till.redeem("first"))
        assert await till.is_serving()
        calls = [asyncio.create_task(till.redeem(f"c{n}")) for n in range(20)]
        await eventually(all_wait)
        for leaver in calls[::2]:
            leaver.cancel()
        await asyncio.wait(calls[::2])
    async with asyncio.timeout(10):
        stayers = await asyncio.gather(first, *calls[1::2])
    assert all(answer.said == GRANTED for answer in stayers)
    recorded = books_of("warm-up", "first", *(f"c{n}" for n in range(20)))
    assert await books_at(f"sqlite+aiosqlite:///{hasty.database_file}") == recorded
