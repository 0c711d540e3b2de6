"""Transactions of several servers that meet for certain: one stands still while others come."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from redemption_server.storage.database import Database, SqliteDatabase, Work, open_database
from redemption_server.storage.dialect import is_sqlite
from sqlalchemy import Connection, event, text
from sqlalchemy.util import await_

Result = TypeVar("Result")

# Less than PostgreSQL lets a transaction stand still.
_SECONDS = 8
_POLL_SECONDS = 0.005
_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class Pause:
    """A point at which a transaction stands still until it is let go."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reached, self._let_go = asyncio.Event(), asyncio.Event()

    def __call__(self, connection: Connection) -> None:
        """Stands still: on SQLite in the writer's thread, else in the loop."""
        if is_sqlite(connection):
            asyncio.run_coroutine_threadsafe(self._stand_still(), self._loop).result()
        else:
            await_(self._stand_still())

    async def _stand_still(self) -> None:
        self._reached.set()
        await self._let_go.wait()

    async def reached(self, task: asyncio.Task[Any]) -> None:
        """Returns once the transaction of the task is here; raises what it raised instead."""
        reached = asyncio.create_task(self._reached.wait())
        await asyncio.wait([reached, task], timeout=_SECONDS, return_when="FIRST_COMPLETED")
        if not reached.done():
            reached.cancel()
            task.cancel()
            await task
            raise AssertionError("never got there")

    def let_go(self) -> None:
        """Lets it go on."""
        self._let_go.set()


class Undone(Exception):
    """The test had the transaction fail after its work."""


class Held(Generic[Result]):
    """Work that stands still when it is done, before what comes `then` and the commit."""

    def __init__(self, work: Work[Any], then: Work[Result] | None) -> None:
        self._work, self._then = work, then
        self._undo = False
        self.pause = Pause()
        self.task: asyncio.Task[Result]

    def __call__(self, connection: Connection) -> Result:
        """The work, standing still, and what comes then; returns what the last of them returns."""
        result = self._work(connection)
        self.pause(connection)
        if self._undo:
            raise Undone
        return self._then(connection) if self._then else result

    async def commit(self) -> Result:
        """Lets it go on and commit, and returns what its work returned."""
        self.pause.let_go()
        return await result_of(self.task)

    async def undo(self) -> None:
        """Has it fail instead of committing."""
        self._undo = True
        self.pause.let_go()
        await asyncio.wait([self.task])
        assert isinstance(self.task.exception(), Undone)


class Meeting:
    """Transactions on one database, each in a server of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._databases: list[Database] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._held: list[Held[Any]] = []
        self._beginning: set[int] = set()

    @property
    def repeats(self) -> Counter[str]:
        """How often work was repeated, by the kind of error that made it so."""
        return sum((database.repeats for database in self._databases), Counter())

    async def hold(self, work: Work[Any], then: Work[Any] | None = None) -> Held[Any]:
        """A transaction that has done `work` and nothing of what comes `then`, nor its commit."""
        held = Held(work, then)
        held.task = self.start(held)
        self._held.append(held)
        await held.pause.reached(held.task)
        return held

    def start(self, work: Work[Result]) -> asyncio.Task[Result]:
        """A transaction that is under way."""
        task = asyncio.create_task(self._open().transact(work))
        self._tasks.append(task)
        return task

    async def run(self, work: Work[Result]) -> Result:
        """What a transaction returned that meets nobody."""
        return await result_of(self.start(work))

    async def waiting(self, *tasks: asyncio.Task[Any]) -> None:
        """Returns once each of the tasks waits for another transaction: by what the database says.

        On SQLite, where nobody can be asked, once they are about to begin.
        """
        await self.met(*tasks)
        assert not any(task.done() for task in tasks), "went on instead of waiting"

    async def met(self, *tasks: asyncio.Task[Any]) -> None:
        """Returns once each of the tasks waits for another transaction, or is through."""
        async with asyncio.timeout(_SECONDS):
            # Nobody is told of a lock that is waited for, so one has to ask.
            while await self._count_waiting() < sum(not task.done() for task in tasks):  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)

    async def close(self) -> None:
        """Lets everybody go and waits for them."""
        for held in self._held:
            held.pause.let_go()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for database in self._databases:
            await database.close()

    def _open(self) -> Database:
        database = open_database(self._url)
        if isinstance(database, SqliteDatabase):
            engine, name = database._writer_engine, id(database)
            event.listen(engine, "engine_connect", lambda _: self._beginning.add(name))
            event.listen(engine, "begin", lambda _: self._beginning.discard(name))
        self._databases.append(database)
        return database

    async def _count_waiting(self) -> int:
        database = self._databases[0]
        if isinstance(database, SqliteDatabase):
            return len(self._beginning)
        return await database.read(
            lambda connection: int(connection.execute(_WAITING).scalar_one())
        )


@asynccontextmanager
async def meeting_at(url: str) -> AsyncIterator[Meeting]:
    """A meeting whose transactions have all ended when the block is left."""
    meeting = Meeting(url)
    try:
        yield meeting
    finally:
        await meeting.close()


async def result_of(task: asyncio.Task[Result]) -> Result:
    """What a transaction returned, which must not take long."""
    async with asyncio.timeout(_SECONDS):
        return await task
