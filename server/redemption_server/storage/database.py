"""The one place that opens transactions.

`transact` runs a whole piece of work, a plain function over a connection, in one transaction that
is durable when it returns. The work may run again, even after a commit of it went through whose
confirmation was lost, so it must claim what it must not do twice. `read` does the same for work
that writes nothing. On SQLite work runs in one hop on a thread of its own, on PostgreSQL through
`run_sync`.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage import postgres, sqlite
from redemption_server.storage.checkpoints import Checkpoints
from redemption_server.storage.dialect import allow_pauses
from redemption_server.storage.failures import Failure, Unreachable, failure_of, is_verdict

Result = TypeVar("Result")
More = ParamSpec("More")
Work = Callable[[Connection], Result]
Reading = Callable[Concatenate[Connection, More], Result]

ATTEMPTS_MAX = 8
_BACKOFF_SECONDS = 0.005
# Lookups have connections of their own, so that they never keep a batch waiting.
_READERS = 4
_REPORTERS = 2
_WRITERS_POSTGRES = 10
# One, and some that are still taking leave of a peer that does not answer.
_PROBERS = 4
_BEGIN = text("BEGIN")
# Reports go through whole tables. A planner without statistics, which a database has none of in its
# first minute, takes them for small and would compare each row with all others.
_WALK_ONCE = text("SET LOCAL enable_nestloop = off")
_WRITE_NOTHING = text("UPDATE alembic_version SET version_num = version_num")
_log = structlog.get_logger(__name__)


class CommitFailed(Exception):
    """The commit itself failed, with `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Database(Protocol):
    """A database of either engine."""

    mixes_organizations: bool
    """Whether one transaction may touch several organisations."""
    repeats: Counter[str]
    """How often work was repeated, by the kind of error that made it so."""

    async def transact(self, work: Work[Result]) -> Result:
        """Runs `work` in one transaction and returns what it returned, after a durable commit.

        A serialisation failure, a deadlock, a locked file, a lost race for a unique key or a lost
        connection repeats it, at most ATTEMPTS_MAX times in all, then Refused (CONTENTION) is
        raised. Refused (UNAVAILABLE) is raised when the database is away, full or read-only.
        Nothing is recorded in either case, unless the refusal says `maybe_recorded`.
        """
        ...

    def ensure_up(self) -> None:
        """Raises Refused (UNAVAILABLE) while the database is known to be away or not to commit."""
        ...

    async def read(
        self, work: Reading[More, Result], *args: More.args, **kwargs: More.kwargs
    ) -> Result:
        """Runs `work`, which writes nothing and reads all that it returns, on a connection.

        What it raises goes through `failures.failure_of`.
        """
        ...

    def snapshot(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection that sees one moment of the database, for reports that take their time."""
        ...

    async def probe(self, *, write: bool) -> None:
        """Asks whether the database answers, with `write` whether it commits; raises if not."""
        ...

    async def close(self) -> None:
        """Lets all connections go, after the work under way."""
        ...


def open_database(url: str) -> Database:
    """The database at a SQLAlchemy URL, `sqlite+aiosqlite` or `postgresql+asyncpg`."""
    if make_url(url).get_backend_name() == "sqlite":
        return SqliteDatabase(url)
    return PostgresDatabase(url)


def unavailable() -> Refused:
    """The database is away."""
    return Refused.because(Reason.UNAVAILABLE, "The service is unavailable, try again later")


async def _repeat(run: Callable[[], Awaitable[Result]], repeats: Counter[str]) -> Result:
    """Runs one transaction until it is through; tells for sure undone from maybe recorded."""
    maybe_recorded = False
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return await run()
        except Refused:
            raise
        except CommitFailed as failed:
            error: Exception = failed.error
            failure = failure_of(error)
            if not is_verdict(error):
                # Looking whether it went through would be guessing: the lost transaction may still
                # be under way. Running the work again claims the same keys, which waits for it.
                maybe_recorded = True
                failure = Failure.REPEATABLE if failure is Failure.OTHER else failure
        except Exception as caught:  # noqa: BLE001 — looked at below
            error, failure = caught, failure_of(caught)
        if failure is Failure.OTHER:
            raise error
        cause = str(getattr(error, "orig", "") or error or type(error).__name__)
        if failure is Failure.UNAVAILABLE:
            _log.error("database unavailable", error=cause)
            raise _marked(unavailable(), maybe_recorded=maybe_recorded) from error
        repeats[_kind(error)] += 1
        _log.info("transaction repeated", attempt=attempt, error=cause)
        # Jitter keeps writers that collided from colliding again.
        await asyncio.sleep(random.uniform(0, _BACKOFF_SECONDS * 2**attempt))  # noqa: S311
    contended = Refused.because(
        Reason.CONTENTION, "The database is contended; send the request again"
    )
    raise _marked(contended, maybe_recorded=maybe_recorded)


def _marked(refused: Refused, *, maybe_recorded: bool) -> Refused:
    refused.maybe_recorded = maybe_recorded
    return refused


def _kind(error: BaseException) -> str:
    original = getattr(error, "orig", None)
    return getattr(original, "sqlstate", None) or type(original or error).__name__


class SqliteDatabase:
    """SQLite: one writer on its own thread, readers on theirs."""

    mixes_organizations = True

    def __init__(self, url: str) -> None:
        self.repeats: Counter[str] = Counter()
        self._writer_engine = sqlite.writer_engine(url)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-writer")
        self._checkpoints = Checkpoints(url, self._writer_engine)
        self._reader_engine = sqlite.reader_engine(url, _READERS)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-reader")
        self._reporters = sqlite.reporter_engine(url, _REPORTERS)

    async def transact(self, work: Work[Result]) -> Result:
        """See `Database.transact`."""
        loop = asyncio.get_running_loop()
        return await _repeat(
            lambda: loop.run_in_executor(self._writer, self._run, work), self.repeats
        )

    def _run(self, work: Work[Result]) -> Result:
        result = self._commit(work)
        self._checkpoints.committed()
        return result

    def _commit(self, work: Work[Result]) -> Result:
        with self._writer_engine.connect() as connection, connection.begin() as transaction:
            result = work(connection)
            try:
                transaction.commit()
            except Exception as error:
                raise CommitFailed(error) from error
            return result

    def ensure_up(self) -> None:
        """See `Database.ensure_up`: only who watches knows."""

    async def read(
        self, work: Reading[More, Result], *args: More.args, **kwargs: More.kwargs
    ) -> Result:
        """See `Database.read`. A caller who gives up does not end what has begun; it is bounded."""

        def read() -> Result:
            with self._reader_engine.connect() as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._readers, read)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """See `Database.snapshot`."""
        async with sqlite.ReporterConnection(self._reporters) as connection:
            await connection.execute(_BEGIN)
            yield connection

    async def probe(self, *, write: bool) -> None:
        """See `Database.probe`. A file is there until a write to it fails."""
        if write:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._writer, self._run, _write_nothing)

    async def close(self) -> None:
        """See `Database.close`."""
        loop = asyncio.get_running_loop()
        await self._reporters.dispose()
        await loop.run_in_executor(None, self._readers.shutdown)
        self._reader_engine.dispose()
        await loop.run_in_executor(self._writer, self._checkpoints.close)
        await loop.run_in_executor(self._writer, self._writer_engine.dispose)
        self._writer.shutdown()


class PostgresDatabase:
    """PostgreSQL: a pool of connections for batches, others for reads."""

    # One organisation per transaction, so that each goes to one shard of a distributed engine.
    mixes_organizations = False

    def __init__(self, url: str) -> None:
        self.repeats: Counter[str] = Counter()
        self._writers = postgres.engine(url, _WRITERS_POSTGRES)
        self._readers = postgres.engine(url, _READERS, ping_first=True)
        self._prober = postgres.engine(url, _PROBERS)
        self._reporters = postgres.engine(url, _REPORTERS, statement_seconds=None)

    async def transact(self, work: Work[Result]) -> Result:
        """See `Database.transact`."""
        return await _repeat(lambda: self._run(self._writers, work), self.repeats)

    async def _run(self, engine: AsyncEngine, work: Work[Result]) -> Result:
        connection = engine.connect()
        try:
            await connection.start()
        except Exception as error:
            raise Unreachable(str(error)) from error
        async with aclosing(connection):
            try:
                return await _commit(connection, work)
            except Exception as error:
                if failure_of(error) is Failure.UNAVAILABLE:
                    # It may lead to a server that was demoted, or have been made read-only.
                    await connection.invalidate()
                raise

    def ensure_up(self) -> None:
        """See `Database.ensure_up`: only who watches knows."""

    async def read(
        self, work: Reading[More, Result], *args: More.args, **kwargs: More.kwargs
    ) -> Result:
        """See `Database.read`."""
        async with self._readers.connect() as connection:
            return await connection.run_sync(work, *args, **kwargs)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """See `Database.snapshot`."""
        async with self._reporters.connect() as connection:
            await connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            await connection.run_sync(allow_pauses)
            await connection.execute(_WALK_ONCE)
            yield connection

    async def probe(self, *, write: bool) -> None:
        """See `Database.probe`."""
        await self._run(self._prober, _write_nothing if write else _read_nothing)

    async def close(self) -> None:
        """See `Database.close`."""
        for engine in (self._prober, self._reporters, self._readers, self._writers):
            await engine.dispose()


async def _commit(connection: AsyncConnection, work: Work[Result]) -> Result:
    async with connection.begin() as transaction:
        result = await connection.run_sync(work)
        try:
            await transaction.commit()
        except Exception as error:
            raise CommitFailed(error) from error
        return result


def _read_nothing(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))


def _write_nothing(connection: Connection) -> None:
    connection.execute(_WRITE_NOTHING)
