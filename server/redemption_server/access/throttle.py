"""Slows down who guesses: each miss makes the next attempt wait longer, until none is let in.

What is guessed at are secrets (by key and by address) and codes (by credential). Misses are counted
in this process, so that no storage being away opens a door.
"""

import asyncio

from redemption_server.access.rate_limit import rate_limited
from redemption_server.access.windows import LocalWindows

# Each takes some 2 KB. Who tries with ever new names pays an expensive hash for each.
_SUBJECTS_MAX = 20_000


class Throttle:
    """Counts misses of the last minute by subject.

    Up to `free` of them nothing happens. Each one more makes the subject's next attempt wait
    `step_seconds` longer, at most `wait_max_seconds`. From `most` on attempts are refused.
    """

    def __init__(
        self,
        scope: str,
        description: str,
        *,
        free: int,
        most: int,
        step_seconds: float,
        wait_max_seconds: float = 2.0,
    ) -> None:
        self._scope = scope
        self._description = description
        self._free = free
        self._most = most
        self._step_seconds = step_seconds
        self._wait_max_seconds = wait_max_seconds
        self._windows = LocalWindows(_SUBJECTS_MAX)

    async def admit(self, subject: str) -> int:
        """Lets an attempt in, maybe after a while. Raises Refused (RATE_LIMITED).

        Returns the misses of the last minute.
        """
        misses = await self.check(subject)
        over = misses - self._free
        if over > 0:
            await asyncio.sleep(min(over * self._step_seconds, self._wait_max_seconds))
        return misses

    async def check(self, subject: str) -> int:
        """The misses of the last minute. Raises Refused (RATE_LIMITED) if there are too many."""
        remaining, reset_seconds = await self._windows.state(subject, self._most)
        if not remaining:
            raise rate_limited(self._description, self._scope, self._most, reset_seconds)
        return self._most - remaining

    async def missed(self, subject: str, times: int = 1) -> None:
        """Counts misses."""
        remaining, _ = await self._windows.state(subject, self._most)
        cost = min(times, remaining)
        if cost:
            await self._windows.take(subject, self._most, cost)
