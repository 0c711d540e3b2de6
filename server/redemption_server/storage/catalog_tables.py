"""Tables of the catalog. Every key begins with `org_id`, credentials and organisations excepted.

Columns ending in `_ms` are instants in milliseconds since 1970 UTC, those ending in `_micros` are
decimals times 10^6. Text that is absent is empty, so that keys compare; identifiers of customers
are NULL when absent, so that they may be unique.
"""

from typing import Any

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

Big: Any = BigInteger
"""64 bits on both engines."""

WITHOUT_ROWID = {"sqlite_with_rowid": False}
"""One B-tree instead of two on SQLite, for tables that are reached by their key."""


class OrganizationRow(SQLModel, table=True):
    """An organisation. Batches hold its row shared, a catalog change holds it alone."""

    __tablename__ = "organization"

    id: int = Field(primary_key=True, sa_type=Big, sa_column_kwargs={"autoincrement": False})
    name: str
    region: str
    time_zone: str
    redemption_without_evaluation: bool
    check_earned_promotion_owner: bool
    rate_limit_per_minute: int | None = Field(sa_type=Big)
    page_token_key: bytes
    catalog_version: int = Field(sa_type=Big)


class TillRow(SQLModel, table=True):
    """A till."""

    __tablename__ = "till"
    __table_args__ = (Index("till_code", "org_id", "code", unique=True), WITHOUT_ROWID)

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: int = Field(primary_key=True, sa_type=Big)
    code: str


class CredentialRow(SQLModel, table=True):
    """A key and the hash of its secret, unique in the installation."""

    __tablename__ = "credential"

    key: str = Field(primary_key=True)
    secret_hash: str


class CredentialOrganizationRow(SQLModel, table=True):
    """What a credential may do in one organisation. `till_code` is empty when it has none."""

    __tablename__ = "credential_organization"
    __table_args__ = (Index("credential_organization_key", "credential_key"), WITHOUT_ROWID)

    org_id: int = Field(primary_key=True, sa_type=Big)
    credential_key: str = Field(primary_key=True)
    till_code: str
    access_customer: str
    access_default: bool
    access_admin: bool
    active: bool


class ProductRow(SQLModel, table=True):
    """A product."""

    __tablename__ = "product"
    __table_args__ = (Index("product_sku", "org_id", "sku", unique=True), WITHOUT_ROWID)

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: int = Field(primary_key=True, sa_type=Big)
    sku: str


class CustomerRow(SQLModel, table=True):
    """A customer; `email_key` is the folded `email`."""

    __tablename__ = "customer"
    __table_args__ = (
        Index("customer_mobile", "org_id", "mobile", unique=True),
        Index("customer_email", "org_id", "email_key", unique=True),
        Index("customer_external_id", "org_id", "external_id", unique=True),
        Index("customer_card_number", "org_id", "card_number", unique=True),
        Index("customer_card_external_id", "org_id", "card_external_id", unique=True),
        WITHOUT_ROWID,
    )

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: int = Field(primary_key=True, sa_type=Big)
    mobile: str | None
    email: str | None
    email_key: str | None
    external_id: str | None
    card_number: str | None
    card_external_id: str | None
    status: str


class PromotionRow(SQLModel, table=True):
    """A promotion with its limits; a limit that is NULL does not exist.

    Reversal policies are a JSON list of pairs: reason, what comes back.
    """

    __tablename__ = "promotion"
    __table_args__ = (WITHOUT_ROWID,)

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: str = Field(primary_key=True)
    name: str
    message_label: str | None
    mode: str
    active: bool
    starts_at_ms: int | None = Field(sa_type=Big)
    ends_at_ms: int | None = Field(sa_type=Big)
    over_limit: str
    total_limit: int | None = Field(sa_type=Big)
    total_window: str
    customer_limit: int | None = Field(sa_type=Big)
    customer_window: str
    code_limit: int | None = Field(sa_type=Big)
    transaction_limit: int | None = Field(sa_type=Big)
    discount_limit_micros: int | None = Field(sa_type=Big)
    discount_window: str
    reversal_policies: str = Field(sa_column_kwargs={"server_default": "[]"})


class PromotionCodeRow(SQLModel, table=True):
    """A promotion code; `code_key` is the folded `code`."""

    __tablename__ = "promotion_code"
    __table_args__ = (
        Index("promotion_code_key", "org_id", "code_key", unique=True),
        Index("promotion_code_promotion", "org_id", "promotion_id", "customer_id", "id"),
        WITHOUT_ROWID,
    )

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: str = Field(primary_key=True)
    promotion_id: str
    code: str
    code_key: str
    customer_id: int | None = Field(sa_type=Big)
    active: bool


class EarnedPromotionRow(SQLModel, table=True):
    """An earned promotion. That it was redeemed is a counter, which no catalog change touches."""

    __tablename__ = "earned_promotion"
    __table_args__ = (WITHOUT_ROWID,)

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: str = Field(primary_key=True)
    promotion_id: str
    customer_id: int = Field(sa_type=Big)
    status: str


class CouponSeriesRow(SQLModel, table=True):
    """A coupon series; a limit that is NULL does not exist.

    Days, hours and tills are JSON lists, reversal policies one of pairs: reason, what comes back.
    """

    __tablename__ = "coupon_series"
    __table_args__ = (WITHOUT_ROWID,)

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: int = Field(primary_key=True, sa_type=Big)
    description: str
    discount_code: str
    discount_type: str
    discount_value_micros: int = Field(sa_type=Big)
    discount_up_to_micros: int | None = Field(sa_type=Big)
    valid_from_ms: int | None = Field(sa_type=Big)
    valid_until_ms: int | None = Field(sa_type=Big)
    any_user: bool
    validation_required: bool
    transaction_number_required: bool
    min_amount_micros: int | None = Field(sa_type=Big)
    max_amount_micros: int | None = Field(sa_type=Big)
    max_redemptions: int | None = Field(sa_type=Big)
    max_redemptions_per_coupon: int | None = Field(sa_type=Big)
    max_redemptions_per_customer: int | None = Field(sa_type=Big)
    same_customer_may_repeat: bool
    min_days_between_redemptions: int
    redeemable_after_days: int
    redeemable_days_of_week: str
    redeemable_days_of_month: str
    redeemable_hours: str
    tills: str
    reversal_policies: str = Field(sa_column_kwargs={"server_default": "[]"})


class CouponRow(SQLModel, table=True):
    """A coupon; `code_key` is the folded `code`. How often it was redeemed is a counter."""

    __tablename__ = "coupon"
    __table_args__ = (Index("coupon_series_code", "org_id", "series_id", "code_key"), WITHOUT_ROWID)

    org_id: int = Field(primary_key=True, sa_type=Big)
    code_key: str = Field(primary_key=True)
    code: str
    series_id: int = Field(sa_type=Big)
    customer_id: int | None = Field(sa_type=Big)
    issued_at_ms: int | None = Field(sa_type=Big)
    valid_until_ms: int | None = Field(sa_type=Big)
    validation_code: str
    revoked: bool


class WebhookRow(SQLModel, table=True):
    """Where an organisation wants to be told of events; `events` is a JSON list of their types."""

    __tablename__ = "webhook"
    __table_args__ = (WITHOUT_ROWID,)

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: str = Field(primary_key=True)
    url: str
    sealed_secret: bytes
    events: str
    every_coupon: bool
    active: bool
