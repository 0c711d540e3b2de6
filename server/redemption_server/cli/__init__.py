"""The command line. Imports late what a command does not need: start-up is part of the service."""

import typer

from redemption_server.cli import bulk, coupons, database, serving, webhooks

main = typer.Typer(
    name="redemption",
    help="Records promotion redemptions, looks them up by code and redeems coupons.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for group in (serving.commands, database.commands):
    main.registered_commands += group.registered_commands
main.add_typer(database.catalog_commands, name="catalog")
main.add_typer(database.token_commands, name="tokens")
bulk.coupon_commands.registered_commands += coupons.commands.registered_commands
main.add_typer(bulk.coupon_commands, name="coupons")
main.add_typer(bulk.customer_commands, name="customers")
main.add_typer(bulk.promotion_commands, name="promotions")
main.add_typer(webhooks.commands, name="webhooks")
