"""What comes back goes to the window of the transaction's date, in the organisation's zone."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pytest
from redemption_server.rules.facts import Scope

from tests.rules.promotion_desk import MICRO, grant, on_one_engine, refuse, refuse_once, stock
from tests.rules.reversal_desk import Used, reverse, used
from tests.support.catalogs import CUSTOMER, promotion
from tests.support.desk import Desk, use


class Boundary(NamedTuple):
    """An instant at which a window begins in a zone: the days that the windows around it are of."""

    zone: str
    window: str
    at: str
    before: str
    after: str


BOUNDARIES = (
    Boundary("Asia/Kolkata", "DAY", "2026-01-31T18:30", "2026-01-31", "2026-02-01"),
    Boundary("Asia/Kolkata", "WEEK", "2026-03-01T18:30", "2026-02-23", "2026-03-02"),
    Boundary("Asia/Kolkata", "MONTH", "2026-01-31T18:30", "2026-01-01", "2026-02-01"),
    Boundary("UTC", "MONTH", "2027-01-01T00:00", "2026-12-01", "2027-01-01"),
    Boundary("UTC", "WEEK", "2027-01-04T00:00", "2026-12-28", "2027-01-04"),
    # A leap day, before and after it.
    Boundary("UTC", "DAY", "2024-02-29T00:00", "2024-02-28", "2024-02-29"),
    Boundary("UTC", "DAY", "2024-03-01T00:00", "2024-02-29", "2024-03-01"),
    Boundary("America/New_York", "MONTH", "2024-03-01T05:00", "2024-02-01", "2024-03-01"),
    # Clocks went forward: the day before has begun at +1, the day after begins at +2.
    Boundary("Europe/Berlin", "DAY", "2026-03-28T23:00", "2026-03-28", "2026-03-29"),
    Boundary("Europe/Berlin", "DAY", "2026-03-29T22:00", "2026-03-29", "2026-03-30"),
    Boundary("Europe/Berlin", "WEEK", "2026-03-29T22:00", "2026-03-23", "2026-03-30"),
    # And back.
    Boundary("Europe/Berlin", "DAY", "2026-10-24T22:00", "2026-10-24", "2026-10-25"),
    Boundary("Europe/Berlin", "DAY", "2026-10-25T23:00", "2026-10-25", "2026-10-26"),
    Boundary("Europe/Berlin", "MONTH", "2026-10-31T23:00", "2026-10-01", "2026-11-01"),
    Boundary("America/New_York", "DAY", "2026-03-08T05:00", "2026-03-07", "2026-03-08"),
    Boundary("America/New_York", "DAY", "2026-03-09T04:00", "2026-03-08", "2026-03-09"),
    Boundary("America/New_York", "DAY", "2026-11-01T04:00", "2026-10-31", "2026-11-01"),
    Boundary("America/New_York", "DAY", "2026-11-02T05:00", "2026-11-01", "2026-11-02"),
)
A_MILLISECOND = timedelta(milliseconds=1)
MUCH_LATER = datetime(2028, 2, 29, 12, tzinfo=UTC)


def counted(day: str, times: int = 1) -> list[Used]:
    """The counters of one window."""
    return [
        Used(Scope.PROMOTION, times, day=day),
        Used(Scope.PROMOTION_CUSTOMER, times, str(CUSTOMER), day),
        Used(Scope.PROMOTION_DISCOUNT, 10 * MICRO * times, day=day),
    ]


def in_order(*counters: Used) -> list[Used]:
    return sorted(counters, key=lambda counter: (counter.scope, counter.day, counter.member))


async def redeem(desk: Desk, identifier: str, at: datetime) -> None:
    desk.clock.now = max(desk.clock.now, at)
    await grant(desk, use(), transaction_identifier=identifier, transaction_date=at)


@on_one_engine
@pytest.mark.parametrize(
    "boundary", BOUNDARIES, ids=[f"{b.zone} {b.window} {b.at}" for b in BOUNDARIES]
)
async def test_the_window_of_the_transaction_gets_it_back(desk: Desk, boundary: Boundary) -> None:
    by_window = {"limit": 1, "window": boundary.window}
    limits = {
        "redemptions_total": by_window,
        "redemptions_per_customer": by_window,
        "discount_total": {**by_window, "limit": "10"},
    }
    await stock(desk, promotion(limits=limits), time_zone=boundary.zone)
    begins = datetime.fromisoformat(f"{boundary.at}:00+00:00")
    dates = {"before": begins - A_MILLISECOND, "after": begins}
    for identifier, at in dates.items():
        await redeem(desk, identifier, at)
    before, after = counted(boundary.before), counted(boundary.after)
    assert await used(desk) == in_order(*before, *after)
    desk.clock.now = MUCH_LATER
    await reverse(desk, transaction_identifier="before")
    assert await used(desk) == after
    assert await refused_scopes(desk, dates["after"]) == {"promotion", "customer", "discount"}
    await grant(desk, use(), transaction_identifier="again", transaction_date=dates["before"])
    await reverse(desk, transaction_identifier="after")
    assert await used(desk) == before


async def refused_scopes(desk: Desk, at: datetime) -> set[str]:
    found = await refuse(desk, use(), transaction_date=at)
    return {violation.metadata["scope"] for violation in found}


async def test_a_reversal_in_a_later_window_leaves_that_one(desk: Desk) -> None:
    limits = {"redemptions_total": {"limit": 2, "window": "DAY"}}
    await stock(desk, promotion(limits=limits), time_zone="Europe/Berlin")
    yesterday = desk.clock.now
    await redeem(desk, "yesterday", yesterday)
    today = yesterday + timedelta(days=1)
    for identifier in ("one", "two"):
        await redeem(desk, identifier, today)
    await reverse(desk, transaction_identifier="yesterday")
    day = date(2026, 3, 5).isoformat()
    assert await used(desk) == [Used(Scope.PROMOTION, 2, day=day)]
    await refuse_once(desk, use(), transaction_date=today)
    await reverse(desk, transaction_identifier="one")
    await redeem(desk, "three", today)
    assert await used(desk) == [Used(Scope.PROMOTION, 2, day=day)]
