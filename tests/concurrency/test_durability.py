"""An answer means that the commit is on the disk, not only in the page cache.

A killed process leaves the page cache as it is, so kills prove nothing here. On SQLite the disk is
rebuilt from the system calls of the server; PostgreSQL counts its syncs itself.
"""

import asyncio
import signal
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support import catalogs
from tests.support.disk import Disk
from tests.support.process import run
from tests.support.servers import LISTENS, Server
from tests.support.syscalls import Moment, moments, needs_strace, traced, wait_for_end
from tests.support.tills import Ask, GrpcDoor

FILE = "redemption.db"
CALLS = 30
# So many lines that the write-ahead log is moved into the file in between.
LINES = 500
SYNCED_CALLS = 60
_SENDS = frozenset({"sendmsg", "sendto", "sendmmsg", "write", "writev"})
_LEAVE_SECONDS = 20.0


def apply_catalog(folder: Path, url: str) -> None:
    organization = catalogs.organization(promotions=[catalogs.promotion()])
    catalog = catalogs.write(folder, organization)
    applied = run("catalog", "apply", str(catalog), folder=folder, database_url=url)
    assert applied.returncode == 0, applied.stderr


async def trace_calls(url: str, folder: Path, keys: list[str]) -> Path:
    """The trace of a server that answers one call after the other, then stops."""
    trace = folder / "trace"
    with traced("server", folder=folder, trace=trace, database_url=url) as process:
        async with aclosing(GrpcDoor(await asyncio.to_thread(process.port, LISTENS))) as door:
            for key in keys:
                assert (await door.redeem(Ask(key, "p1", lines=LINES))).granted
        process.signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait) == 0
    wait_for_end(trace, process.pid)
    return trace


def is_reply(moment: Moment, key: str) -> bool:
    """Whether the reply that names the key begins to leave."""
    leaves = moment.result is None and moment.name in _SENDS and "<TCP" in moment.arguments
    return leaves and key.encode() in b"".join(moment.strings)


def keys_after_a_power_cut(disk: Disk, folder: Path) -> list[str]:
    folder.mkdir()
    for name, content in disk.after_a_power_cut().items():
        (folder / name).write_bytes(content)
    with closing(sqlite3.connect(folder / FILE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT transaction_identifier FROM promotion_transaction")
        return sorted(row[0] for row in rows)


@needs_strace
async def test_no_reply_leaves_before_its_commit_survives_a_power_cut_in_sqlite(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    url = f"sqlite+aiosqlite:///{data / FILE}"
    apply_catalog(tmp_path, url)
    disk = Disk(data)
    first = disk.after_a_power_cut()
    keys = [f"call-{number:02}" for number in range(CALLS)]
    trace = await trace_calls(url, tmp_path, keys)
    replied: list[str] = []
    for moment in moments(trace):
        if len(replied) < len(keys) and is_reply(moment, keys[len(replied)]):
            replied.append(keys[len(replied)])
            assert keys_after_a_power_cut(disk, tmp_path / replied[-1]) == replied
            last = disk.after_a_power_cut()
        disk.see(moment)
    assert replied == keys
    # The disk has seen all: the log that was moved into the file, and each byte of the file.
    assert len(last[FILE]) > len(first[FILE])
    disk.sync_all()
    assert disk.after_a_power_cut() == {FILE: (data / FILE).read_bytes()}


_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
_SYNCS = (
    "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal' "
    "AND backend_type IN ('client backend', 'walwriter')"
)
_SYNCS_BEFORE_18 = "SELECT wal_sync FROM pg_stat_wal"


async def count_syncs(url: str) -> int:
    """How often the write-ahead log was synced, once all that counted have reported."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with asyncio.timeout(_LEAVE_SECONDS), engine.connect() as connection:
        assert await connection.scalar(text("SHOW fsync")) == "on"
        # A session reports what it counted when it ends, at the latest.
        while await connection.scalar(text(_OTHERS)):  # noqa: ASYNC110 — nobody else tells
            await asyncio.sleep(0.05)
        version = int(await connection.scalar(text("SHOW server_version_num")))
        count = await connection.scalar(text(_SYNCS if version >= 180_000 else _SYNCS_BEFORE_18))
    await engine.dispose()
    return int(count)


async def set_default(url: str, setting: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" SET {setting}')
    await engine.dispose()


@pytest.mark.parametrize("synchronous_commit", ["on", "off"])
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_each_commit_is_synced_in_postgresql_whatever_the_default_of_the_database_is(
    database_url: str, tmp_path: Path, synchronous_commit: str
) -> None:
    apply_catalog(tmp_path, database_url)
    await set_default(database_url, f"synchronous_commit = {synchronous_commit}")
    before = await count_syncs(database_url)
    async with aclosing(Server(tmp_path, database_url=database_url)) as server:
        await server.start()
        for number in range(SYNCED_CALLS):
            assert (await server.redeem(Ask(f"call-{number}", "p1"))).granted
    assert await count_syncs(database_url) - before >= SYNCED_CALLS
