"""Where calls gather until a writer is free.

There is no timer: while one batch commits, the next one gathers, so that an idle service answers a
lone call at once and a busy one shares each commit among many. A caller that hangs up does not
cancel the batch it is in.

Where a batch must not mix organisations, each has a lane of its own, and they take turns. A lane
has one batch at a time: a second one would wait for what the first has locked, and both be smaller.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from redemption_server.commit.batch import Batch
from redemption_server.commit.pace import BATCH_SIZE_MAX, Pace
from redemption_server.rules.commands import Clock, Command, IdSource
from redemption_server.rules.outcomes import Granted, Outcome
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.database import Database, unavailable

# So many callers at once make a busy server, until there were fewer for so long: between batches
# there are none for a moment, however busy it is.
_BUSY_CALLERS = 16
_BUSY_SECONDS = 0.1
# The lane of commands of all organisations, which have positive ids.
_ALL = 0
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
    split: int = 0
    """Batches that failed and were run again one command at a time."""

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
        # In the order of their turns.
        self._lanes: dict[int, deque[_Waiting]] = {}
        self.waiting = 0
        """How many commands wait to be taken into a batch."""
        self._waiting_max = waiting_max
        self._arrived = asyncio.Event()
        self._closing = False
        self._callers = 0
        self._busy_at = -math.inf
        self._pace = Pace(writers)
        self._listeners: list[Callable[[set[int]], None]] = []
        self.statistics = QueueStatistics()
        self._writers = [asyncio.create_task(self._write()) for _ in range(writers)]

    async def submit(self, command: Command, deadline: float | None = None) -> Outcome:
        """The outcome of a command, once it is durable.

        `deadline` is when the caller stops waiting, in the time of the event loop. Raises Refused:
        OVERLOADED when too many calls are waiting or the outcome would come too late; UNAVAILABLE
        when the database is away; CONTENTION when others were in the way for too long.
        """
        if self._closing:
            raise Refused.because(Reason.UNAVAILABLE, "The service is stopping, try again later")
        self._database.ensure_up()
        lane = _ALL if self._database.mixes_organizations else command.caller.org_id
        wait = self._pace.wait(lane, self.waiting)
        if self.waiting >= self._waiting_max:
            raise _overloaded("Too many calls are waiting", wait)
        if wait and deadline is not None and _now() + wait > deadline:
            raise _overloaded("Too many calls are waiting for this deadline", wait)
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._lanes.setdefault(lane, deque()).append(_Waiting(command, answered))
        self.waiting += 1
        self._arrived.set()
        self._callers += 1
        if self._callers >= _BUSY_CALLERS:
            self._busy_at = _now()
        try:
            return await answered
        finally:
            self._callers -= 1

    def on_commit(self, committed: Callable[[set[int]], None]) -> None:
        """Has `committed` told, after each batch, what organisations something was recorded for."""
        self._listeners.append(committed)

    @property
    def is_busy(self) -> bool:
        """Whether so many callers wait that whatever is not urgent had better wait too."""
        return _now() - self._busy_at < _BUSY_SECONDS

    def give_up_waiting(self) -> None:
        """Answers who waits with UNAVAILABLE: the database is away."""
        waiting = [one for lane in self._lanes.values() for one in lane]
        self._lanes.clear()
        self.waiting = 0
        _answer(waiting, [unavailable()] * len(waiting))

    async def close(self) -> None:
        """Refuses new commands, answers those that wait, and stops."""
        self._closing = True
        self._arrived.set()
        await asyncio.gather(*self._writers)

    async def _write(self) -> None:
        while True:
            lane = next((lane for lane in self._lanes if not self._pace.is_under_way(lane)), None)
            if lane is not None:
                await self._commit(lane, self._take(lane))
            elif self._closing and not self._lanes:
                return
            else:
                self._arrived.clear()
                await self._arrived.wait()

    def _take(self, lane: int) -> list[_Waiting]:
        """The longest waiting commands of a lane, which then lets the other lanes go first."""
        waiting = self._lanes.pop(lane)
        batch = [waiting.popleft() for _ in range(min(len(waiting), BATCH_SIZE_MAX))]
        if waiting:
            self._lanes[lane] = waiting
        self.waiting -= len(batch)
        return batch

    async def _commit(self, lane: int, waiting: list[_Waiting]) -> None:
        work = Batch([w.command for w in waiting], self._clock(), self._ids)
        self.statistics.batches += 1
        self.statistics.commands += len(waiting)
        with self._pace.batch(lane):
            await self._run(waiting, work)
        # For writers that found every lane under way.
        self._arrived.set()

    async def _run(self, waiting: list[_Waiting], work: Batch) -> None:
        try:
            outcomes = await self._database.transact(work)
        except Refused as refused:
            _answer(waiting, [refused] * len(waiting))
        except Exception:  # noqa: BLE001 — whatever it is, every caller is answered
            if len(waiting) == 1:
                _log.exception("command failed")
                _answer(waiting, [_internal(maybe_recorded=bool(work.earlier))])
                return
            # One command's error must not fail its neighbours: find it by running each alone.
            _log.exception("batch failed, its commands run one by one", size=len(waiting))
            self.statistics.split += 1
            for position, one in enumerate(waiting):
                await self._run([one], work.alone(position))
        else:
            _answer(waiting, outcomes)
            org_ids = {o.caller.org_id for o in outcomes if isinstance(o, Granted)}
            for committed in self._listeners:
                committed(org_ids)


def _answer(waiting: list[_Waiting], outcomes: list[Outcome]) -> None:
    for one, outcome in zip(waiting, outcomes, strict=True):
        if not one.answered.done():
            one.answered.set_result(outcome)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _overloaded(description: str, wait: float) -> Refused:
    refused = Refused.because(Reason.OVERLOADED, f"{description}, try again later")
    refused.retry_seconds = max(1, math.ceil(wait))
    return refused


def _internal(*, maybe_recorded: bool) -> Refused:
    refused = Refused.because(Reason.INTERNAL, "An internal error occurred")
    refused.maybe_recorded = maybe_recorded
    return refused
