"""What a caller asks for, after its shape was checked (contract section 5, step 1).

Text that was not sent is empty; amounts are micro-units; instants are aware UTC, cut to whole
milliseconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from redemption_server.rules.facts import CustomerIdentifier, Operation, RequestKey
from redemption_server.rules.reversal_policy import ReversalReason


class IdSource(Protocol):
    """Makes ids for records; later ids sort after earlier ones of the same process."""

    def record_id(self) -> str:
        """24 lower-case hex digits."""
        ...

    def number(self) -> int:
        """A positive 63-bit integer."""
        ...


Clock = Callable[[], datetime]
"""Tells the present instant: aware, UTC."""


class Caller(NamedTuple):
    """On whose behalf a command is judged: taken from the credential, never from a message."""

    org_id: int
    credential_key: str
    till_id: int | None
    till_code: str


class PromotionUse(NamedTuple):
    """One use of one promotion; `discount` is that of the whole line."""

    sku: str
    promotion_id: str
    earned_promotion_id: str
    promo_code: str
    redemption_count: int
    discount: int
    discount_applied_on_quantity: int
    promotion_applied_on_quantity: int
    amount: int | None


@dataclass(frozen=True, slots=True)
class RedeemPromotions:
    """Record the promotion uses of one transaction.

    `customer_id` and the identifier pair are as sent; `identifier` is the one that counts, or None
    for the anonymous customer.
    """

    caller: Caller
    customer_id: int | None
    customer_identifier_type: str
    customer_identifier_value: str
    identifier: CustomerIdentifier | None
    transaction_identifier: str
    transaction_number: str
    transaction_date: datetime
    amount: int
    cart_evaluation_id: str
    line_items: tuple[PromotionUse, ...]
    redemptions: tuple[PromotionUse, ...]

    @property
    def key(self) -> RequestKey:
        """The idempotency key."""
        return RequestKey(Operation.REDEEM_PROMOTIONS, self.transaction_identifier)


class CouponCustomer(NamedTuple):
    """The identifiers of a coupon's customer: as sent in a use, all known ones in a result."""

    mobile: str = ""
    email: str = ""
    external_id: str = ""
    customer_id: int = 0
    card_number: str = ""
    card_external_id: str = ""


class CouponUse(NamedTuple):
    """One coupon to redeem.

    `amount_text` is the amount as sent, `amount` its value: None when absent or malformed, told
    apart by `amount_text`.
    """

    code: str
    code_key: str
    customer: CouponCustomer
    identifier: CustomerIdentifier | None
    validation_code: str
    transaction_number: str
    amount_text: str
    amount: int | None
    custom_fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RedeemCoupons:
    """Redeem coupons, each judged by itself unless `atomic`.

    `content` is a digest of what the request means, by which a repeat is told from a conflict.
    """

    caller: Caller
    key: RequestKey
    content: bytes
    atomic: bool
    coupons: tuple[CouponUse, ...]


@dataclass(frozen=True, slots=True)
class ReverseRedemption:
    """Reverse redemptions: uses of one transaction, or coupon redemptions.

    `record_ids` are those of the transaction's uses, none for all that are not yet reversed, or
    those of the coupon redemptions. `content` is a digest of what the request means.
    """

    caller: Caller
    key: RequestKey
    content: bytes
    reason: ReversalReason
    note: str
    transaction_identifier: str
    record_ids: tuple[str, ...]


Command = RedeemPromotions | RedeemCoupons | ReverseRedemption
