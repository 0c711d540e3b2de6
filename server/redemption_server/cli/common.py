"""What all commands begin and end with."""

import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import typer

from redemption_server.settings import (
    Settings,
    SettingsError,
    load_settings,
    unknown_variables,
)

Result = TypeVar("Result")

EXIT_FAILED = 1
EXIT_BAD_SETTINGS = 2


def start() -> Settings:
    """The settings, with logging set up by them; ends the command when they are bad."""
    try:
        settings = load_settings()
    except SettingsError as error:
        fail(str(error), EXIT_BAD_SETTINGS)
    from redemption_server.logs import configure_logs

    configure_logs(settings)
    for name in unknown_variables():
        typer.echo(f"warning: {name} is no setting of this release", err=True)
    return settings


def run(main_coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Runs a command's coroutine; ends the command when what it needs is not there."""
    import uvloop
    from redemption_gateway.server import AddressTakenError, TlsFilesError

    from redemption_server.prepare import StartError
    from redemption_server.rpc.server import PortTakenError

    try:
        return uvloop.run(main_coroutine)
    except (StartError, PortTakenError, AddressTakenError, TlsFilesError) as error:
        fail(str(error), EXIT_FAILED)


def fail(message: str, code: int) -> NoReturn:
    """Ends the command."""
    typer.echo(message, err=True)
    sys.exit(code)
