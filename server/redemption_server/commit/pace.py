"""How long a call that comes now would wait, by how long batches have taken of late."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

BATCH_SIZE_MAX = 256
_WEIGHT_OF_LATEST = 0.2


class Pace:
    """The pace of a number of writers that commit batches side by side, one at a time in a lane."""

    def __init__(self, writers: int) -> None:
        self._writers = writers
        self._batch_seconds = 0.0
        self._begun: dict[int, float] = {}

    def is_under_way(self, lane: int) -> bool:
        """Whether a batch of the lane runs."""
        return lane in self._begun

    @contextmanager
    def batch(self, lane: int) -> Iterator[None]:
        """Measures the batch of a lane that runs within."""
        begun = self._begun[lane] = time.monotonic()
        try:
            yield
        finally:
            del self._begun[lane]
            took = time.monotonic() - begun
            if self._batch_seconds:
                took = self._batch_seconds + _WEIGHT_OF_LATEST * (took - self._batch_seconds)
            self._batch_seconds = took

    def wait(self, lane: int, waiting: int) -> float:
        """Seconds until a call of a lane behind `waiting` others is likely answered.

        0 when its lane and a writer are free. A batch that hangs says more than those before it. It
        may end at any moment, so half of what it has taken already counts.
        """
        begun = self._begun.get(lane)
        if begun is None:
            if len(self._begun) < self._writers:
                return 0.0
            begun = min(self._begun.values())
        hung = time.monotonic() - begun
        batches = 1 + waiting // BATCH_SIZE_MAX / self._writers
        return max(hung / 2, self._batch_seconds) + batches * self._batch_seconds
