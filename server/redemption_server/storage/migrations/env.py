"""Alembic's entry: runs migrations over the connection that `storage.schema` hands in."""

from alembic import context

from redemption_server.storage.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
