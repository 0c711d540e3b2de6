"""Windows of limits are calendar days, weeks and months of the organisation's zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redemption_server.rules.windows import Window, window_end, window_start

CALENDAR = (Window.DAY, Window.WEEK, Window.MONTH)
ZONES = (
    "UTC",
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/Sao_Paulo",  # used to skip from 23:59 to 01:00
    "America/Havana",  # repeats the hour after midnight
    "Africa/Cairo",  # skips the hour after midnight
    "Australia/Lord_Howe",  # moves by half an hour
    "Pacific/Apia",  # skipped a whole day, 2011-12-30
)

instants = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 — Hypothesis adds the zone
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
zones = st.sampled_from(ZONES).map(ZoneInfo)
windows = st.sampled_from(CALENDAR)


def calendar_period(window: Window, day: date) -> tuple[int, ...]:
    """What people call the period, by another way than the code takes."""
    if window is Window.DAY:
        return (day.year, day.month, day.day)
    if window is Window.WEEK:
        return tuple(day.isocalendar())[:2]
    return (day.year, day.month)


@given(windows, instants, zones, st.timedeltas(timedelta(days=-70), timedelta(days=70)))
def test_two_instants_share_a_window_exactly_when_the_local_calendar_says_so(
    window: Window, at: datetime, zone: ZoneInfo, apart: timedelta
) -> None:
    days = [instant.astimezone(zone).date() for instant in (at, at + apart)]
    starts = [window_start(window, instant, zone) for instant in (at, at + apart)]
    periods = [calendar_period(window, day) for day in days]
    assert (starts[0] == starts[1]) == (periods[0] == periods[1])


@given(windows, instants, zones)
def test_a_window_ends_at_the_first_instant_of_the_next_one(
    window: Window, at: datetime, zone: ZoneInfo
) -> None:
    end = window_end(window, at, zone)
    assert end is not None
    assert end > at
    this = window_start(window, at, zone)
    assert window_start(window, end - timedelta(microseconds=1), zone) == this
    assert window_start(window, end, zone) > this


@given(windows, instants, zones)
def test_a_window_starts_on_a_day_that_it_holds(
    window: Window, at: datetime, zone: ZoneInfo
) -> None:
    first = date.fromordinal(window_start(window, at, zone))
    day = at.astimezone(zone).date()
    assert first <= day
    assert calendar_period(window, first) == calendar_period(window, day)


@given(instants, zones)
def test_without_a_window_a_limit_never_starts_anew(at: datetime, zone: ZoneInfo) -> None:
    assert window_start(Window.NONE, at, zone) == 0
    assert window_end(Window.NONE, at, zone) is None


@pytest.mark.parametrize(
    ("window", "zone", "at", "first", "end"),
    [
        pytest.param(
            "DAY", "UTC", "2026-03-04T23:59:59.999Z", "2026-03-04", "2026-03-05T00:00Z", id="day"
        ),
        pytest.param(
            "DAY",
            "Asia/Kolkata",
            "2026-03-04T18:30Z",
            "2026-03-05",
            "2026-03-05T18:30Z",
            id="day ahead of UTC",
        ),
        pytest.param(
            "DAY",
            "Europe/Berlin",
            "2026-03-28T23:00Z",
            "2026-03-29",
            "2026-03-29T22:00Z",
            id="day of 23 hours",
        ),
        pytest.param(
            "DAY",
            "Europe/Berlin",
            "2026-10-24T22:00Z",
            "2026-10-25",
            "2026-10-25T23:00Z",
            id="day of 25 hours",
        ),
        pytest.param(
            "DAY",
            "Pacific/Apia",
            "2011-12-30T09:59Z",
            "2011-12-29",
            "2011-12-30T10:00Z",
            id="day before a day that never was",
        ),
        pytest.param(
            "WEEK", "UTC", "2026-03-08T23:59Z", "2026-03-02", "2026-03-09T00:00Z", id="Sunday"
        ),
        pytest.param(
            "WEEK", "UTC", "2026-03-09T00:00Z", "2026-03-09", "2026-03-16T00:00Z", id="Monday"
        ),
        pytest.param(
            "WEEK",
            "UTC",
            "2027-01-01T12:00Z",
            "2026-12-28",
            "2027-01-04T00:00Z",
            id="week over new year",
        ),
        pytest.param(
            "MONTH",
            "Europe/Berlin",
            "2026-02-28T23:00Z",
            "2026-03-01",
            "2026-03-31T22:00Z",
            id="month that ends in summer time",
        ),
        pytest.param(
            "MONTH", "UTC", "2028-02-29T12:00Z", "2028-02-01", "2028-03-01T00:00Z", id="leap month"
        ),
        pytest.param(
            "MONTH", "UTC", "2026-12-31T23:59Z", "2026-12-01", "2027-01-01T00:00Z", id="December"
        ),
    ],
)
def test_the_window_of_an_instant(window: str, zone: str, at: str, first: str, end: str) -> None:
    instant, where = datetime.fromisoformat(at), ZoneInfo(zone)
    start = date.fromordinal(window_start(Window(window), instant, where))
    assert start == date.fromisoformat(first)
    assert window_end(Window(window), instant, where) == datetime.fromisoformat(end)
