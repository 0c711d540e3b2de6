"""Watchers that go on when their server is killed, as consumers of the feed do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from tests.support.consumer import SECONDS, record_id
from tests.support.watching import watching

Seen = list[tuple[int, str]]


class Follower:
    """Watches, and again from where it was when the watch fails; remembers what it saw."""

    def __init__(self, pause: float = 0.0, options: Sequence[tuple[str, Any]] = ()) -> None:
        self._pause = pause
        self._options = options
        self._sequence = 0
        self.seen: Seen = []
        self.failures = 0

    async def follow(self, port: Callable[[], int]) -> None:
        """Goes on until it is cancelled."""
        while True:
            try:
                await self._watch(port())
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                self.failures += 1
                await asyncio.sleep(0.05)

    async def _watch(self, port: int) -> None:
        target = f"127.0.0.1:{port}"
        options = (("grpc.use_local_subchannel_pool", 1), *self._options)
        async with (
            grpc.aio.insecure_channel(target, options=options) as channel,
            watching(channel, after_sequence=self._sequence) as watch,
        ):
            while True:
                response = await watch.response(SECONDS)
                self.seen += [(event.sequence, record_id(event)) for event in response.events]
                self._sequence = response.sequence
                await asyncio.sleep(self._pause)


@asynccontextmanager
async def following(
    followers: Sequence[Follower], ports: Sequence[Callable[[], int]]
) -> AsyncIterator[None]:
    """Each follower follows at its port; one that fails fails the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(follower.follow(port))
            for follower, port in zip(followers, ports, strict=True)
        ]
        yield
        for task in tasks:
            task.cancel()
