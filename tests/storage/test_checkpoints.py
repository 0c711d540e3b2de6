"""The log of SQLite is kept short beside the commits, not within them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import OperationalError
from typing import Any

from redemption_server.storage import sqlite
from redemption_server.storage.checkpoints import Checkpoints
from sqlalchemy import Connection, Engine, event, text

PAGE = 4_096
PAGES_OF_A_COMMIT = 20
LOG_PAGES_MAX = 500
COMMITS_MAX = 5_000


class Ledger:
    """A table, its one writer, and whoever copies its log."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.file = folder / "ledger.db"
        url = f"sqlite+aiosqlite:///{self.file}"
        self.engine = sqlite.writer_engine(url)
        self.checkpoints = Checkpoints(url, self.engine, **changes)
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE entry (content BLOB)"))

    def commit(self) -> None:
        with self.engine.begin() as connection:
            content = {"content": bytes(PAGE * PAGES_OF_A_COMMIT)}
            connection.execute(text("INSERT INTO entry VALUES (:content)"), content)
        self.checkpoints.committed()

    def commit_until(self, happened: Callable[[], bool]) -> None:
        for _ in range(COMMITS_MAX):
            if happened():
                return
            self.commit()
        raise AssertionError(f"not within {COMMITS_MAX} commits")

    @property
    def log_pages(self) -> int:
        return Path(f"{self.file}-wal").stat().st_size // PAGE


@contextmanager
def ledger(folder: Path, **changes: Any) -> Iterator[Ledger]:
    made = Ledger(folder, **changes)
    try:
        yield made
    finally:
        made.checkpoints.close()
        made.engine.dispose()


def test_the_log_begins_anew_under_commits_that_never_pause(tmp_path: Path) -> None:
    commits = 500
    with ledger(tmp_path, every_seconds=0, log_pages_max=LOG_PAGES_MAX) as made:
        for _ in range(commits):
            made.commit()
        assert made.log_pages < LOG_PAGES_MAX * 3 < commits * PAGES_OF_A_COMMIT


def test_what_is_left_is_copied_on_closing_and_is_all_there(tmp_path: Path) -> None:
    commits = 50
    with ledger(tmp_path) as made:
        for _ in range(commits):
            made.commit()
    assert not Path(f"{made.file}-wal").exists()
    with ledger_again(made.file) as connection:
        counted = connection.execute(text("SELECT count(*) FROM entry")).scalar_one()
    assert counted == commits


@contextmanager
def ledger_again(file: Path) -> Iterator[Connection]:
    engine = sqlite.reader_engine(f"sqlite+aiosqlite:///{file}", 1)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_a_commit_does_not_wait_for_what_is_being_copied(tmp_path: Path) -> None:
    copying, go_on = threading.Event(), threading.Event()

    def stand_still(*_: object) -> None:
        copying.set()
        assert go_on.wait(30)

    with ledger(tmp_path, every_seconds=0) as made, ThreadPoolExecutor(1) as writer:
        event.listen(copier(made.checkpoints), "checkout", stand_still)
        writer.submit(made.commit).result()
        assert copying.wait(30)
        commits = 100
        for _ in range(commits):
            writer.submit(made.commit).result(timeout=30)
        log_pages = made.log_pages
        go_on.set()
    # Nor has any of them copied by itself, after which the log would begin anew.
    assert log_pages > commits * PAGES_OF_A_COMMIT


def test_a_copy_that_fails_fails_no_commit_and_is_made_up_for(tmp_path: Path) -> None:
    failed: list[bool] = []

    def fail(*_: object) -> None:
        failed.append(True)
        raise OperationalError("disk I/O error")

    with ledger(tmp_path, every_seconds=0) as made:
        event.listen(copier(made.checkpoints), "checkout", fail)
        made.commit_until(lambda: len(failed) == 3)
        event.remove(copier(made.checkpoints), "checkout", fail)
        made.commit_until(lambda: made.file.stat().st_size > made.log_pages * PAGE / 2)


def copier(checkpoints: Checkpoints) -> Engine:
    return checkpoints._engine
