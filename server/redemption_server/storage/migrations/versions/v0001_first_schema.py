"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates all tables."""
    op.create_table(
        "claim",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("operation", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("claimed_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "operation", "key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "coupon",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("code_key", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("series_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("issued_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("valid_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("validation_code", sa.String(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "code_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "coupon_redemption",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("code_key", sa.String(), nullable=False),
        sa.Column("series_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("discount_code", sa.String(), nullable=False),
        sa.Column("discount_type", sa.String(), nullable=False),
        sa.Column("discount_value_micros", sa.BigInteger(), nullable=False),
        sa.Column("discount_up_to_micros", sa.BigInteger(), nullable=True),
        sa.Column("transaction_number", sa.String(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=True),
        sa.Column("custom_fields", sa.String(), nullable=False),
        sa.Column("claim_operation", sa.SmallInteger(), nullable=False),
        sa.Column("claim_key", sa.String(), nullable=False),
        sa.Column("till_id", sa.BigInteger(), nullable=True),
        sa.Column("credential_key", sa.String(), nullable=False),
        sa.Column("redeemed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "coupon_series",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("discount_code", sa.String(), nullable=False),
        sa.Column("discount_type", sa.String(), nullable=False),
        sa.Column("discount_value_micros", sa.BigInteger(), nullable=False),
        sa.Column("discount_up_to_micros", sa.BigInteger(), nullable=True),
        sa.Column("valid_from_ms", sa.BigInteger(), nullable=True),
        sa.Column("valid_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("any_user", sa.Boolean(), nullable=False),
        sa.Column("validation_required", sa.Boolean(), nullable=False),
        sa.Column("transaction_number_required", sa.Boolean(), nullable=False),
        sa.Column("min_amount_micros", sa.BigInteger(), nullable=True),
        sa.Column("max_amount_micros", sa.BigInteger(), nullable=True),
        sa.Column("max_redemptions", sa.BigInteger(), nullable=True),
        sa.Column("max_redemptions_per_coupon", sa.BigInteger(), nullable=True),
        sa.Column("max_redemptions_per_customer", sa.BigInteger(), nullable=True),
        sa.Column("same_customer_may_repeat", sa.Boolean(), nullable=False),
        sa.Column("min_days_between_redemptions", sa.Integer(), nullable=False),
        sa.Column("redeemable_after_days", sa.Integer(), nullable=False),
        sa.Column("redeemable_days_of_week", sa.String(), nullable=False),
        sa.Column("redeemable_days_of_month", sa.String(), nullable=False),
        sa.Column("redeemable_hours", sa.String(), nullable=False),
        sa.Column("tills", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "credential",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "credential_organization",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("credential_key", sa.String(), nullable=False),
        sa.Column("till_code", sa.String(), nullable=False),
        sa.Column("access_customer", sa.String(), nullable=False),
        sa.Column("access_default", sa.Boolean(), nullable=False),
        sa.Column("access_admin", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "credential_key"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "credential_organization_key", "credential_organization", ["credential_key"], unique=False
    )
    op.create_table(
        "customer",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("mobile", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("email_key", sa.String(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("card_number", sa.String(), nullable=True),
        sa.Column("card_external_id", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "customer_card_external_id", "customer", ["org_id", "card_external_id"], unique=True
    )
    op.create_index("customer_card_number", "customer", ["org_id", "card_number"], unique=True)
    op.create_index("customer_email", "customer", ["org_id", "email_key"], unique=True)
    op.create_index("customer_external_id", "customer", ["org_id", "external_id"], unique=True)
    op.create_index("customer_mobile", "customer", ["org_id", "mobile"], unique=True)
    op.create_table(
        "earned_promotion",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("promotion_id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("recorded_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "sequence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event_sequence",
        sa.Column("org_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id"),
    )
    op.create_table(
        "organization",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("redemption_without_evaluation", sa.Boolean(), nullable=False),
        sa.Column("check_earned_promotion_owner", sa.Boolean(), nullable=False),
        sa.Column("rate_limit_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("page_token_key", sa.LargeBinary(), nullable=False),
        sa.Column("catalog_version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "product",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("product_sku", "product", ["org_id", "sku"], unique=True)
    op.create_table(
        "promotion",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("message_label", sa.String(), nullable=True),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("starts_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("ends_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("over_limit", sa.String(), nullable=False),
        sa.Column("total_limit", sa.BigInteger(), nullable=True),
        sa.Column("total_window", sa.String(), nullable=False),
        sa.Column("customer_limit", sa.BigInteger(), nullable=True),
        sa.Column("customer_window", sa.String(), nullable=False),
        sa.Column("code_limit", sa.BigInteger(), nullable=True),
        sa.Column("transaction_limit", sa.BigInteger(), nullable=True),
        sa.Column("discount_limit_micros", sa.BigInteger(), nullable=True),
        sa.Column("discount_window", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "promotion_code",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("promotion_id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("code_key", sa.String(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("promotion_code_key", "promotion_code", ["org_id", "code_key"], unique=True)
    op.create_index(
        "promotion_code_promotion",
        "promotion_code",
        ["org_id", "promotion_id", "customer_id", "id"],
        unique=False,
    )
    op.create_table(
        "promotion_redemption",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("transaction_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=True),
        sa.Column("promotion_id", sa.String(), nullable=False),
        sa.Column("earned_promotion_id", sa.String(), nullable=False),
        sa.Column("code_id", sa.String(), nullable=False),
        sa.Column("promo_code_sent", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("redemption_count", sa.BigInteger(), nullable=False),
        sa.Column("discount_micros", sa.BigInteger(), nullable=False),
        sa.Column("discount_quantity_micros", sa.BigInteger(), nullable=False),
        sa.Column("promotion_quantity_micros", sa.BigInteger(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=True),
        sa.Column("over_limit", sa.Boolean(), nullable=False),
        sa.Column("earned_by_other_customer", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "promotion_redemption_code",
        "promotion_redemption",
        ["org_id", "code_id", "id"],
        unique=False,
        sqlite_where=sa.text("code_id <> ''"),
        postgresql_where=sa.text("code_id <> ''"),
    )
    op.create_index(
        "promotion_redemption_transaction",
        "promotion_redemption",
        ["org_id", "transaction_id"],
        unique=False,
    )
    op.create_table(
        "promotion_transaction",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("transaction_identifier", sa.String(), nullable=False),
        sa.Column("transaction_number", sa.String(), nullable=False),
        sa.Column("transaction_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("cart_evaluation_id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id_sent", sa.BigInteger(), nullable=True),
        sa.Column("customer_identifier_type", sa.String(), nullable=False),
        sa.Column("customer_identifier_value", sa.String(), nullable=False),
        sa.Column("till_id", sa.BigInteger(), nullable=True),
        sa.Column("credential_key", sa.String(), nullable=False),
        sa.Column("recorded_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "promotion_transaction_identifier",
        "promotion_transaction",
        ["org_id", "transaction_identifier"],
        unique=True,
    )
    op.create_table(
        "till",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("till_code", "till", ["org_id", "code"], unique=True)
    op.create_table(
        "usage",
        sa.Column("org_id", sa.BigInteger(), nullable=False),
        sa.Column("scope", sa.SmallInteger(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("window_start", sa.Integer(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("use_limit", sa.BigInteger(), nullable=True),
        sa.Column("last_at_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("use_limit IS NULL OR used <= use_limit", name="usage_within_limit"),
        sa.CheckConstraint("used >= 0", name="usage_not_negative"),
        sa.PrimaryKeyConstraint("org_id", "scope", "subject", "member", "window_start"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drops all tables."""
    for table in (
        "claim",
        "coupon",
        "coupon_redemption",
        "coupon_series",
        "credential",
        "credential_organization",
        "customer",
        "earned_promotion",
        "event",
        "event_sequence",
        "organization",
        "product",
        "promotion",
        "promotion_code",
        "promotion_redemption",
        "promotion_transaction",
        "till",
        "usage",
    ):
        op.drop_table(table)
