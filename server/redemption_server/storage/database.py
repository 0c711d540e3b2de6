"""The one place that opens transactions.

`transact` runs a whole piece of work, a plain function over a connection, in one transaction that
is durable when it returns. The work may run again, so it must touch nothing but the connection. On
SQLite it runs in one hop on the writer's own thread, on PostgreSQL through `run_sync`. `read` gives
a connection for reads.
"""

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import structlog
from sqlalchemy import Connection, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage import sqlite
from redemption_server.storage.failures import Failure, failure_of

Result = TypeVar("Result")
Work = Callable[[Connection], Result]

ATTEMPTS_MAX = 8
_BACKOFF_SECONDS = 0.005
# Lookups have connections of their own, so that they never keep a batch waiting.
_READERS = 4
_WRITERS_POSTGRES = 10
_log = structlog.get_logger(__name__)


class Database(Protocol):
    """A database of either engine."""

    mixes_organizations: bool
    """Whether one transaction may touch several organisations."""

    async def transact(self, work: Work[Result]) -> Result:
        """Runs `work` in one transaction and returns what it returned, after a durable commit.

        A serialisation failure, a deadlock, a locked file or a lost race for a unique key repeats
        it, at most ATTEMPTS_MAX times in all, then Refused (CONTENTION) is raised. Refused
        (UNAVAILABLE) is raised when the database is away, full or read-only. Nothing is recorded
        in either case, unless the connection was lost during the commit itself.
        """
        ...

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for reading. What it raises goes through `failures.failure_of`."""
        ...

    async def close(self) -> None:
        """Lets all connections go, after the work under way."""
        ...


def open_database(url: str) -> Database:
    """The database at a SQLAlchemy URL, `sqlite+aiosqlite` or `postgresql+asyncpg`."""
    if make_url(url).get_backend_name() == "sqlite":
        return SqliteDatabase(url)
    return PostgresDatabase(url)


async def _repeat(run: Callable[[], "asyncio.Future[Result]"]) -> Result:
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return await run()
        except Refused:
            raise
        except Exception as error:
            failure = failure_of(error)
            if failure is Failure.UNAVAILABLE:
                _log.error("database unavailable", error=str(error))
                raise unavailable() from error
            if failure is not Failure.REPEATABLE:
                raise
            _log.info("batch repeated", attempt=attempt, error=str(error))
        # Jitter keeps writers that collided from colliding again.
        await asyncio.sleep(random.uniform(0, _BACKOFF_SECONDS * 2**attempt))  # noqa: S311
    raise Refused.because(
        Reason.CONTENTION, "The database is contended; nothing was recorded, try again"
    )


def unavailable() -> Refused:
    """The database is away."""
    return Refused.because(Reason.UNAVAILABLE, "The service is unavailable, try again later")


class SqliteDatabase:
    """SQLite: one writer on its own thread, readers on theirs."""

    mixes_organizations = True

    def __init__(self, url: str) -> None:
        self._writer_engine = sqlite.writer_engine(url)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-writer")
        self._readers = sqlite.reader_engine(url, _READERS)

    async def transact(self, work: Work[Result]) -> Result:
        """See `Database.transact`."""
        loop = asyncio.get_running_loop()
        return await _repeat(lambda: loop.run_in_executor(self._writer, self._run, work))

    def _run(self, work: Work[Result]) -> Result:
        with self._writer_engine.begin() as connection:
            return work(connection)

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """See `Database.read`."""
        return self._readers.connect()

    async def close(self) -> None:
        """See `Database.close`."""
        loop = asyncio.get_running_loop()
        await self._readers.dispose()
        await loop.run_in_executor(self._writer, self._writer_engine.dispose)
        self._writer.shutdown()


class PostgresDatabase:
    """PostgreSQL: a pool of connections, READ COMMITTED pinned."""

    # One organisation per transaction, so that each goes to one shard of a distributed engine.
    mixes_organizations = False

    def __init__(self, url: str) -> None:
        self._writers = _postgres_engine(url, _WRITERS_POSTGRES)
        self._readers = _postgres_engine(url, _READERS)

    async def transact(self, work: Work[Result]) -> Result:
        """See `Database.transact`."""
        return await _repeat(lambda: asyncio.ensure_future(self._run(work)))

    async def _run(self, work: Work[Result]) -> Result:
        async with self._writers.begin() as connection:
            return await connection.run_sync(work)

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """See `Database.read`."""
        return self._readers.connect()

    async def close(self) -> None:
        """See `Database.close`."""
        await self._readers.dispose()
        await self._writers.dispose()


def _postgres_engine(url: str, size: int) -> AsyncEngine:
    return create_async_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=size,
        max_overflow=0,
        pool_pre_ping=True,
    )
