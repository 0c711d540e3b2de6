"""In which order a storm sends its requests, how often, to whom, and how patiently."""

import heapq
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.storm.demand import Key

CALLERS = 128
"""How many calls are in flight."""
_LATE = 0.1
_OTHER_CONTENT = 0.1
_ABANDONED = 0.03
_PATIENCE_SECONDS = 0.06


class Attempt(NamedTuple):
    """One call to make; with `patience` the caller hangs up after so many seconds."""

    key: Key
    content: int
    server: int
    patience: float | None


class Schedule:
    """Attempts in the order of their turns, counted in calls.

    Each key is sent several times: again while it is in flight, or soon after, now and then when
    its round is long over.
    """

    def __init__(self, chance: random.Random, servers: int) -> None:
        self._chance = chance
        self._servers = servers
        self._pending: list[tuple[float, int, Attempt]] = []
        self._numbers = itertools.count()
        self._turn = 0.0

    @property
    def pending(self) -> int:
        """How many attempts are still to come."""
        return len(self._pending)

    def attempts(self, keys: Sequence[Key]) -> Iterator[Attempt]:
        """The attempts whose turn is in the round of these keys."""
        repeats = [self._chance.randint(3, 5) if key.text else 1 for key in keys]
        length = sum(repeats)
        for key, times in zip(keys, repeats, strict=True):
            first = self._turn + self._chance.uniform(0, length)
            again = [first + self._distance(key, length) for _ in range(times - 1)]
            for turn in (first, *again):
                heapq.heappush(self._pending, (turn, next(self._numbers), self._attempt(key)))
        self._turn += length
        while self._pending and self._pending[0][0] < self._turn:
            yield heapq.heappop(self._pending)[2]

    def rest(self) -> Iterator[Attempt]:
        """All attempts that are still to come."""
        while self._pending:
            yield heapq.heappop(self._pending)[2]

    def _distance(self, key: Key, length: int) -> float:
        if self._chance.random() < _LATE:
            return self._chance.uniform(0, 10 * length)
        if key.races:
            return self._chance.uniform(0, CALLERS / 4)
        return self._chance.uniform(2 * CALLERS, 4 * CALLERS)

    def _attempt(self, key: Key) -> Attempt:
        server = self._chance.randrange(self._servers)
        if not key.text:
            return Attempt(key, 0, server, None)
        content = int(self._chance.random() < _OTHER_CONTENT)
        abandoned = self._chance.random() < _ABANDONED
        patience = self._chance.uniform(0, _PATIENCE_SECONDS) if abandoned else None
        return Attempt(key, content, server, patience)
