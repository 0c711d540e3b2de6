"""Watchers of a benchmark: each checks that no event is missing and none comes twice.

python -m benchmarks.watchers PORT
"""

import asyncio
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import uvloop
from redemption.v1.feed_service_pb2 import WatchRedemptionsRequest
from redemption.v1.feed_service_pb2_grpc import FeedServiceStub

from benchmarks.children import answer
from tests.support.load import METADATA

_LOOK_SECONDS = 0.02


@dataclass
class Watcher:
    """What one watch has seen. `lags` are the milliseconds from a record to its arrival."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    events: int = 0
    sequence: int = 0
    wrong: int = 0
    lags: list[int] = field(default_factory=list)

    async def watch(self, channel: grpc.aio.Channel) -> None:
        """Watches for ever, from now on."""
        stub: Any = FeedServiceStub(channel)  # type: ignore[no-untyped-call]
        async for response in stub.WatchRedemptions(WatchRedemptionsRequest(), metadata=METADATA):
            now_ms = time.time_ns() // 1_000_000
            if not self.begun.is_set():
                self.sequence = response.sequence
                self.begun.set()
            for event in response.events:
                self.wrong += event.sequence != self.sequence + 1
                self.sequence = event.sequence
                self.lags.append(now_ms - event.recorded_at.ToMilliseconds())
            self.events += len(response.events)
            self.wrong += response.sequence != self.sequence


class Watchers:
    """Several watchers, each with a connection of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._watchers: list[Watcher] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, count: int) -> dict[str, Any]:
        """Begins to watch; tells the number behind which."""
        for number in range(count):
            # Channels with the same arguments would share a connection.
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{self._port}", [("watcher", number)])
            self._watchers.append(Watcher())
            self._tasks.append(asyncio.create_task(self._watchers[-1].watch(channel)))
        await asyncio.gather(*(watcher.begun.wait() for watcher in self._watchers))
        return {"sequence": max(watcher.sequence for watcher in self._watchers)}

    async def reached(self, sequence: int, within: float) -> dict[str, Any]:
        """How long it takes until all have come so far, and what they saw since last asked."""
        begun = time.monotonic()
        while min(watcher.sequence for watcher in self._watchers) < sequence:
            assert time.monotonic() - begun < within, self._watchers
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(_LOOK_SECONDS)
        lags = [lag for watcher in self._watchers for lag in watcher.lags]
        for watcher in self._watchers:
            watcher.lags.clear()
        return {
            "seconds": time.monotonic() - begun,
            "events": [watcher.events for watcher in self._watchers],
            "wrong": sum(watcher.wrong for watcher in self._watchers),
            "lags": lags,
        }


async def main(port: int) -> None:
    """Answers `begin` and `reached`."""
    watchers = Watchers(port)
    await answer({"begin": watchers.begin, "reached": watchers.reached})


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
