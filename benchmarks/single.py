"""Figures of our service alone: latency at half of its capacity, and memory as it goes on."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import children
from benchmarks.sides import Ours, Running, Setting

_CAPACITY_SECONDS = 5.0
_PART_SECONDS = 20.0
_BEFORE, _AFTER = 100_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio of two things that one service shows."""

    name: str
    measure: Callable[[Setting, int], dict[str, Any]]
    at_most: float
    aim: float
    quick: bool = False


def latency_at_half_capacity(setting: Setting, rounds: int) -> dict[str, Any]:
    """p99 ÷ p50 of an open loop, with the other percentiles, each a median of the rounds."""
    with Ours().open(setting) as running:
        for _ in range(rounds):
            running.run(_CAPACITY_SECONDS)
        capacity = statistics.median(one.per_second for one in running.measured)
        found = asyncio.run(_opened(running, capacity / 2, rounds))
        running.answered += sum(len(one) for one in found)
        running.check()
    percentiles = [_percentiles(sorted(one)) for one in found]
    shown = {name: statistics.median(one[name] for one in percentiles) for name in percentiles[0]}
    ratios = [one["p99"] / one["p50"] for one in percentiles]
    return {
        "first": shown["p99"],
        "second": shown["p50"],
        "rounds": ratios,
        "capacity_per_second": capacity,
        **shown,
    }


async def _opened(running: Running, rate: float, rounds: int) -> list[list[float]]:
    async with children.started("benchmarks.generator", running.service.grpc_ports[0]) as generator:
        answered = []
        for _ in range(rounds):
            sent = await generator.ask("opened", rate=rate, seconds=_PART_SECONDS)
            answered.append(sent["latencies"])
        return answered


def _percentiles(latencies: list[float]) -> dict[str, float]:
    def at(share: float) -> float:
        return latencies[min(len(latencies) - 1, int(share * len(latencies)))]

    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "p99.9": at(0.999)}


def memory_as_it_goes_on(setting: Setting, _rounds: int) -> dict[str, Any]:
    """Resident memory after a million redemptions ÷ after a hundred thousand."""
    begun = time.monotonic()
    with Ours(in_flight=256).open(setting) as running:
        memory = {}
        for redemptions in (_BEFORE, _AFTER):
            while running.answered < redemptions:
                running.run(_PART_SECONDS)
            memory[redemptions] = running.service.resident_mebibytes()
        running.check()
    ratio = memory[_AFTER] / memory[_BEFORE]
    return {
        "first": memory[_AFTER],
        "second": memory[_BEFORE],
        "rounds": [ratio],
        "seconds": time.monotonic() - begun,
        "per_second": statistics.median(one.per_second for one in running.measured),
    }


FIGURES = (
    Figure(
        "p99 ÷ p50 in ms, open loop at half capacity",
        latency_at_half_capacity,
        at_most=5,
        aim=3,
        quick=True,
    ),
    Figure(
        "MiB after 1,000,000 redemptions ÷ after 100,000",
        memory_as_it_goes_on,
        at_most=1.2,
        aim=1.05,
    ),
)
