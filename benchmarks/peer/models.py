"""The peer's tables and messages, as one would write them with SQLModel and Pydantic."""

from datetime import UTC, datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import BigInteger, Column, DateTime
from sqlmodel import Field as ColumnField
from sqlmodel import Relationship, SQLModel


def _now() -> datetime:
    return datetime.now(UTC)


class Promotion(SQLModel, table=True):
    """A promotion; `used` counts its redemptions while `redemptions_total` limits them."""

    id: str = ColumnField(primary_key=True)
    name: str
    active: bool = True
    starts_at: datetime = ColumnField(sa_column=Column(DateTime(timezone=True)))
    ends_at: datetime = ColumnField(sa_column=Column(DateTime(timezone=True)))
    redemptions_total: int | None = None
    used: int = 0


class Customer(SQLModel, table=True):
    """A customer."""

    id: int = ColumnField(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    mobile: str


class Transaction(SQLModel, table=True):
    """A transaction in which promotions were redeemed, once for its identifier."""

    id: int | None = ColumnField(default=None, primary_key=True)
    transaction_identifier: str = ColumnField(unique=True)
    transaction_number: str
    transaction_date: datetime = ColumnField(sa_column=Column(DateTime(timezone=True)))
    amount: Decimal
    customer_id: int = ColumnField(sa_type=BigInteger, foreign_key="customer.id")
    created_at: datetime = ColumnField(
        default_factory=_now, sa_column=Column(DateTime(timezone=True))
    )
    redemptions: list["Redemption"] = Relationship(
        back_populates="transaction", sa_relationship_kwargs={"lazy": "selectin"}
    )


class Redemption(SQLModel, table=True):
    """The use of a promotion in a transaction."""

    id: int | None = ColumnField(default=None, primary_key=True)
    transaction_id: int | None = ColumnField(default=None, foreign_key="transaction.id", index=True)
    promotion_id: str = ColumnField(foreign_key="promotion.id", index=True)
    redemption_count: int
    discount: Decimal
    discount_applied_on_quantity: Decimal
    promotion_applied_on_quantity: Decimal
    transaction: Transaction | None = Relationship(back_populates="redemptions")


class _Message(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class PromotionUse(_Message):
    """A promotion that is to be redeemed."""

    promotion_id: str
    redemption_count: int = Field(ge=1)
    discount: Decimal = Field(ge=0)
    discount_applied_on_quantity: Decimal
    promotion_applied_on_quantity: Decimal


class RedeemPromotions(_Message):
    """A request of the documented path."""

    customer_id: int
    transaction_identifier: str = Field(min_length=1, max_length=100)
    transaction_number: str
    transaction_date: int
    amount: Decimal
    redemptions: list[PromotionUse] = Field(min_length=1)


class RedeemedUse(PromotionUse):
    """A use as it was recorded."""

    id: str


class RedeemedPromotions(_Message):
    """The answer."""

    id: str
    customer_id: int
    transaction_identifier: str
    transaction_number: str
    transaction_date: int
    amount: Decimal
    redemptions: list[RedeemedUse]
