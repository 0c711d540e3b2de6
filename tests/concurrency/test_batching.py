"""Calls share commits, and a lone call waits for nothing."""

import time
from pathlib import Path

import pytest

from tests.support import catalogs
from tests.support.load import for_seconds, keep_in_flight
from tests.support.service import run_service
from tests.support.syscalls import needs_strace, with_slow_commits

CALLERS = 64
# What an ordinary disk takes; where a commit costs next to nothing, there is nothing to share.
COMMIT_MILLISECONDS = 2


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    organization = catalogs.organization(promotions=[catalogs.promotion()])
    return catalogs.write(tmp_path, organization)


async def test_64_calls_in_flight_share_commits(sqlite_url: str, catalog: Path) -> None:
    async with run_service(sqlite_url, catalog) as service:
        answers = await keep_in_flight(service.grpc_port, CALLERS, lambda number: number < 2_000)
        assert len(answers.granted) == 2_000
        assert service.queue.statistics.commands == 2_000
        assert service.queue.statistics.batch_size_mean > 4


@needs_strace
async def test_64_calls_in_flight_give_at_least_5_times_the_throughput_of_one(
    tmp_path: Path, catalog: Path
) -> None:
    with with_slow_commits(
        "server", folder=tmp_path, milliseconds=COMMIT_MILLISECONDS, catalog=str(catalog)
    ) as process:
        port = process.port("gRPC server listens")
        await keep_in_flight(port, CALLERS, lambda number: number < 200, "warm-up")
        ratios = []
        # In alternation, and the best of three: a noisy machine can only make it look worse.
        for attempt in range(3):
            alone, together = [
                len(
                    (
                        await keep_in_flight(
                            port, callers, for_seconds(1.5), f"{attempt}-{callers}"
                        )
                    ).granted
                )
                for callers in (1, CALLERS)
            ]
            ratios.append(together / alone)
    assert max(ratios) >= 5, ratios


async def test_a_lone_call_waits_for_no_timer(sqlite_url: str, catalog: Path) -> None:
    async with run_service(sqlite_url, catalog) as service:
        await keep_in_flight(service.grpc_port, 1, lambda number: number < 5, "warm-up")
        durations = []
        for number in range(30):
            begun = time.perf_counter()
            await keep_in_flight(service.grpc_port, 1, lambda n: n < 1, f"lone-{number}")
            durations.append(time.perf_counter() - begun)
        # One commit each: nothing waited for company that did not come.
        assert service.queue.statistics.batches == service.queue.statistics.commands
        assert sorted(durations)[len(durations) // 2] < 0.1
