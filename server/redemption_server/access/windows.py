"""Sliding minutes in which things are counted, by the library `limits`.

A sliding window knows no moment at which everything is allowed again at once, and takes the same
room whatever its limit is.
"""

import math
import time
from collections import OrderedDict
from functools import lru_cache
from typing import NamedTuple, Protocol

import limits
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

WINDOW_SECONDS = 60
_TIMEOUT_SECONDS = 0.25


class WindowState(NamedTuple):
    """How much room is left, and in how many whole seconds there will be more."""

    remaining: int
    reset_seconds: int


class Windows(Protocol):
    """Counts by subject."""

    away_errors: tuple[type[BaseException], ...]
    """What the other methods raise while the counters are out of reach."""

    async def take(self, subject: str, limit: int, cost: int = 1) -> bool:
        """Counts `cost` if the last minute then holds at most `limit`; says whether it did."""
        ...

    async def state(self, subject: str, limit: int) -> WindowState:
        """What the last minute holds."""
        ...

    async def close(self) -> None:
        """Lets connections go."""
        ...


class LocalWindows:
    """Counts in this process.

    Each subject has a storage of its own: the library's memory walks through all that it holds at
    each count. The subjects that were asked for least recently are forgotten first.
    """

    away_errors: tuple[type[BaseException], ...] = ()

    def __init__(self, subjects_max: int) -> None:
        self._subjects_max = subjects_max
        self._by_subject: OrderedDict[str, SlidingWindowCounterRateLimiter] = OrderedDict()

    async def take(self, subject: str, limit: int, cost: int = 1) -> bool:
        """See `Windows`."""
        return await self._of(subject).hit(_per_minute(limit), cost=cost)

    async def state(self, subject: str, limit: int) -> WindowState:
        """See `Windows`."""
        return await _state(self._of(subject), _per_minute(limit))

    async def close(self) -> None:
        """See `Windows`."""

    def _of(self, subject: str) -> SlidingWindowCounterRateLimiter:
        known = self._by_subject.get(subject)
        if known is None:
            known = SlidingWindowCounterRateLimiter(MemoryStorage())
            self._by_subject[subject] = known
            if len(self._by_subject) > self._subjects_max:
                self._by_subject.popitem(last=False)
        else:
            self._by_subject.move_to_end(subject)
        return known


class SharedWindows:
    """Counts in a Redis or Valkey that several servers share."""

    def __init__(self, url: str) -> None:
        # Both speak the same protocol; the library has a client of its own for each name.
        address = url.replace("valkey", "redis", 1)
        # Whether to wait for it is decided by whoever asks, not by the client.
        self._connections: ConnectionPool = ConnectionPool.from_url(
            address,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._storage = RedisStorage(
            f"async+{address}",
            implementation="redispy",
            connection_pool=self._connections,  # type: ignore[arg-type]
        )
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        base = self._storage.base_exceptions
        bases = base if isinstance(base, tuple) else (base,)
        self.away_errors: tuple[type[BaseException], ...] = (*bases, OSError, TimeoutError)

    async def take(self, subject: str, limit: int, cost: int = 1) -> bool:
        """See `Windows`."""
        return await self._limiter.hit(_per_minute(limit), subject, cost=cost)

    async def state(self, subject: str, limit: int) -> WindowState:
        """See `Windows`."""
        return await _state(self._limiter, _per_minute(limit), subject)

    async def close(self) -> None:
        """See `Windows`."""
        await self._connections.disconnect()


@lru_cache
def _per_minute(limit: int) -> limits.RateLimitItem:
    return limits.RateLimitItemPerMinute(limit)


async def _state(
    limiter: SlidingWindowCounterRateLimiter, item: limits.RateLimitItem, *subject: str
) -> WindowState:
    found = await limiter.get_window_stats(item, *subject)
    return WindowState(found.remaining, max(1, math.ceil(found.reset_time - time.time())))
