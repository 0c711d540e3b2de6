"""Calendar windows after which a limit starts anew, in the organisation's time zone."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo


class Window(StrEnum):
    """How often a limit starts anew; weeks begin on Monday."""

    NONE = "NONE"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


def window_start(window: Window, at: datetime, zone: ZoneInfo) -> int:
    """Ordinal of the first local day of the window that holds `at`; 0 without a window."""
    if window is Window.NONE:
        return 0
    return _first_day(window, at.astimezone(zone).date()).toordinal()


def window_end(window: Window, at: datetime, zone: ZoneInfo) -> datetime | None:
    """The instant, in UTC, at which the window that holds `at` is over; None without a window."""
    if window is Window.NONE:
        return None
    first = _first_day(window, at.astimezone(zone).date())
    if window is Window.DAY:
        following = first + timedelta(days=1)
    elif window is Window.WEEK:
        following = first + timedelta(days=7)
    else:
        following = (first + timedelta(days=31)).replace(day=1)
    return datetime.combine(following, time(), zone).astimezone(UTC)


def _first_day(window: Window, day: date) -> date:
    if window is Window.WEEK:
        return day - timedelta(days=day.weekday())
    if window is Window.MONTH:
        return day.replace(day=1)
    return day
