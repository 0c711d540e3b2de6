"""Limits that start anew by day, week or month of the transaction, in the organisation's zone."""

from datetime import datetime

import pytest

from tests.rules.promotion_desk import grant, on_one_engine, refuse_once, stock
from tests.support.catalogs import promotion
from tests.support.desk import Desk, use

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.provokes("LIMIT_REACHED")
@on_one_engine
@pytest.mark.parametrize(
    ("window", "zone", "first", "last", "following"),
    [
        pytest.param(
            "DAY",
            "UTC",
            "2026-03-04T00:00Z",
            "2026-03-04T23:59:59.999Z",
            "2026-03-05T00:00Z",
            id="day",
        ),
        pytest.param(
            "DAY",
            "Asia/Kolkata",
            "2026-03-03T18:30Z",
            "2026-03-04T18:29:59.999Z",
            "2026-03-04T18:30Z",
            id="day in a zone ahead of UTC",
        ),
        pytest.param(
            "DAY",
            "America/New_York",
            "2026-03-08T05:00Z",
            "2026-03-09T03:59:59.999Z",
            "2026-03-09T04:00Z",
            id="day of 23 hours in a zone behind UTC",
        ),
        pytest.param(
            "DAY",
            BERLIN,
            "2026-10-24T22:00Z",
            "2026-10-25T22:59:59.999Z",
            "2026-10-25T23:00Z",
            id="day of 25 hours",
        ),
        pytest.param(
            "WEEK",
            "UTC",
            "2026-03-02T00:00Z",
            "2026-03-08T23:59:59.999Z",
            "2026-03-09T00:00Z",
            id="week from Monday to Sunday",
        ),
        pytest.param(
            "WEEK",
            BERLIN,
            "2026-03-22T23:00Z",
            "2026-03-29T21:59:59.999Z",
            "2026-03-29T22:00Z",
            id="week in which summer time begins",
        ),
        pytest.param(
            "MONTH",
            BERLIN,
            "2026-02-28T23:00Z",
            "2026-03-31T21:59:59.999Z",
            "2026-03-31T22:00Z",
            id="month in which summer time begins",
        ),
        pytest.param(
            "MONTH",
            "UTC",
            "2026-02-01T00:00Z",
            "2026-02-28T23:59:59.999Z",
            "2026-03-01T00:00Z",
            id="February",
        ),
    ],
)
async def test_a_limit_starts_anew_with_the_local_calendar(
    desk: Desk, window: str, zone: str, first: str, last: str, following: str
) -> None:
    limits = {"redemptions_per_customer": {"limit": 2, "window": window}}
    await stock(desk, promotion(limits=limits), time_zone=zone)
    await grant(desk, use(), transaction_date=at(first))
    await grant(desk, use(), transaction_date=at(last))
    violation = await refuse_once(desk, use(), transaction_date=at(last))
    assert violation.reason == "LIMIT_REACHED"
    assert at(violation.metadata["resets"]) == at(following)
    await grant(desk, use(), transaction_date=at(following))


@pytest.mark.provokes("LIMIT_REACHED")
@pytest.mark.parametrize(
    ("limit", "scope"),
    [
        ("redemptions_total", "promotion"),
        ("redemptions_per_customer", "customer"),
        ("discount_total", "discount"),
    ],
)
async def test_each_window_has_a_count_of_its_own_whatever_the_order_of_dates(
    desk: Desk, limit: str, scope: str
) -> None:
    await stock(desk, promotion(limits={limit: {"limit": 10, "window": "DAY"}}))
    tenth = use(redemption_count=10)
    days = ["2026-03-04T12:00Z", "2026-03-02T12:00Z", "2026-03-03T12:00Z"]
    for day in days:
        await grant(desk, tenth, transaction_date=at(day))
    for day in days:
        violation = await refuse_once(desk, use(), transaction_date=at(day))
        assert violation.metadata["scope"] == scope


@on_one_engine
async def test_the_date_of_the_transaction_counts_not_the_clock(desk: Desk) -> None:
    await stock(desk, promotion(limits={"redemptions_total": {"limit": 1, "window": "DAY"}}))
    await grant(desk, use(), transaction_date=at("2026-03-01T12:00Z"))
    await grant(desk, use())
    await refuse_once(desk, use(), transaction_date=at("2026-03-01T00:00Z"))


@pytest.mark.provokes("LIMIT_REACHED")
@on_one_engine
async def test_a_limit_without_a_window_never_starts_anew(desk: Desk) -> None:
    await stock(desk, promotion(limits={"redemptions_total": 1}))
    await grant(desk, use(), transaction_date=at("2001-01-01T00:00Z"))
    assert (await refuse_once(desk, use())).metadata["resets"] == "never"
