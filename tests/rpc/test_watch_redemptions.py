"""`WatchRedemptions` over real gRPC: where it begins, what it tells, what passes the filters."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redemption.v1.catalog_service_pb2 import ApplyCatalogRequest
from redemption_server.feed import feed

from tests.rpc.feed_story import about, organization, reverse, tell
from tests.rpc.promotion_calls import look_up, redeem, request, use
from tests.support import catalogs
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.service import Service, run_service
from tests.support.watching import watching

ME, OTHER = catalogs.CUSTOMER, catalogs.OTHER_CUSTOMER


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Service]:
    file = catalogs.write(tmp_path, organization())
    async with run_service(database_url, file, clock=clock) as service:
        yield service


async def sell(service: Service, *identifiers: str, code: str = "Alpha") -> None:
    """Redeems p1 once for each transaction."""
    for identifier in identifiers:
        sale = request(redemptions=[use(promo_code=code)], transaction_identifier=identifier)
        await redeem(service, sale)


async def test_everything_is_told_as_it_was_answered_and_as_lookups_show_it(
    service: Service, clock: FakeClock
) -> None:
    async with watching(service.channel, after_sequence=0) as early:
        assert await early.begins() == 0
        story = await tell(service, clock)
        # The redemptions are told by whoever watched meanwhile as by whoever comes after it all:
        # without the reversal that came later.
        assert await early.events(len(story)) == story
    async with watching(service.channel, after_sequence=0) as late:
        assert await late.events(len(story)) == story


async def test_a_watch_begins_behind_the_event_that_is_named(
    service: Service, clock: FakeClock
) -> None:
    story = await tell(service, clock)
    for last in range(len(story) + 1):
        async with watching(service.channel, after_sequence=last) as watch:
            assert await watch.begins() == last
            assert await watch.events(len(story) - last) == story[last:]


async def test_a_watch_that_names_no_event_begins_now(service: Service) -> None:
    await sell(service, "t1", "t2")
    async with watching(service.channel) as watch:
        assert await watch.begins() == 2
        await sell(service, "t3")
        [event] = await watch.events(1)
    assert event.sequence == 3
    assert event.promotion_redemption.transaction_identifier == "t3"


async def test_a_watch_of_an_organisation_without_events_begins_at_nothing(
    service: Service,
) -> None:
    async with watching(service.channel) as watch:
        assert await watch.begins() == 0
        await sell(service, "t1")
        assert [event.sequence for event in await watch.events(1)] == [1]


async def test_a_reversal_of_some_uses_is_told_of_these_alone(service: Service) -> None:
    uses = [use(promo_code=code) for code in ("Alpha", "Beta", "Alpha")]
    await redeem(service, request(redemptions=uses))
    found = (await look_up(service, codes=["Beta"])).redemptions
    answer = await reverse(
        service, transaction_identifier="t1", redemption_ids=[record.id for record in found]
    )
    async with watching(service.channel, after_sequence=0) as watch:
        *redeemed, undone = await watch.events(4)
    assert [event.HasField("reversal") for event in redeemed] == [False] * 3
    assert undone.promotion_redemption == redeemed[1].promotion_redemption
    assert undone.reversal == answer.redemptions[0].reversal


async def test_names_and_codes_are_the_present_ones(service: Service) -> None:
    await sell(service, "t1")
    async with watching(service.channel, after_sequence=0) as before:
        [event] = await before.events(1)
    assert event.promotion_redemption.promotion_name == "Promotion p1"
    renamed = {"id": "p1", "name": "New", "codes": [{"id": "c1", "code": "ALPHA2"}]}
    change = {"id": catalogs.ORG, "redemption_without_evaluation": True, "promotions": [renamed]}
    message = ApplyCatalogRequest(catalog={"organizations": [change]})
    await service.catalog.ApplyCatalog(message, metadata=service.metadata)

    async def shows_the_new_ones() -> bool:
        async with watching(service.channel, after_sequence=0) as watch:
            [event] = await watch.events(1)
        told = event.promotion_redemption
        return (told.promotion_name, told.promo_code) == ("New", "ALPHA2")

    # What was read for watchers is kept until the last of them has hung up.
    await eventually(shows_the_new_ones)


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        pytest.param({"promotion_ids": ["p1"]}, [{"promotion": "p1"}], id="promotion"),
        pytest.param(
            {"promotion_ids": ["p2", "p1", "p1", "p9"]},
            [{"promotion": "p1"}, {"promotion": "p2"}],
            id="promotions",
        ),
        pytest.param({"promotion_ids": ["P1"]}, [], id="promotion ids are what they are"),
        pytest.param({"codes": ["aLPHA"]}, [{"code": "Alpha"}], id="code of a promotion"),
        pytest.param({"codes": ["couPON1"]}, [{"code": "COUPON1"}], id="code of a coupon"),
        pytest.param(
            {"codes": ["GIFT", "percent", "unknown"]},
            [{"code": "Gift"}, {"code": "Percent"}],
            id="codes",
        ),
        pytest.param({"customer_ids": [ME]}, [{"customer": ME}], id="customer"),
        pytest.param(
            {"customer_ids": [OTHER, ME, 999]}, [{"customer": ME}, {"customer": OTHER}], id="both"
        ),
        pytest.param({"customer_ids": [-1]}, [], id="nobody is anonymous here"),
        pytest.param(
            {"promotion_ids": ["p1"], "codes": ["beta", "gift"]},
            [{"promotion": "p1", "code": "Beta"}],
            id="promotion and code",
        ),
        pytest.param(
            {"promotion_ids": ["p1", "p2"], "customer_ids": [OTHER]},
            [{"promotion": "p2"}],
            id="promotion and customer",
        ),
        pytest.param(
            {"codes": ["coupon1", "percent"], "customer_ids": [OTHER]},
            [{"code": "Percent"}],
            id="code and customer",
        ),
        pytest.param({"promotion_ids": ["p1"], "codes": ["coupon1"]}, [], id="contradictory"),
        pytest.param(
            {"promotion_ids": ["p2"], "codes": ["gift"], "customer_ids": [OTHER]},
            [{"code": "Gift"}],
            id="all",
        ),
    ],
)
async def test_what_passes_the_filters_is_told(
    service: Service,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    filters: dict[str, Any],
    wanted: list[dict[str, Any]],
) -> None:
    told = await tell(service, clock)
    passing = [e for e in told if any(about(e, **fields) for fields in wanted)]
    monkeypatch.setattr(feed, "HEARTBEAT_SECONDS", 0.05)
    async with watching(service.channel, after_sequence=0, **filters) as watch:
        assert await watch.begins() == 0
        assert await watch.events_through(len(told)) == passing
