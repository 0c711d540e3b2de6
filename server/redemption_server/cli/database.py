"""Commands that look after the database, the catalog and the keys of tokens."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from redemption_server.cli.common import (
    EXIT_BAD_SETTINGS,
    EXIT_FAILED,
    fail,
    start,
)
from redemption_server.cli.common import (
    run as run_command,
)
from redemption_server.settings import SettingsError, load_settings, unknown_variables

commands = typer.Typer()
catalog_commands = typer.Typer(help="Maintains the catalog.", no_args_is_help=True)
token_commands = typer.Typer(help="Maintains the keys that sign tokens.", no_args_is_help=True)


@commands.command()
def migrate() -> None:
    """Bring the database schema to this release."""
    settings = start()

    async def run() -> None:
        from sqlalchemy.exc import SQLAlchemyError

        from redemption_server.prepare import StartError
        from redemption_server.storage.schema import SCHEMA_VERSION, migrate_url

        try:
            await migrate_url(settings.database_url.get_secret_value())
        except (OSError, SQLAlchemyError) as error:
            raise StartError(f"cannot migrate the database: {error}") from error
        typer.echo(f"schema is at {SCHEMA_VERSION}")

    run_command(run())


@catalog_commands.command()
def apply(files: Annotated[list[Path], typer.Argument(help="Catalog files, YAML.")]) -> None:
    """Load catalog files straight into the database."""
    settings = start()

    async def run() -> None:
        from redemption_server.prepare import apply_catalog_files, open_prepared_database, seal_of

        async with open_prepared_database(settings) as database:
            applied = await apply_catalog_files(database, files, seal_of(settings))
        typer.echo(f"{applied} objects applied")

    run_command(run())


@token_commands.command()
def rotate(file: Annotated[Path, typer.Argument(help="JWK Set file, made if missing.")]) -> None:
    """Add a signing key to the file of REDEMPTION_TOKEN_KEYS; servers follow it while they run.

    The new key signs a minute from now; keys that no good token is signed with are dropped.
    """
    from redemption_server.access.token_keys import TokenKeysError, rotate_keys

    try:
        added = rotate_keys(file, int(time.time()))
    except TokenKeysError as error:
        fail(str(error), EXIT_FAILED)
    typer.echo(f"key {added.id} added")


@commands.command()
def verify() -> None:
    """Recompute all counters from the records and check what is recorded; any finding exits with 1.

    Reads one moment of the live database and changes nothing.
    """
    settings = start()

    async def run() -> int:
        from redemption_server.prepare import open_prepared_database
        from redemption_server.storage.verify.checks import CHECKS, organization_ids

        found = 0
        async with (
            open_prepared_database(settings, as_it_is=True) as database,
            database.snapshot() as connection,
        ):
            organizations = await connection.run_sync(organization_ids)
            steps = [(org_id, check) for org_id in organizations for check in CHECKS]
            with typer.progressbar(steps, label="verifying", file=sys.stderr) as shown:
                for org_id, check in shown:
                    for kind, subject, text in await connection.run_sync(check.run, org_id):
                        found += 1
                        typer.echo(f"organisation {org_id}: {kind.value} {subject}: {text}")
        typer.echo(f"{len(organizations)} organisations, {len(steps)} checks, {found} findings")
        return EXIT_FAILED if found else 0

    sys.exit(run_command(run()))


@commands.command()
def check_config() -> None:
    """Validate all settings and report every problem at once."""
    problems = []
    try:
        load_settings()
    except SettingsError as error:
        problems.append(str(error))
    problems += [f"{name}: is no setting" for name in unknown_variables()]
    if problems:
        fail("\n".join(problems), EXIT_BAD_SETTINGS)
    typer.echo("settings are fine")
