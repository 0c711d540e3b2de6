"""What every command begins with: a database that fits, and catalog files that were applied."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from redemption_server.access.seal import Seal
from redemption_server.catalog.apply import apply_catalogs
from redemption_server.catalog.files import CatalogFileError, read_catalog_file
from redemption_server.rules.refusals import Refused
from redemption_server.settings import Settings
from redemption_server.storage.catalog_apply import CatalogRefused
from redemption_server.storage.database import Database, open_database
from redemption_server.storage.schema import SCHEMA_VERSION, fits, migrate_url, schema_version

DEMO_CATALOG = Path(__file__).parent / "catalog" / "demo.yaml"


class StartError(Exception):
    """The service cannot start; the message says why."""


@asynccontextmanager
async def open_prepared_database(
    settings: Settings, *, as_it_is: bool = False
) -> AsyncIterator[Database]:
    """The database with a schema that fits; `as_it_is` neither makes nor migrates one.

    Raises StartError.
    """
    url = settings.database_url.get_secret_value()
    try:
        if make_url(url).get_backend_name() == "sqlite":
            if as_it_is:
                await asyncio.to_thread(_must_exist, url)
            else:
                await migrate_url(url)
    except (OSError, SQLAlchemyError) as error:
        raise _cannot_open(url, error) from error
    database = open_database(url)
    try:
        await _check_schema(database, url)
        yield database
    finally:
        await database.close()


def _must_exist(url: str) -> None:
    Path(make_url(url).database or "").resolve(strict=True)


async def _check_schema(database: Database, url: str) -> None:
    try:
        version = await database.read(schema_version)
    except (OSError, SQLAlchemyError) as error:
        raise _cannot_open(url, error) from error
    if not fits(version):
        raise StartError(
            f"the database schema is at {version or 'nothing'}, this release needs "
            f"{SCHEMA_VERSION}: run `redemption migrate`"
        )


def _cannot_open(url: str, error: Exception) -> StartError:
    # The URL's own form hides its password.
    return StartError(f"cannot open the database {make_url(url)!r}: {error}")


async def apply_catalog_files(
    database: Database, files: Sequence[Path], seal: Seal | None = None
) -> int:
    """Applies catalog files, all or none; returns how many objects they hold. Raises StartError."""
    sources, errors = [], []
    for file in files:
        try:
            sources.append((str(file), await asyncio.to_thread(read_catalog_file, file)))
        except CatalogFileError as error:
            errors.append(str(error))
    if errors:
        raise StartError("\n".join(errors))
    try:
        return await apply_catalogs(database, sources, foreign_secrets_fixed=False, seal=seal)
    except CatalogRefused as refused:
        lines = [f"{refused.source}: {_file_path(v.sentence)}" for v in refused.violations]
        raise StartError("\n".join(lines)) from refused
    except Refused as refused:
        raise StartError(f"cannot apply the catalog: {refused}") from refused


def _file_path(sentence: str) -> str:
    # In a file the catalog is the document itself.
    return sentence.removeprefix("catalog.")


def seal_of(settings: Settings) -> Seal | None:
    """What seals secrets of webhooks, if there are keys for it."""
    keys = settings.webhook_keys
    return Seal(keys.get_secret_value()) if keys else None
