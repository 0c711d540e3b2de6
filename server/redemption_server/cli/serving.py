"""Commands that serve until they are told to stop."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from redemption_server.cli.common import EXIT_FAILED, start
from redemption_server.cli.common import run as run_command
from redemption_server.process import allow_open_files, collect_garbage_seldom
from redemption_server.settings import Settings

if TYPE_CHECKING:
    from redemption_gateway.settings import GatewaySettings

commands = typer.Typer()


@commands.command()
def up(
    *, demo: Annotated[bool, typer.Option("--demo", help="Load the demo catalog.")] = False
) -> None:
    """Run the gRPC server and the HTTP gateway in one process."""
    settings = start()

    async def run(stopped: asyncio.Event) -> None:
        from redemption_gateway.server import running_gateway

        from redemption_server.app import running_server
        from redemption_server.in_process import InProcessCaller
        from redemption_server.prepare import DEMO_CATALOG

        files = [*settings.catalog, *([DEMO_CATALOG] if demo else [])]
        async with running_server(settings, files) as server:
            caller = InProcessCaller(server)
            async with running_gateway(_gateway_settings(settings), caller) as http_port:
                _announce(settings, server.port, http_port, demo=demo)
                await stopped.wait()
                # Health checks first: behind both doors they ask the same server.
                await server.leave()

    _serve(run)


@commands.command()
def server() -> None:
    """Run the gRPC server alone."""
    settings = start()

    async def run(stopped: asyncio.Event) -> None:
        from redemption_server.app import running_server

        async with running_server(settings, settings.catalog):
            await stopped.wait()

    _serve(run)


@commands.command()
def gateway() -> None:
    """Run the HTTP gateway alone, in front of REDEMPTION_SERVER_TARGET."""
    settings = start()

    async def run(stopped: asyncio.Event) -> None:
        from redemption_gateway.server import running_gateway

        async with running_gateway(_gateway_settings(settings)):
            await stopped.wait()

    _serve(run)


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
    collect_garbage_seldom()
    run_command(until_signalled())


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
