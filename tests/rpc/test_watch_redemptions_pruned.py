"""Watches over what has been pruned, or is pruned meanwhile, over real gRPC."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from redemption_server.feed import organization_feed
from redemption_server.storage.database import open_database
from redemption_server.storage.instants import to_ms
from redemption_server.storage.retention import PruneEvents

from tests.rpc.feed_story import organization
from tests.rpc.promotion_calls import reason, redeem, request, use
from tests.support import catalogs
from tests.support.clock import FakeClock
from tests.support.service import Service, error_info, run_service
from tests.support.watching import NARROW, watching

LINES = 500


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Service]:
    async with run_service(
        database_url, catalogs.write(tmp_path, organization()), clock=clock
    ) as service:
        yield service


async def sell(service: Service, identifier: str, **changes: Any) -> None:
    sold = {"redemptions": [use(promo_code="Alpha")], **changes}
    await redeem(service, request(transaction_identifier=identifier, **sold))


async def prune(url: str, before_ms: int) -> None:
    """Prunes events as the pruner does, from another process's point of view."""
    database = open_database(url)
    try:
        while await database.transact(PruneEvents(catalogs.ORG, before_ms)):
            pass
    finally:
        await database.close()


@pytest.mark.provokes("SEQUENCE_PRUNED")
@pytest.mark.parametrize("kept", [0, 2])
async def test_what_has_been_pruned_is_refused_and_the_first_kept_is_named(
    service: Service, database_url: str, clock: FakeClock, kept: int
) -> None:
    for number in range(3):
        await sell(service, f"old-{number}")
    clock.advance(timedelta(seconds=1))
    before_ms = to_ms(clock.now)
    for number in range(kept):
        await sell(service, f"new-{number}")
    await prune(database_url, before_ms)
    for after in range(3):
        async with watching(service.channel, after_sequence=after) as watch:
            status = await watch.failure()
            # At once, rather than after it has begun.
            assert watch.sequence == -1
        assert reason(status) == "SEQUENCE_PRUNED"
        assert error_info(status).metadata["after_sequence"] == str(after)
        assert error_info(status).metadata["first_sequence"] == "4"
    # From there a watch goes on, and tells what was kept and what is new.
    async with (
        watching(service.channel, after_sequence=3) as watch,
        watching(service.channel) as from_now,
    ):
        assert await watch.begins() == 3
        assert await from_now.begins() == 3 + kept
        await sell(service, "t1")
        events = await watch.events(kept + 1)
        assert [event.sequence for event in events] == list(range(4, 5 + kept))
        assert await from_now.events(1) == events[-1:]


@pytest.mark.parametrize("kept", [0, 100])
async def test_who_lags_behind_what_is_pruned_is_told_so(
    service: Service,
    database_url: str,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    kept: int,
) -> None:
    monkeypatch.setattr(organization_feed, "PAGE", 10)
    monkeypatch.setattr(organization_feed, "_KEPT_MAX", 20)
    long = use(promo_code="Alpha", sku="s" * 250)
    bill = {"transaction_number": "b" * 250, "cart_evaluation_id": "e" * 250}
    target = f"127.0.0.1:{service.grpc_port}"
    async with (
        grpc.aio.insecure_channel(target, options=NARROW) as channel,
        watching(channel, after_sequence=0) as slow,
        watching(service.channel, after_sequence=0) as fast,
    ):
        assert await slow.begins() == 0
        await sell(service, "old", line_items=[long] * (LINES - kept), redemptions=[], **bill)
        clock.advance(timedelta(seconds=1))
        if kept:
            await sell(service, "new", line_items=[long] * kept, redemptions=[], **bill)
        await fast.events_through(LINES)
        await prune(database_url, to_ms(clock.now))
        status = await slow.failure()
    assert reason(status) == "SEQUENCE_PRUNED"
    assert error_info(status).metadata["first_sequence"] == str(LINES - kept + 1)
    assert error_info(status).metadata["after_sequence"] == str(slow.sequence)
