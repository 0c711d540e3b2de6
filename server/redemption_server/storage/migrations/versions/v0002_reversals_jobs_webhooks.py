"""Reversals, retention, jobs and webhooks.

New columns have defaults in the database, so that servers of the release before can go on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NEW_TABLES = (
    "reversal",
    "reversed_record",
    "retention",
    "job",
    "webhook",
    "webhook_delivery",
    "parked_delivery",
)


def upgrade() -> None:
    """Adds tables, columns and indexes."""
    for table in ("promotion", "coupon_series"):
        column = sa.Column("reversal_policies", sa.String(), nullable=False, server_default="[]")
        op.add_column(table, column)
    op.create_index("coupon_series_code", "coupon", ["org_id", "series_id", "code_key"])
    op.create_index("coupon_redemption_code", "coupon_redemption", ["org_id", "code_key", "id"])
    op.create_index(
        "coupon_redemption_customer",
        "coupon_redemption",
        ["org_id", "series_id", "customer_id", "redeemed_at_ms"],
    )
    op.create_table(
        "reversal",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reason", sa.SmallInteger(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("claim_key", sa.String(), nullable=False),
        sa.Column("till_id", sa.BigInteger(), nullable=True),
        sa.Column("credential_key", sa.String(), nullable=False),
        sa.Column("recorded_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reversed_record",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("reversal_id", sa.String(), nullable=False),
        sa.Column("returned", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "kind", "record_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("reversed_record_reversal", "reversed_record", ["org_id", "reversal_id"])
    op.create_table(
        "retention",
        sa.Column("org_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("events_through", sa.BigInteger(), nullable=False),
        sa.Column("events_before_ms", sa.BigInteger(), nullable=False),
        sa.Column("answers_before_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id"),
    )
    op.create_table(
        "job",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("spec", sa.String(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "webhook",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("events", sa.String(), nullable=False),
        sa.Column("every_coupon", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("webhook_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failing_since_ms", sa.BigInteger(), nullable=True),
        sa.Column("next_attempt_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("held_by", sa.String(), nullable=False),
        sa.Column("held_until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "webhook_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "parked_delivery",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("webhook_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("parked_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "webhook_id", "sequence"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drops what was added."""
    for table in reversed(_NEW_TABLES):
        op.drop_table(table)
    op.drop_index("coupon_redemption_customer", "coupon_redemption")
    op.drop_index("coupon_redemption_code", "coupon_redemption")
    op.drop_index("coupon_series_code", "coupon")
    for table in ("coupon_series", "promotion"):
        op.drop_column(table, "reversal_policies")
