"""Where calls gather until a writer is free.

There is no timer: while one batch commits, the next one gathers, so that an idle service answers a
lone call at once and a busy one shares each commit among many. A caller that hangs up does not
cancel the batch it is in.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

import structlog

from redemption_server.commit.batch import Batch
from redemption_server.rules.commands import Clock, Command, IdSource
from redemption_server.rules.outcomes import Outcome
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.database import Database

BATCH_SIZE_MAX = 256
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Waiting:
    command: Command
    answered: asyncio.Future[Outcome]


@dataclass(slots=True)
class QueueStatistics:
    """What the queue has done since it started."""

    batches: int = 0
    commands: int = 0

    @property
    def batch_size_mean(self) -> float:
        """Commands per batch."""
        return self.commands / self.batches if self.batches else 0.0


class CommitQueue:
    """Takes commands, answers when what was decided is durable."""

    def __init__(
        self, database: Database, clock: Clock, ids: IdSource, *, writers: int, waiting_max: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._waiting: deque[_Waiting] = deque()
        self._waiting_max = waiting_max
        self._arrived = asyncio.Event()
        self._closing = False
        self.statistics = QueueStatistics()
        self._writers = [asyncio.create_task(self._write()) for _ in range(writers)]

    async def submit(self, command: Command) -> Outcome:
        """The outcome of a command, once it is durable.

        Raises Refused: OVERLOADED when too many calls are waiting, CONTENTION or UNAVAILABLE when
        nothing could be committed.
        """
        if self._closing:
            raise Refused.because(Reason.UNAVAILABLE, "The service is stopping, try again later")
        if len(self._waiting) >= self._waiting_max:
            raise Refused.because(Reason.OVERLOADED, "Too many calls are waiting, try again later")
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(command, answered))
        self._arrived.set()
        return await answered

    async def close(self) -> None:
        """Refuses new commands, answers those that wait, and stops."""
        self._closing = True
        self._arrived.set()
        await asyncio.gather(*self._writers)

    async def _write(self) -> None:
        while True:
            if self._waiting:
                await self._commit(self._take())
            elif self._closing:
                return
            else:
                self._arrived.clear()
                await self._arrived.wait()

    def _take(self) -> list[_Waiting]:
        """The longest waiting commands: of one organisation, where a batch must not mix them."""
        if self._database.mixes_organizations:
            size = min(len(self._waiting), BATCH_SIZE_MAX)
            return [self._waiting.popleft() for _ in range(size)]
        org_id = self._waiting[0].command.caller.org_id
        batch: list[_Waiting] = []
        others: deque[_Waiting] = deque()
        for waiting in self._waiting:
            ours = waiting.command.caller.org_id == org_id and len(batch) < BATCH_SIZE_MAX
            (batch if ours else others).append(waiting)
        self._waiting = others
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        self.statistics.batches += 1
        self.statistics.commands += len(batch)
        work = Batch([waiting.command for waiting in batch], self._clock(), self._ids)
        try:
            outcomes = await self._database.transact(work)
        except Refused as refused:
            _answer(batch, [refused] * len(batch))
        except Exception:  # noqa: BLE001 — whatever it is, every caller is answered
            if len(batch) == 1:
                _log.exception("command failed")
                _answer(batch, [_internal()])
                return
            # One command's error must not fail its neighbours: find it by running each alone.
            _log.exception("batch failed, its commands run one by one", size=len(batch))
            for waiting in batch:
                await self._commit([waiting])
        else:
            _answer(batch, outcomes)


def _answer(batch: list[_Waiting], outcomes: list[Outcome]) -> None:
    for waiting, outcome in zip(batch, outcomes, strict=True):
        if not waiting.answered.done():
            waiting.answered.set_result(outcome)


def _internal() -> Refused:
    return Refused.because(Reason.INTERNAL, "An internal error occurred")
