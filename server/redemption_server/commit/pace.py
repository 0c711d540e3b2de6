"""How long a call that comes now would wait, by how long batches have taken of late."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

BATCH_SIZE_MAX = 256
_WEIGHT_OF_LATEST = 0.2


class Pace:
    """The pace of a number of writers that commit batches side by side."""

    def __init__(self, writers: int) -> None:
        self._writers = writers
        self._batch_seconds = 0.0
        self._begun: list[float] = []

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Measures the batch that runs within."""
        begun = time.monotonic()
        self._begun.append(begun)
        try:
            yield
        finally:
            self._begun.remove(begun)
            took = time.monotonic() - begun
            if self._batch_seconds:
                took = self._batch_seconds + _WEIGHT_OF_LATEST * (took - self._batch_seconds)
            self._batch_seconds = took

    def wait(self, waiting: int) -> float:
        """Seconds until a call behind `waiting` others is likely answered; 0 when a writer is free.

        A batch that hangs says more than those before it. It may end at any moment, so half of what
        it has taken already counts.
        """
        if len(self._begun) < self._writers:
            return 0.0
        hung = time.monotonic() - min(self._begun)
        batches = 1 + waiting // BATCH_SIZE_MAX / self._writers
        return max(hung / 2, self._batch_seconds) + batches * self._batch_seconds
