"""How watches live and end over real gRPC: heartbeats, watchers that read nothing, a stop."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import SecretStr
from redemption.v1 import promotion_redemption_service_pb2_grpc
from redemption_server.app import running_server
from redemption_server.feed import feed
from redemption_server.settings import Settings

from tests.rpc.feed_story import organization
from tests.rpc.promotion_calls import reason, request, use
from tests.support import catalogs
from tests.support.eventually import eventually
from tests.support.load import METADATA
from tests.support.watching import NARROW, watching

LINES = 500
WATCHERS = 50


@asynccontextmanager
async def serving(url: str, catalog: Path) -> AsyncIterator[int]:
    """The port of a server without a gateway, which is stopped at the end of the block."""
    settings = Settings(database_url=SecretStr(url), grpc_address="127.0.0.1:0")
    async with running_server(settings, [catalog]) as server:
        yield server.port


@asynccontextmanager
async def open_channel(port: int, *options: tuple[str, Any]) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield channel


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return catalogs.write(tmp_path, organization())


async def sell(channel: grpc.aio.Channel, identifier: str, **changes: Any) -> Message:
    stub: Any = promotion_redemption_service_pb2_grpc.PromotionRedemptionServiceStub(channel)  # type: ignore[no-untyped-call]
    sold = {"redemptions": [use(promo_code="Alpha")], **changes}
    sale = request(transaction_identifier=identifier, **sold)
    answer: Message = await stub.RedeemPromotions(sale, metadata=METADATA, timeout=20)
    return answer


async def sell_much(channel: grpc.aio.Channel) -> None:
    """More than a watcher who reads nothing can be sent."""
    lines = [use(promo_code="Alpha", sku="s" * 250)] * LINES
    bill = {"transaction_number": "b" * 250, "cart_evaluation_id": "e" * 250}
    await sell(channel, "much", line_items=lines, redemptions=[], **bill)


async def test_an_idle_watch_hears_that_it_is_alive(
    sqlite_url: str, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "HEARTBEAT_SECONDS", 0.1)
    async with (
        serving(sqlite_url, catalog) as port,
        open_channel(port) as channel,
        watching(channel) as watch,
    ):
        await watch.begins()
        for _ in range(3):
            begun = time.monotonic()
            response = await watch.response()
            assert (list(response.events), response.sequence) == ([], 0)
            assert time.monotonic() - begun >= 0.05


async def test_the_number_advances_though_nothing_passes_the_filters_for_long(
    sqlite_url: str, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "HEARTBEAT_SECONDS", 0.5)
    async with (
        serving(sqlite_url, catalog) as port,
        open_channel(port) as channel,
        watching(channel, codes=["gift"]) as watch,
        watching(channel) as everything,
    ):
        await watch.begins()
        await everything.begins()
        done = asyncio.Event()

        async def keep_selling() -> int:
            for number in itertools.count(1):
                await sell(channel, f"t{number}")
                # Somebody else hears of it at once, so that the feed is never idle for long.
                await everything.events(1)
                if done.is_set():
                    return number
            raise AssertionError

        selling = asyncio.create_task(keep_selling())
        heard = [await watch.response() for _ in range(3)]
        done.set()
        sold = await selling
    assert not any(response.events for response in heard)
    numbers = [response.sequence for response in heard]
    assert 0 < numbers[0] < numbers[1] < numbers[2] <= sold


async def test_a_stop_ends_watches_and_does_not_take_long(sqlite_url: str, catalog: Path) -> None:
    async with AsyncExitStack() as stack:
        server = AsyncExitStack()
        port = await server.enter_async_context(serving(sqlite_url, catalog))
        channel = await stack.enter_async_context(open_channel(port))
        narrow = await stack.enter_async_context(open_channel(port, *NARROW))
        idle = await stack.enter_async_context(watching(channel))
        busy = await stack.enter_async_context(watching(channel, after_sequence=0))
        stuck = await stack.enter_async_context(watching(narrow, after_sequence=0))
        for watch in (idle, busy, stuck):
            await watch.begins()
        await sell_much(channel)
        await busy.events_through(LINES)
        begun = time.monotonic()
        await server.aclose()
        assert time.monotonic() - begun < 5
        for watch in (idle, busy):
            assert reason(await watch.failure()) == "UNAVAILABLE"
        with pytest.raises(grpc.aio.AioRpcError):
            await stuck.events(LINES)
        assert stuck.sequence < LINES


async def test_watchers_that_read_nothing_hold_up_nobody(sqlite_url: str, catalog: Path) -> None:
    async with (
        serving(sqlite_url, catalog) as port,
        open_channel(port) as channel,
        open_channel(port, *NARROW) as narrow,
        AsyncExitStack() as stack,
    ):
        for _ in range(WATCHERS):
            await stack.enter_async_context(watching(narrow, after_sequence=0))
        reader = await stack.enter_async_context(watching(channel, after_sequence=0))
        await reader.begins()
        await sell_much(channel)
        assert len(await reader.events(LINES)) == LINES
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        for number in range(10):
            await sell(channel, f"t{number}")
            [event] = await reader.events(1)
            assert event.promotion_redemption.transaction_identifier == f"t{number}"


async def test_nothing_is_left_of_watchers_who_hang_up(
    sqlite_url: str, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds: list[feed.Feed] = []

    class SeenFeed(feed.Feed):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            feeds.append(self)

    monkeypatch.setattr("redemption_server.app.Feed", SeenFeed)
    async with serving(sqlite_url, catalog) as port, open_channel(port) as channel:
        before = len(asyncio.all_tasks())
        async with open_channel(port, *NARROW) as narrow, AsyncExitStack() as stack:
            watches = [
                await stack.enter_async_context(watching(of, after_sequence=0))
                for of in (channel, narrow)
                for _ in range(5)
            ]
            for watch in watches:
                await watch.begins()
            await sell_much(channel)
            for watch in watches[:5]:
                await watch.events_through(LINES)
            assert feeds[0]._feeds

        async def nothing_is_left() -> bool:
            return not feeds[0]._feeds and len(asyncio.all_tasks()) <= before

        await eventually(nothing_is_left, 5)
