"""Watching the feed over gRPC."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc.status_pb2 import Status
from redemption.v1 import feed_service_pb2, feed_service_pb2_grpc

from tests.support.load import METADATA
from tests.support.service import status_of

# A client that takes in little before it reads.
NARROW = (
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 16_384),
    ("grpc.use_local_subchannel_pool", 1),
)
_SECONDS = 20.0
_Response = feed_service_pb2.WatchRedemptionsResponse


class Watch:
    """A watch that has begun; `sequence` is what to resume from."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.sequence = -1

    async def response(self, seconds: float = _SECONDS) -> _Response:
        """The next response. Raises AioRpcError when the watch has failed."""
        async with asyncio.timeout(seconds):
            response = await self._call.read()
            if response is grpc.aio.EOF:
                raise await _error(self._call)
        assert isinstance(response, _Response)
        numbers = [event.sequence for event in response.events]
        # No number is looked at twice, and none is told beyond the last that was looked at.
        assert numbers == sorted(set(numbers))
        assert not numbers or self.sequence < numbers[0]
        assert response.sequence >= max([self.sequence, *numbers])
        self.sequence = response.sequence
        return response

    async def begins(self) -> int:
        """The number behind which the watch begins, which the first response says at once."""
        first = await self.response()
        assert not first.events
        return first.sequence

    async def events(self, count: int) -> list[feed_service_pb2.FeedEvent]:
        """The next events, so many and no more."""
        events: list[feed_service_pb2.FeedEvent] = []
        async with asyncio.timeout(_SECONDS):
            while len(events) < count:
                events += (await self.response()).events
        assert len(events) == count, events
        return events

    async def events_through(self, sequence: int) -> list[feed_service_pb2.FeedEvent]:
        """The events until a number has been looked at."""
        events: list[feed_service_pb2.FeedEvent] = []
        async with asyncio.timeout(_SECONDS):
            while self.sequence < sequence:
                events += (await self.response()).events
        assert self.sequence == sequence
        return events

    async def failure(self, seconds: float = _SECONDS) -> Status:
        """The status that the watch ends with, whatever it tells before."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self._to_the_end(seconds)
        return status_of(caught.value)

    async def _to_the_end(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while True:
                await self.response(seconds)


async def _error(call: Any) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        await call.code(),
        await call.initial_metadata(),
        await call.trailing_metadata(),
        await call.details(),
    )


@asynccontextmanager
async def watching(
    channel: grpc.aio.Channel, metadata: Any = METADATA, **fields: Any
) -> AsyncIterator[Watch]:
    """A watch over a channel, which is hung up on at the end of the block."""
    stub: Any = feed_service_pb2_grpc.FeedServiceStub(channel)  # type: ignore[no-untyped-call]
    call = stub.WatchRedemptions(
        feed_service_pb2.WatchRedemptionsRequest(**fields), metadata=metadata
    )
    try:
        yield Watch(call)
    finally:
        call.cancel()
