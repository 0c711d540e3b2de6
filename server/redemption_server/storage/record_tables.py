"""Tables of what was redeemed. Rows are only ever added, counters only through the batch.

No foreign key leads from here into the catalog: it would take locks outside the one order
(claims, organisation, usage, event sequence), and records must outlive the catalog.
"""

from sqlalchemy import CheckConstraint, Index, SmallInteger, text
from sqlmodel import Field, SQLModel

from redemption_server.storage.catalog_tables import WITHOUT_ROWID, Big


class ClaimRow(SQLModel, table=True):
    """An idempotency key that is taken. The row itself is the guard; twins wait for its insert.

    `content` and `answer` are kept for coupon requests; promotion requests answer from their
    records.
    """

    __tablename__ = "claim"
    __table_args__ = (WITHOUT_ROWID,)

    org_id: int = Field(primary_key=True, sa_type=Big)
    operation: int = Field(primary_key=True, sa_type=SmallInteger)
    key: str = Field(primary_key=True)
    claimed_at_ms: int = Field(sa_type=Big)
    content: bytes | None = None
    answer: bytes | None = None


class UsageRow(SQLModel, table=True):
    """A counter of a limit. `use_limit` is what it is held to, NULL where it only records."""

    __tablename__ = "usage"
    __table_args__ = (
        CheckConstraint("used >= 0", name="usage_not_negative"),
        CheckConstraint("use_limit IS NULL OR used <= use_limit", name="usage_within_limit"),
        WITHOUT_ROWID,
    )

    org_id: int = Field(primary_key=True, sa_type=Big)
    scope: int = Field(primary_key=True, sa_type=SmallInteger)
    subject: str = Field(primary_key=True)
    member: str = Field(primary_key=True)
    window_start: int = Field(primary_key=True)
    used: int = Field(sa_type=Big)
    use_limit: int | None = Field(sa_type=Big)
    last_at_ms: int | None = Field(sa_type=Big)


class PromotionTransactionRow(SQLModel, table=True):
    """A transaction in which promotions were redeemed.

    `customer_id` is the resolved customer, `customer_id_sent` what the request said.
    """

    __tablename__ = "promotion_transaction"
    __table_args__ = (
        Index("promotion_transaction_identifier", "org_id", "transaction_identifier", unique=True),
        WITHOUT_ROWID,
    )

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: str = Field(primary_key=True)
    transaction_identifier: str
    transaction_number: str
    transaction_at_ms: int = Field(sa_type=Big)
    amount_micros: int = Field(sa_type=Big)
    cart_evaluation_id: str
    customer_id: int = Field(sa_type=Big)
    customer_id_sent: int | None = Field(sa_type=Big)
    customer_identifier_type: str
    customer_identifier_value: str
    till_id: int | None = Field(sa_type=Big)
    credential_key: str
    recorded_at_ms: int = Field(sa_type=Big)


class PromotionRedemptionRow(SQLModel, table=True):
    """One use of one promotion; `line_id` is NULL on cart records.

    `promo_code_sent` is what the request said, `code_id` the code that the use counts for (empty
    when none).
    """

    __tablename__ = "promotion_redemption"
    __table_args__ = (
        Index("promotion_redemption_transaction", "org_id", "transaction_id"),
        Index(
            "promotion_redemption_code",
            "org_id",
            "code_id",
            "id",
            sqlite_where=text("code_id <> ''"),
            postgresql_where=text("code_id <> ''"),
        ),
        WITHOUT_ROWID,
    )

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: str = Field(primary_key=True)
    transaction_id: str
    line_id: int | None = Field(sa_type=Big)
    promotion_id: str
    earned_promotion_id: str
    code_id: str
    promo_code_sent: str
    sku: str
    redemption_count: int = Field(sa_type=Big)
    discount_micros: int = Field(sa_type=Big)
    discount_quantity_micros: int = Field(sa_type=Big)
    promotion_quantity_micros: int = Field(sa_type=Big)
    amount_micros: int | None = Field(sa_type=Big)
    over_limit: bool
    earned_by_other_customer: bool


class CouponRedemptionRow(SQLModel, table=True):
    """One redemption of one coupon, with the discount that the till was told."""

    __tablename__ = "coupon_redemption"
    __table_args__ = (
        Index("coupon_redemption_code", "org_id", "code_key", "id"),
        # How long ago a customer last redeemed in a series must be found again after a reversal.
        Index("coupon_redemption_customer", "org_id", "series_id", "customer_id", "redeemed_at_ms"),
        WITHOUT_ROWID,
    )

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: int = Field(primary_key=True, sa_type=Big)
    code_key: str
    series_id: int = Field(sa_type=Big)
    customer_id: int = Field(sa_type=Big)
    discount_code: str
    discount_type: str
    discount_value_micros: int = Field(sa_type=Big)
    discount_up_to_micros: int | None = Field(sa_type=Big)
    transaction_number: str
    amount_micros: int | None = Field(sa_type=Big)
    custom_fields: str
    claim_operation: int = Field(sa_type=SmallInteger)
    claim_key: str
    till_id: int | None = Field(sa_type=Big)
    credential_key: str
    redeemed_at_ms: int = Field(sa_type=Big)


class ReversalRow(SQLModel, table=True):
    """A reversal of one or more redemptions."""

    __tablename__ = "reversal"
    __table_args__ = (WITHOUT_ROWID,)

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: str = Field(primary_key=True)
    reason: int = Field(sa_type=SmallInteger)
    note: str
    claim_key: str
    till_id: int | None = Field(sa_type=Big)
    credential_key: str
    recorded_at_ms: int = Field(sa_type=Big)


class ReversedRecordRow(SQLModel, table=True):
    """That a redemption is reversed, which its key allows once. `returned` is what came back."""

    __tablename__ = "reversed_record"
    __table_args__ = (
        Index("reversed_record_reversal", "org_id", "reversal_id"),
        WITHOUT_ROWID,
    )

    org_id: int = Field(primary_key=True, sa_type=Big)
    kind: int = Field(primary_key=True, sa_type=SmallInteger)
    record_id: str = Field(primary_key=True)
    reversal_id: str
    returned: int = Field(sa_type=SmallInteger)


class EventSequenceRow(SQLModel, table=True):
    """The last event number of an organisation. Its row is the last lock of a batch."""

    __tablename__ = "event_sequence"

    org_id: int = Field(primary_key=True, sa_type=Big, sa_column_kwargs={"autoincrement": False})
    last: int = Field(sa_type=Big)


class EventRow(SQLModel, table=True):
    """That something happened: a gap-free number per organisation, and where the record is."""

    __tablename__ = "event"
    __table_args__ = (WITHOUT_ROWID,)

    org_id: int = Field(primary_key=True, sa_type=Big)
    sequence: int = Field(primary_key=True, sa_type=Big)
    kind: int = Field(sa_type=SmallInteger)
    record_id: str
    recorded_at_ms: int = Field(sa_type=Big)


class RetentionRow(SQLModel, table=True):
    """What an organisation has had pruned. No row: nothing."""

    __tablename__ = "retention"

    org_id: int = Field(primary_key=True, sa_type=Big, sa_column_kwargs={"autoincrement": False})
    events_through: int = Field(sa_type=Big)
    """The last event number that was pruned."""
    events_before_ms: int = Field(sa_type=Big)
    """Pruned events are older than this."""
    answers_before_ms: int = Field(sa_type=Big)
    """Pruned answers are older than this."""


class JobRow(SQLModel, table=True):
    """Work that takes long and goes on where it stopped: what it is, and how far it came.

    `spec` is JSON; `state` is RUNNING, DONE or FAILED.
    """

    __tablename__ = "job"
    __table_args__ = (WITHOUT_ROWID,)

    org_id: int = Field(primary_key=True, sa_type=Big)
    id: str = Field(primary_key=True)
    kind: str
    spec: str
    total: int = Field(sa_type=Big)
    done: int = Field(sa_type=Big)
    failed: int = Field(sa_type=Big)
    state: str
    error: str
    created_at_ms: int = Field(sa_type=Big)
    updated_at_ms: int = Field(sa_type=Big)


class WebhookDeliveryRow(SQLModel, table=True):
    """How far a webhook has come: events through `sequence` are delivered, parked or not for it.

    A server holds it until `held_until_ms` while it delivers.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (WITHOUT_ROWID,)

    org_id: int = Field(primary_key=True, sa_type=Big)
    webhook_id: str = Field(primary_key=True)
    sequence: int = Field(sa_type=Big)
    attempts: int
    failing_since_ms: int | None = Field(sa_type=Big)
    next_attempt_at_ms: int = Field(sa_type=Big)
    held_by: str
    held_until_ms: int = Field(sa_type=Big)


class ParkedDeliveryRow(SQLModel, table=True):
    """An event that could not be delivered within the time that deliveries are tried."""

    __tablename__ = "parked_delivery"
    __table_args__ = (WITHOUT_ROWID,)

    org_id: int = Field(primary_key=True, sa_type=Big)
    webhook_id: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True, sa_type=Big)
    attempts: int
    error: str
    parked_at_ms: int = Field(sa_type=Big)
