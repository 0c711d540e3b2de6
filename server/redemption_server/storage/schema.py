"""The schema: which version the code needs, and how a database gets there.

Alembic is configured here, without an ini file, and imported only when there is something to do,
since importing it costs start-up time.
"""

import asyncio
from pathlib import Path

from sqlalchemy import Connection, inspect, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from redemption_server.storage import catalog_tables, record_tables, sqlite

assert catalog_tables
assert record_tables

METADATA = SQLModel.metadata
SCHEMA_VERSION = "0002"
"""Revision that this release needs; a test compares it with the newest migration."""

_MIGRATIONS = Path(__file__).parent / "migrations"


def schema_version(connection: Connection) -> str | None:
    """The revision that the database is at; None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def fits(version: str | None) -> bool:
    """Whether this release can run on a schema; a newer one is made to be safe for it."""
    return version is not None and version >= SCHEMA_VERSION


def migrate(connection: Connection) -> bool:
    """Brings the database to SCHEMA_VERSION; returns whether there was anything to do."""
    if fits(schema_version(connection)):
        return False
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS))
    command.upgrade(config, SCHEMA_VERSION)
    return True


async def migrate_url(url: str) -> None:
    """Brings the database at a URL to SCHEMA_VERSION."""
    if make_url(url).get_backend_name() == "sqlite":
        await asyncio.to_thread(_migrate_sqlite, url)
        return
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


def _migrate_sqlite(url: str) -> None:
    engine = sqlite.writer_engine(url)
    with engine.begin() as connection:
        if migrate(connection):
            sqlite.assume_large_tables(connection)
    engine.dispose()
