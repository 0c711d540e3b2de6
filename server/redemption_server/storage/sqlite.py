"""SQLite connections: durable commits, immediate write transactions, readers that cannot write."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

Result = TypeVar("Result")

_BUSY_TIMEOUT_MS = 5_000
_PAGE_CACHE_KIB = 65_536
_ROWS_ASSUMED = 10_000_000
_ROWS_OF_A_KEY_PREFIX = 10


def writer_engine(url: str) -> Engine:
    """An engine for the one writer; creates the file and its folder."""
    file = make_url(url).database
    assert file
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(url, 1)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        _configure(connection)
        connection.execute(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")
        # See `checkpoints`.
        connection.execute("PRAGMA wal_autocheckpoint = 0")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred BEGIN that turns into a write later fails at once with SQLITE_BUSY_SNAPSHOT,
        # whatever the busy timeout.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def checkpoint_engine(url: str) -> Engine:
    """An engine for the one connection that copies the write-ahead log into the database."""
    engine = _engine(url, 1)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        _configure(connection)

    return engine


class ReporterConnection(AsyncConnection):
    """A connection that finishes what it has begun when its caller is cancelled, then lets go.

    Each step of a report is bounded. Cut off in the middle it would take its connection and thread
    with it, and leave behind a task that never ends.
    """

    __slots__ = ("_leaving", "_under_way")

    async def start(self, is_ctxmanager: bool = False) -> Self:  # noqa: FBT001, FBT002
        """See `AsyncConnection.start`."""
        self._under_way: set[asyncio.Task[Any]] = set()
        try:
            await self._finish(super().start(is_ctxmanager))
        except asyncio.CancelledError:
            # Nobody else will let go what is only being taken.
            self._leaving = asyncio.create_task(self.close())
            raise
        return self

    async def run_sync(self, fn: Callable[..., Result], *arg: Any, **kw: Any) -> Result:
        """See `AsyncConnection.run_sync`."""
        return await self._finish(super().run_sync(fn, *arg, **kw))

    async def execute(self, *arg: Any, **kw: Any) -> Any:
        """See `AsyncConnection.execute`."""
        return await self._finish(super().execute(*arg, **kw))

    async def close(self) -> None:
        """See `AsyncConnection.close`."""
        if self._under_way:
            await asyncio.wait(self._under_way)
        await super().close()

    async def _finish(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # Nobody is there to be told what it comes to.
            task.add_done_callback(_ignore)
            raise


def _ignore(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()


def reader_engine(url: str, size: int) -> Engine:
    """An engine for `size` readers, each of which has a thread."""
    engine = _engine(url, size)
    event.listen(engine, "connect", _only_read)
    return engine


def reporter_engine(url: str, size: int) -> AsyncEngine:
    """An engine for `size` reports, which read in steps and do other things in between."""
    engine = create_async_engine(
        url, poolclass=AsyncAdaptedQueuePool, pool_size=size, max_overflow=0
    )
    event.listen(engine.sync_engine, "connect", _only_read)
    return engine


def _engine(url: str, size: int) -> Engine:
    """An engine whose connections go from one thread to another, never to two at once."""
    return create_engine(
        make_url(url).set(drivername="sqlite"),
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )


def _only_read(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA query_only = ON")
    cursor.close()


def _configure(connection: sqlite3.Connection) -> None:
    # The driver must not begin transactions of its own.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    # A commit is in the file, through fsync, before it is answered; and what is copied out of the
    # log is on the disk before the log begins anew.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")


def assume_large_tables(connection: Connection) -> None:
    """Tells SQLite's planner that organisations are large and keys are selective.

    Without statistics it takes an organisation for ten rows and walks through all of them rather
    than look a few up in an index. ANALYZE would measure a young database and be as wrong later.
    """
    connection.exec_driver_sql("ANALYZE")
    connection.exec_driver_sql("DELETE FROM sqlite_stat1")
    indexes = connection.exec_driver_sql(
        'SELECT m.name, i.name, i.origin, i."unique" FROM sqlite_master m, '
        "pragma_index_list(m.name) i WHERE m.type = 'table'"
    ).all()
    for table, index, origin, unique in indexes:
        columns = len(connection.exec_driver_sql(f"PRAGMA index_info('{index}')").all())
        selective = [_ROWS_OF_A_KEY_PREFIX] * (columns - 2) + [
            1 if unique else _ROWS_OF_A_KEY_PREFIX
        ]
        rows = [_ROWS_ASSUMED, _ROWS_ASSUMED, *selective] if columns > 1 else [_ROWS_ASSUMED, 1]
        # The primary key of a table without rowid goes by the name of the table.
        name = table if origin == "pk" and _without_rowid(connection, table) else index
        connection.exec_driver_sql(
            "INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", (table, name, " ".join(map(str, rows)))
        )


def _without_rowid(connection: Connection, table: str) -> bool:
    statement = "SELECT wr FROM pragma_table_list(?)"
    return bool(connection.exec_driver_sql(statement, (table,)).scalar())
