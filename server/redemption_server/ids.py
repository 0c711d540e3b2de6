"""Ids for records: unique without asking anyone, and sorting by time."""

import secrets
import threading
import time
from collections.abc import Callable

_NUMBER_EPOCH_MS = 1_577_836_800_000  # 2020-01-01: 63 bits then last until 2089
_NUMBER_RANDOM_BITS = 22
_RECORD_RANDOM_BITS = 48


class TimeOrderedIds:
    """An `IdSource`: milliseconds in front, chance behind, always above the id before.

    Within a millisecond ids count up from a random start, so that two processes hardly ever meet;
    where they do, the primary key refuses and the batch runs again with fresh ids.
    """

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._last_record = 0
        self._last_number = 0

    def record_id(self) -> str:
        """24 lower-case hex digits."""
        with self._lock:
            fresh = _fresh(self._now_ms(), _RECORD_RANDOM_BITS)
            self._last_record = max(fresh, self._last_record + 1)
            return f"{self._last_record:024x}"

    def number(self) -> int:
        """A positive 63-bit integer."""
        with self._lock:
            fresh = _fresh(self._now_ms() - _NUMBER_EPOCH_MS, _NUMBER_RANDOM_BITS)
            self._last_number = max(fresh, self._last_number + 1)
            return self._last_number


def _fresh(ms: int, random_bits: int) -> int:
    # Half the range at most, which leaves room to count up within the millisecond.
    return (ms << random_bits) | secrets.randbits(random_bits - 1)
