"""A memory of a fixed size whose entries are good for a while."""

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Entry(NamedTuple, Generic[Value]):
    value: Value
    until: float


class Remembered(Generic[Key, Value]):
    """Remembers `most` values; the ones put in first are forgotten first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value, unless its time is over."""
        entry = self._entries.get(key)
        return entry.value if entry and time.monotonic() < entry.until else None

    def get_stale(self, key: Key) -> Value | None:
        """The value, though its time may be over."""
        entry = self._entries.get(key)
        return entry.value if entry else None

    def put(self, key: Key, value: Value, seconds: float) -> None:
        """Remembers a value for so long."""
        self._entries[key] = _Entry(value, time.monotonic() + seconds)
        self._entries.move_to_end(key)
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def end(self) -> None:
        """Ends the time of all values."""
        for key, entry in self._entries.items():
            self._entries[key] = entry._replace(until=0.0)
