"""A clock that stands still until it is told to move."""

from datetime import UTC, datetime, timedelta

ODD_DATE = datetime(2026, 3, 4, 5, 6, 7, 8_000, tzinfo=UTC)


class FakeClock:
    def __init__(self, now: datetime = ODD_DATE) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by
