"""The command line. Imports late what a command does not need: start-up is part of the service."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from redemption_server.open_files import allow_open_files
from redemption_server.settings import (
    Settings,
    SettingsError,
    load_settings,
    unknown_variables,
)

if TYPE_CHECKING:
    from redemption_gateway.settings import GatewaySettings

Result = TypeVar("Result")

EXIT_FAILED = 1
EXIT_BAD_SETTINGS = 2

main = typer.Typer(
    name="redemption",
    help="Records promotion redemptions, looks them up by code and redeems coupons.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
catalog_commands = typer.Typer(help="Maintains the catalog.", no_args_is_help=True)
main.add_typer(catalog_commands, name="catalog")
token_commands = typer.Typer(help="Maintains the keys that sign tokens.", no_args_is_help=True)
main.add_typer(token_commands, name="tokens")


@main.command()
def up(
    *, demo: Annotated[bool, typer.Option("--demo", help="Load the demo catalog.")] = False
) -> None:
    """Run the gRPC server and the HTTP gateway in one process."""
    settings = _start()

    async def run(stopped: asyncio.Event) -> None:
        from redemption_gateway.server import running_gateway

        from redemption_server.app import DEMO_CATALOG, running_server
        from redemption_server.in_process import InProcessCaller

        files = [*settings.catalog, *([DEMO_CATALOG] if demo else [])]
        async with running_server(settings, files) as server:
            caller = InProcessCaller(server)
            async with running_gateway(_gateway_settings(settings), caller) as http_port:
                _announce(settings, server.port, http_port, demo=demo)
                await stopped.wait()
                # Health checks first: behind both doors they ask the same server.
                await server.leave()

    _serve(run)


@main.command()
def server() -> None:
    """Run the gRPC server alone."""
    settings = _start()

    async def run(stopped: asyncio.Event) -> None:
        from redemption_server.app import running_server

        async with running_server(settings, settings.catalog):
            await stopped.wait()

    _serve(run)


@main.command()
def gateway() -> None:
    """Run the HTTP gateway alone, in front of REDEMPTION_SERVER_TARGET."""
    settings = _start()

    async def run(stopped: asyncio.Event) -> None:
        from redemption_gateway.server import running_gateway

        async with running_gateway(_gateway_settings(settings)):
            await stopped.wait()

    _serve(run)


@main.command()
def migrate() -> None:
    """Bring the database schema to this release."""
    settings = _start()

    async def run() -> None:
        from sqlalchemy.exc import SQLAlchemyError

        from redemption_server.app import StartError
        from redemption_server.storage.schema import SCHEMA_VERSION, migrate_url

        try:
            await migrate_url(settings.database_url.get_secret_value())
        except (OSError, SQLAlchemyError) as error:
            raise StartError(f"cannot migrate the database: {error}") from error
        typer.echo(f"schema is at {SCHEMA_VERSION}")

    _run(run())


@catalog_commands.command()
def apply(files: Annotated[list[Path], typer.Argument(help="Catalog files, YAML.")]) -> None:
    """Load catalog files straight into the database."""
    settings = _start()

    async def run() -> None:
        from redemption_server.app import apply_catalog_files, open_prepared_database

        async with open_prepared_database(settings) as database:
            applied = await apply_catalog_files(database, files)
        typer.echo(f"{applied} objects applied")

    _run(run())


@token_commands.command()
def rotate(file: Annotated[Path, typer.Argument(help="JWK Set file, made if missing.")]) -> None:
    """Add a signing key to the file of REDEMPTION_TOKEN_KEYS; servers follow it while they run.

    The new key signs a minute from now; keys that no good token is signed with are dropped.
    """
    from redemption_server.access.token_keys import TokenKeysError, rotate_keys

    try:
        added = rotate_keys(file, int(time.time()))
    except TokenKeysError as error:
        _fail(str(error), EXIT_FAILED)
    typer.echo(f"key {added.id} added")


@main.command()
def verify() -> None:
    """Recompute all counters from the records and check what is recorded; any finding exits with 1.

    Reads one moment of the live database and changes nothing.
    """
    settings = _start()

    async def run() -> int:
        from redemption_server.app import open_prepared_database
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

    sys.exit(_run(run()))


@main.command()
def check_config() -> None:
    """Validate all settings and report every problem at once."""
    problems = []
    try:
        load_settings()
    except SettingsError as error:
        problems.append(str(error))
    problems += [f"{name}: is no setting" for name in unknown_variables()]
    if problems:
        _fail("\n".join(problems), EXIT_BAD_SETTINGS)
    typer.echo("settings are fine")


def _start() -> Settings:
    try:
        settings = load_settings()
    except SettingsError as error:
        _fail(str(error), EXIT_BAD_SETTINGS)
    from redemption_server.logs import configure_logs

    configure_logs(settings)
    for name in unknown_variables():
        typer.echo(f"warning: {name} is no setting of this release", err=True)
    return settings


def _serve(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Runs until SIGTERM or SIGINT, then lets `run` drain; a second signal ends at once."""

    async def until_signalled() -> None:
        stopped = asyncio.Event()

        def stop() -> None:
            if stopped.is_set():
                os._exit(EXIT_FAILED)
            stopped.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        await run(stopped)

    allow_open_files()
    _run(until_signalled())


def _run(main_coroutine: Coroutine[Any, Any, Result]) -> Result:
    import uvloop
    from redemption_gateway.server import AddressTakenError, TlsFilesError

    from redemption_server.app import StartError
    from redemption_server.rpc.server import PortTakenError

    try:
        return uvloop.run(main_coroutine)
    except (StartError, PortTakenError, AddressTakenError, TlsFilesError) as error:
        _fail(str(error), EXIT_FAILED)


def _gateway_settings(settings: Settings) -> "GatewaySettings":
    from redemption_gateway.caller import ServerTls
    from redemption_gateway.settings import GatewaySettings
    from redemption_gateway.tls import TlsFiles

    cert, key, ca = settings.tls_cert, settings.tls_key, settings.server_ca
    return GatewaySettings(
        address=settings.http_address,
        server_target=settings.server_target,
        time_zone=settings.time_zone,
        tls=TlsFiles(cert, key) if cert and key else None,
        server_tls=ServerTls(ca, settings.server_client_cert, settings.server_client_key)
        if ca
        else None,
        trusted_proxies=settings.trusted_proxies,
        connections_max=settings.http_connections_max,
        idle_seconds=settings.http_idle_seconds,
    )


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    sys.exit(code)


def _announce(settings: Settings, grpc_port: int, http_port: int, *, demo: bool) -> None:
    grpc = f"{settings.grpc_address.rpartition(':')[0]}:{grpc_port}"
    http = f"{settings.http_address.rpartition(':')[0]}:{http_port}"
    tls = settings.tls_cert is not None
    url = f"{'https' if tls else 'http'}://{http}"
    typer.echo(f"\nHTTP  {url}\ngRPC  {grpc}{' (TLS)' if tls else ''}")
    if demo:
        from redemption_server.demo import demo_lines

        typer.echo(demo_lines(grpc=grpc, url=url, tls=tls))
    sys.stdout.flush()
