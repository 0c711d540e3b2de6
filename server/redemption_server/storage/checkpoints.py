"""Keeps SQLite's write-ahead log short, beside the writer instead of within a commit.

SQLite itself copies the log into the database, and waits for the disk, in whichever commit finds
it long: the calls of that batch, and those behind it, wait with it, now and then for a quarter of a
second. Here a thread copies while the writer goes on. But the log begins anew only once all of it
is copied, which never happens while the writer adds to it; so when it has grown long, the writer
copies the little that is left itself.
"""

import sqlite3
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from redemption_server.storage import sqlite

EVERY_SECONDS = 1.0
# Of 4 KiB: 64 MiB, which reopening after a crash reads in a fraction of a second.
LOG_PAGES_MAX = 16_384
_log = structlog.get_logger(__name__)


class Checkpoints:
    """Copies the log of a database; told by the writer's thread of each commit.

    `every_seconds` is the least time between two copies, `log_pages_max` how long the log may be
    before the writer helps.
    """

    def __init__(
        self,
        url: str,
        writer_engine: Engine,
        every_seconds: float = EVERY_SECONDS,
        log_pages_max: int = LOG_PAGES_MAX,
    ) -> None:
        self._every_seconds = every_seconds
        self._log_pages_max = log_pages_max
        self._engine = sqlite.checkpoint_engine(url)
        self._writer_engine = writer_engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-checkpoint")
        self._last: Future[int] | None = None
        self._due = 0.0

    def committed(self) -> None:
        """Begins to copy what was committed, unless it was done a moment ago."""
        if self._last and not self._last.done():
            return
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + self._every_seconds
        if self._last and self._last.result() > self._log_pages_max:
            # Nobody adds to the log meanwhile: the next commit begins it anew.
            _copy(self._writer_engine)
        self._last = self._thread.submit(_copy, self._engine)

    def close(self) -> None:
        """Waits for what is being copied."""
        self._thread.shutdown()
        self._engine.dispose()


def _copy(engine: Engine) -> int:
    """Copies what no reader keeps from being copied, without waiting for anyone.

    How many pages the log has.
    """
    try:
        with closing(engine.raw_connection()) as connection:
            copy = connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
            log_pages: int = copy.fetchone()[1]
    except (sqlite3.Error, SQLAlchemyError) as error:
        # The commits themselves say whether the database is well; what is left is copied next time.
        _log.warning("checkpoint failed", error=str(error))
        return 0
    return log_pages
