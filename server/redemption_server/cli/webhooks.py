"""Commands for webhooks."""

import sys
from typing import TYPE_CHECKING

import typer

from redemption_server.cli.common import EXIT_FAILED, fail, start
from redemption_server.cli.common import run as run_command

if TYPE_CHECKING:
    from redemption_server.settings import Settings
    from redemption_server.storage.webhooks import ParkedDelivery

commands = typer.Typer(help="Looks after webhooks.", no_args_is_help=True)


@commands.command()
def key() -> None:
    """Print a new key for REDEMPTION_WEBHOOK_KEYS.

    Put it before the ones that are there: it seals from then on, they still read.
    """
    from redemption_server.access.seal import new_key

    typer.echo(new_key())


@commands.command()
def parked() -> None:
    """List deliveries that were given up."""
    settings = start()

    async def run() -> None:
        from redemption_server.prepare import open_prepared_database
        from redemption_server.storage.webhooks import load_parked

        async with open_prepared_database(settings, as_it_is=True) as database:
            for delivery in await database.read(load_parked):
                typer.echo(_shown(delivery))

    run_command(run())


@commands.command()
def redeliver() -> None:
    """Try all parked deliveries once more; exits with 1 if any fails again."""
    settings = start()
    sys.exit(run_command(_redeliver(settings)))


async def _redeliver(settings: "Settings") -> int:
    from redemption_server.app import system_clock
    from redemption_server.prepare import open_prepared_database, seal_of
    from redemption_server.webhooks.posting import Poster
    from redemption_server.webhooks.redelivery import redeliver_parked

    seal = seal_of(settings)
    if seal is None:
        fail("REDEMPTION_WEBHOOK_KEYS is not set", EXIT_FAILED)
    poster = Poster(settings.webhook_private_addresses)
    failed = 0
    async with open_prepared_database(settings, as_it_is=True) as database:
        async for delivery, error in redeliver_parked(database, poster, seal, system_clock):
            failed += bool(error)
            typer.echo(f"{_shown(delivery)}: {error or 'delivered'}")
    await poster.close()
    return EXIT_FAILED if failed else 0


def _shown(delivery: "ParkedDelivery") -> str:
    webhook = delivery.webhook
    return (
        f"organisation {webhook.org_id} webhook {webhook.id} event {delivery.sequence}: "
        f"{delivery.attempts} attempts, {delivery.error}"
    )
