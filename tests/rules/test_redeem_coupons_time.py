"""Days and hours of a series are those of the organisation's zone, whatever its clocks do."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.rules.coupon_desk import GRANTED, apply_series, reasons, refused, results_of
from tests.support.desk import Desk, coupon

KOLKATA, NEW_YORK, LORD_HOWE = "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"
UNLIMITED = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}
HOUR_1, HOUR_2 = {"redeemable_hours": [1]}, {"redeemable_hours": [2]}
THE_29TH, THE_31ST = {"redeemable_days_of_month": [29]}, {"redeemable_days_of_month": [31]}
SUNDAY = {"redeemable_days_of_week": ["SUN"]}


def at(desk: Desk, moment: str) -> None:
    desk.clock.now = datetime.fromisoformat(moment).astimezone(UTC)


async def redeemed(desk: Desk) -> bool:
    return reasons(await desk.redeem_coupons(coupon())) == [GRANTED]


def boundary(name: str, zone: str, series: dict[str, Any], inside: str, outside: str) -> Any:
    return pytest.param(zone, series, inside, outside, id=name)


@pytest.mark.provokes("TIME_NOT_ALLOWED")
@pytest.mark.parametrize(
    ("zone", "series", "inside", "outside"),
    [
        boundary(
            "the hour begins",
            KOLKATA,
            HOUR_1,
            "2026-03-03T19:30:00.000Z",
            "2026-03-03T19:29:59.999Z",
        ),
        boundary(
            "the hour ends", KOLKATA, HOUR_1, "2026-03-03T20:29:59.999Z", "2026-03-03T20:30:00.000Z"
        ),
        boundary(
            "the hour that the clock skips",
            NEW_YORK,
            HOUR_1,
            "2026-03-08T06:59:59.999Z",
            "2026-03-08T07:00:00Z",
        ),
        boundary(
            "no third hour while the second is skipped",
            NEW_YORK,
            {"redeemable_hours": [3]},
            "2026-03-08T07:00:00Z",
            "2026-03-08T06:59:59.999Z",
        ),
        boundary(
            "the hour that comes twice, first time",
            NEW_YORK,
            HOUR_1,
            "2026-11-01T05:00:00Z",
            "2026-11-01T04:59:59.999Z",
        ),
        boundary(
            "the hour that comes twice, second time",
            NEW_YORK,
            HOUR_1,
            "2026-11-01T06:59:59.999Z",
            "2026-11-01T07:00:00Z",
        ),
        boundary(
            "a clock that goes back by half an hour",
            LORD_HOWE,
            HOUR_1,
            "2026-04-04T15:29:59.999Z",
            "2026-04-04T15:30:00Z",
        ),
        boundary(
            "the month ends", KOLKATA, THE_31ST, "2026-01-31T18:29:59.999Z", "2026-01-31T18:30:00Z"
        ),
        boundary(
            "the month has a 31st",
            NEW_YORK,
            THE_31ST,
            "2026-04-01T03:59:59Z",
            "2026-04-30T23:00:00Z",
        ),
        boundary("the leap day", KOLKATA, THE_29TH, "2028-02-28T18:30:00Z", "2028-02-29T18:30:00Z"),
        boundary("no leap day", KOLKATA, THE_29TH, "2026-01-29T12:00:00Z", "2026-02-28T18:30:00Z"),
        boundary(
            "the week ends", NEW_YORK, SUNDAY, "2026-03-02T04:59:59.999Z", "2026-03-02T05:00:00Z"
        ),
        boundary(
            "a day of 23 hours",
            NEW_YORK,
            SUNDAY,
            "2026-03-09T03:59:59.999Z",
            "2026-03-09T04:00:00Z",
        ),
    ],
)
async def test_days_and_hours_are_local(
    one_desk: Desk, zone: str, series: dict[str, Any], inside: str, outside: str
) -> None:
    await apply_series(one_desk, series, time_zone=zone)
    at(one_desk, outside)
    assert await refused(one_desk, coupon()) == ["TIME_NOT_ALLOWED"]
    at(one_desk, inside)
    assert await redeemed(one_desk)


@pytest.mark.provokes("TIME_NOT_ALLOWED")
async def test_an_hour_that_the_clock_skips_does_not_come(one_desk: Desk) -> None:
    await apply_series(one_desk, {**HOUR_2, **SUNDAY}, time_zone=NEW_YORK)
    for minute in range(24 * 60):
        hour, rest = divmod(minute, 60)
        if rest % 30:
            continue
        at(one_desk, f"2026-03-08T{hour:02}:{rest:02}:00Z")
        assert await refused(one_desk, coupon()) == ["TIME_NOT_ALLOWED"]


@pytest.mark.provokes("TIME_NOT_ALLOWED")
async def test_the_allowed_day_of_the_week_the_day_and_the_hour_must_all_come(
    one_desk: Desk,
) -> None:
    await apply_series(one_desk, {**HOUR_1, **SUNDAY, "redeemable_days_of_month": [8]})
    for moment in ("2026-03-08T02:00:00Z", "2026-03-01T01:00:00Z", "2026-04-08T01:00:00Z"):
        at(one_desk, moment)
        assert await refused(one_desk, coupon()) == ["TIME_NOT_ALLOWED"]
    at(one_desk, "2026-03-08T01:00:00Z")
    assert await redeemed(one_desk)


@pytest.mark.provokes("TIME_NOT_ALLOWED")
async def test_what_is_not_allowed_stands_in_the_metadata(one_desk: Desk) -> None:
    # The message says day of the week, day of the month or hour; so must the metadata.
    found = set()
    for series in (HOUR_1, SUNDAY, THE_31ST):
        await apply_series(one_desk, series)
        (result,) = results_of(await one_desk.redeem_coupons(coupon()))
        assert result.violation is not None
        found.add(frozenset(result.violation.metadata.items()))
    assert len(found) == 3


CALENDAR_DAYS = [
    # The later the day, the fewer hours count: what matters is how often midnight came.
    pytest.param("UTC", "2026-03-04T23:59:59.999Z", 1, "2026-03-05T00:00:00Z", id="midnight"),
    pytest.param(KOLKATA, "2026-03-04T18:29:59.999Z", 1, "2026-03-04T18:30:00Z", id="local"),
    pytest.param(KOLKATA, "2026-03-04T18:30:00Z", 1, "2026-03-05T18:30:00Z", id="a whole day"),
    pytest.param("UTC", "2026-01-31T12:00:00Z", 1, "2026-02-01T00:00:00Z", id="month end"),
    pytest.param("UTC", "2026-02-28T12:00:00Z", 1, "2026-03-01T00:00:00Z", id="February"),
    pytest.param("UTC", "2028-02-28T12:00:00Z", 1, "2028-02-29T00:00:00Z", id="leap day"),
    pytest.param("UTC", "2028-02-28T12:00:00Z", 2, "2028-03-01T00:00:00Z", id="over the leap day"),
    pytest.param("UTC", "2027-12-31T12:00:00Z", 366, "2028-12-31T00:00:00Z", id="leap year"),
    pytest.param(NEW_YORK, "2026-03-07T12:00:00Z", 2, "2026-03-09T04:00:00Z", id="23 hours"),
    pytest.param(NEW_YORK, "2026-10-31T12:00:00Z", 2, "2026-11-02T05:00:00Z", id="25 hours"),
]


def just_before(moment: str) -> str:
    before = datetime.fromisoformat(moment).timestamp() - 0.001
    return datetime.fromtimestamp(before, UTC).isoformat(timespec="milliseconds")


@pytest.mark.provokes("COUPON_TOO_EARLY")
@pytest.mark.parametrize(("zone", "issued_at", "days", "first"), CALENDAR_DAYS)
async def test_days_after_issue_are_calendar_days(
    one_desk: Desk, zone: str, issued_at: str, days: int, first: str
) -> None:
    issued = {"code": "COUPON1", "issued_at": issued_at}
    series = {"redeemable_after_days": days, "coupons": [issued]}
    await apply_series(one_desk, series, time_zone=zone)
    at(one_desk, just_before(first))
    assert await refused(one_desk, coupon()) == ["COUPON_TOO_EARLY"]
    at(one_desk, first)
    assert await redeemed(one_desk)


@pytest.mark.provokes("COUPON_TOO_SOON")
@pytest.mark.parametrize(("zone", "last", "days", "first"), CALENDAR_DAYS)
async def test_days_between_redemptions_are_calendar_days(
    one_desk: Desk, zone: str, last: str, days: int, first: str
) -> None:
    await apply_series(
        one_desk, {**UNLIMITED, "min_days_between_redemptions": days}, time_zone=zone
    )
    at(one_desk, last)
    assert await redeemed(one_desk)
    at(one_desk, just_before(first))
    assert await refused(one_desk, coupon()) == ["COUPON_TOO_SOON"]
    at(one_desk, first)
    assert await redeemed(one_desk)


@pytest.mark.provokes("COUPON_TOO_EARLY")
async def test_the_latest_day_of_issue_with_the_longest_wait_is_judged_too(one_desk: Desk) -> None:
    issued = {"code": "COUPON1", "issued_at": "8999-12-31T23:59:59Z"}
    await apply_series(one_desk, {"redeemable_after_days": 36_500, "coupons": [issued]})
    assert await refused(one_desk, coupon()) == ["COUPON_TOO_EARLY"]
