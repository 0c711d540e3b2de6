"""What `transact` promises, on each engine."""

import asyncio
import gc
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from redemption_server.prepare import StartError, open_prepared_database
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.settings import Settings
from redemption_server.storage import schema
from redemption_server.storage.database import ATTEMPTS_MAX, Database, open_database
from redemption_server.storage.failures import MustRepeat
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

ADD = text("INSERT INTO event_sequence (org_id, last) VALUES (1, 1)")
COUNT = text("SELECT count(*) FROM event_sequence")


async def count(database: Database) -> int:
    return await database.read(lambda connection: int(connection.execute(COUNT).scalar_one()))


async def test_work_that_must_repeat_runs_again_from_the_start(database_url: str) -> None:
    database = open_database(database_url)
    attempts = []

    def work(connection: Connection) -> str:
        connection.execute(ADD)
        attempts.append(1)
        if len(attempts) < 3:
            raise MustRepeat
        return "done"

    assert await database.transact(work) == "done"
    assert len(attempts) == 3
    assert await count(database) == 1
    await database.close()


@pytest.mark.provokes("CONTENTION")
async def test_repeats_are_bounded_and_leave_nothing(database_url: str) -> None:
    database = open_database(database_url)
    attempts = []

    def work(connection: Connection) -> None:
        connection.execute(ADD)
        attempts.append(1)
        raise MustRepeat

    with pytest.raises(Refused) as refused:
        await database.transact(work)
    assert refused.value.reason is Reason.CONTENTION
    assert len(attempts) == ATTEMPTS_MAX
    assert await count(database) == 0
    await database.close()


async def test_an_error_of_ours_is_not_repeated(database_url: str) -> None:
    database = open_database(database_url)
    attempts = []

    def work(connection: Connection) -> None:
        connection.execute(ADD)
        attempts.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.transact(work)
    assert len(attempts) == 1
    assert await count(database) == 0
    await database.close()


async def test_a_lost_race_for_a_unique_key_is_repeated(database_url: str) -> None:
    database = open_database(database_url)
    attempts = []

    def work(connection: Connection) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            connection.execute(ADD)
            connection.execute(ADD)

    await database.transact(work)
    assert len(attempts) == 2
    assert await count(database) == 0
    await database.close()


async def test_a_committed_write_is_in_the_file_through_fsync(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    pragmas = await database.transact(
        lambda connection: [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "journal_mode")
        ]
    )
    full = 2
    assert pragmas == [full, "wal"]
    await database.close()


async def test_a_reader_cannot_write(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    with pytest.raises(OperationalError, match="readonly"):
        await database.read(lambda connection: connection.execute(ADD).rowcount)
    async with database.snapshot() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await connection.execute(ADD)
    await database.close()


@pytest.mark.provokes("UNAVAILABLE")
async def test_a_read_only_file_is_a_clear_refusal(sqlite_url: str) -> None:
    database = open_database(sqlite_url)

    def work(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.execute(ADD)

    with pytest.raises(Refused) as refused:
        await database.transact(work)
    assert refused.value.reason is Reason.UNAVAILABLE
    await database.close()


async def test_a_file_that_another_process_writes_is_waited_for(sqlite_url: str) -> None:
    file = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    database = open_database(sqlite_url)
    work = asyncio.create_task(
        database.transact(lambda connection: connection.execute(ADD).rowcount)
    )
    done, _ = await asyncio.wait([work], timeout=0.3)
    assert not done
    other.execute("COMMIT")
    assert await work == 1
    other.close()
    await database.close()


async def test_a_transaction_holds_the_file_before_its_first_statement(sqlite_url: str) -> None:
    # Were it to begin with a read, a write that follows could fail at once, whatever the time-out.
    file = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    database = open_database(sqlite_url)

    def work(_connection: Connection) -> None:
        with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await database.transact(work)
    await database.close()


def compare(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, schema.METADATA))


async def test_migrating_from_empty_gives_the_schema_of_the_tables(database_url: str) -> None:
    database = open_database(database_url)
    assert await database.transact(compare) == []
    await database.close()


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    await schema.migrate_url(database_url)
    database = open_database(database_url)
    assert await database.read(schema.schema_version) == schema.SCHEMA_VERSION
    await database.close()


def test_the_code_needs_the_newest_migration() -> None:
    config = Config()
    folder = Path(schema.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.SCHEMA_VERSION]


def test_every_key_begins_with_the_organization() -> None:
    shared = {"organization", "credential"}
    for table in schema.METADATA.tables.values():
        if table.name in shared:
            continue
        keys = [list(table.primary_key.columns)]
        keys += [list(index.columns) for index in table.indexes if index.unique]
        for columns in keys:
            assert columns[0].name == "org_id", table.name


async def set_version(url: str, version: str) -> None:
    database = open_database(url)
    statement = text("UPDATE alembic_version SET version_num = :version")
    await database.transact(lambda c: c.execute(statement, {"version": version}).rowcount)
    await database.close()


async def test_a_schema_of_a_newer_release_is_left_alone_and_served(database_url: str) -> None:
    await set_version(database_url, "9999")
    await schema.migrate_url(database_url)
    settings = Settings(database_url=SecretStr(database_url))
    async with open_prepared_database(settings) as database:
        assert await database.read(schema.schema_version) == "9999"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_postgresql_whose_schema_is_older_is_refused(database_url: str) -> None:
    await set_version(database_url, "0000")
    with pytest.raises(StartError, match="run `redemption migrate`"):
        async with open_prepared_database(Settings(database_url=SecretStr(database_url))):
            pass


async def test_readers_that_are_cancelled_leave_nothing_behind(sqlite_url: str) -> None:
    """However often: a gateway gives up waiting, a deadline passes, and a server stops."""
    wrong: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
    chance = random.Random(1)
    database = open_database(sqlite_url)

    async def read() -> None:
        await database.read(lambda c: [c.execute(text("SELECT 1")).all() for _ in range(3)])

    async def report() -> None:
        async with database.snapshot() as connection:
            for _ in range(3):
                await connection.run_sync(lambda c: c.execute(text("SELECT 1")).all())

    for _ in range(100):
        readers = [asyncio.create_task(look()) for look in (read, report) for _ in range(6)]
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        for reader in readers * 2:
            reader.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*readers, return_exceptions=True)
    gc.collect()
    await read()
    await report()
    await database.close()
    assert wrong == []
