"""What the catalog says and what has been counted, as far as one batch needs it.

Storage fills a `Facts` for one organisation; rules read it. `usage` and `recorded` change while a
batch is decided, so that each command sees what the commands before it were granted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from redemption_server.rules.reversal_policy import Policies
from redemption_server.rules.windows import Window

ANONYMOUS_CUSTOMER_ID = -1


class IdentifierKind(StrEnum):
    """By what a customer is named; the values are the wire names in lower case."""

    ID = "id"
    MOBILE = "mobile"
    EMAIL = "email"
    EXTERNAL_ID = "externalid"
    CARD_NUMBER = "cardnumber"
    CARD_EXTERNAL_ID = "cardexternalid"


class CustomerIdentifier(NamedTuple):
    """A customer as a request names it; `value` is in its normal form."""

    kind: IdentifierKind
    value: str


class CustomerStatus(StrEnum):
    """Whether a customer may redeem."""

    ACTIVE = "ACTIVE"
    FRAUD = "FRAUD"
    BLOCKED = "BLOCKED"


class PromotionMode(StrEnum):
    """How a promotion gives its discount."""

    DISCOUNT = "DISCOUNT"
    PAYMENT_VOUCHER = "PAYMENT_VOUCHER"


class OverLimit(StrEnum):
    """What happens to a use that exceeds a limit."""

    REFUSE = "REFUSE"
    RECORD = "RECORD"


class EarnedPromotionStatus(StrEnum):
    """Whether an earned promotion may be used."""

    LOCKED = "LOCKED"
    UNLOCKED = "UNLOCKED"
    EXPIRED = "EXPIRED"


class DiscountType(StrEnum):
    """What the discount value of a series means."""

    ABS = "ABS"
    PERC = "PERC"


@dataclass(frozen=True, slots=True)
class Organization:
    """An organisation's settings."""

    id: int
    region: str
    zone: ZoneInfo
    redemption_without_evaluation: bool
    check_earned_promotion_owner: bool


@dataclass(frozen=True, slots=True)
class Customer:
    """A known customer; identifiers that it does not have are empty."""

    id: int
    mobile: str
    email: str
    external_id: str
    card_number: str
    card_external_id: str
    status: CustomerStatus


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on a sum of counts, or of micro-units for discounts."""

    limit: int
    window: Window = Window.NONE


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion; limits that are None do not exist."""

    id: str
    active: bool
    starts_at: datetime | None
    ends_at: datetime | None
    over_limit: OverLimit
    total: Limit | None
    per_customer: Limit | None
    per_code: Limit | None
    per_transaction: Limit | None
    discount_total: Limit | None
    reversal_policies: Policies = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromotionCode:
    """A promotion code; `customer_id` is None unless it is linked to a customer."""

    id: str
    code: str
    promotion_id: str
    customer_id: int | None
    active: bool


@dataclass(frozen=True, slots=True)
class EarnedPromotion:
    """The right to use a promotion once."""

    id: str
    promotion_id: str
    customer_id: int
    status: EarnedPromotionStatus


@dataclass(frozen=True, slots=True)
class CouponSeries:
    """The rules of a coupon series; amounts are micro-units, limits that are None do not exist."""

    id: int
    discount_code: str
    discount_type: DiscountType
    discount_value: int
    discount_up_to: int | None
    valid_from: datetime | None
    valid_until: datetime | None
    any_user: bool
    validation_required: bool
    transaction_number_required: bool
    min_amount: int | None
    max_amount: int | None
    max_redemptions: int | None
    max_redemptions_per_coupon: int | None
    max_redemptions_per_customer: int | None
    same_customer_may_repeat: bool
    min_days_between_redemptions: int
    redeemable_after_days: int
    redeemable_days_of_week: frozenset[int]
    redeemable_days_of_month: frozenset[int]
    redeemable_hours: frozenset[int]
    tills: frozenset[str]
    reversal_policies: Policies = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon; `code_key` is the folded code."""

    code_key: str
    series_id: int
    customer_id: int | None
    issued_at: datetime | None
    valid_until: datetime | None
    validation_code: str
    revoked: bool


class Scope(IntEnum):
    """What a counter counts. The numbers are stored; never reuse one."""

    PROMOTION = 1
    PROMOTION_CUSTOMER = 2
    PROMOTION_CODE = 3
    PROMOTION_DISCOUNT = 4
    EARNED_PROMOTION = 5
    COUPON = 10
    COUPON_CUSTOMER = 11
    SERIES = 12
    SERIES_CUSTOMER = 13


class CounterKey(NamedTuple):
    """Names one counter of an organisation. The order of keys is the order of their locks."""

    scope: Scope
    subject: str
    member: str = ""
    window_start: int = 0


@dataclass(slots=True)
class Count:
    """How much of a counter is used, and when it was last used."""

    used: int = 0
    last_at: datetime | None = None


class RecordKind(IntEnum):
    """What is recorded of a redemption. The numbers are stored; never reuse one."""

    PROMOTION_REDEMPTION = 1
    COUPON_REDEMPTION = 2


class RecordKey(NamedTuple):
    """Names a recorded redemption of an organisation."""

    kind: RecordKind
    id: str


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A recorded redemption, as far as reversing it goes.

    `subject` is the id of the promotion or series, `code` the id of the promotion code or the
    folded coupon code; `at` is the transaction's date, or when the coupon was redeemed.
    """

    key: RecordKey
    subject: str
    customer_id: int
    code: str
    earned_promotion_id: str
    count: int
    discount: int
    at: datetime


class Operation(IntEnum):
    """What an idempotency key belongs to. The numbers are stored; never reuse one."""

    REDEEM_PROMOTIONS = 1
    REDEEM_COUPONS = 2
    # A coupon request without a request id: its key is made up and never sent again.
    REDEEM_COUPONS_ONCE = 3
    REVERSE_REDEMPTION = 4


class RequestKey(NamedTuple):
    """The key under which the outcome of a request is kept, within its organisation."""

    operation: Operation
    key: str


@dataclass(slots=True)
class Facts:
    """Everything that one organisation's share of a batch is judged by."""

    organization: Organization
    customers: Mapping[CustomerIdentifier, Customer] = field(default_factory=dict)
    promotions: Mapping[str, Promotion] = field(default_factory=dict)
    codes: Mapping[str, PromotionCode] = field(default_factory=dict)
    linked_codes: Mapping[tuple[str, int], tuple[PromotionCode, ...]] = field(default_factory=dict)
    only_codes: Mapping[str, PromotionCode] = field(default_factory=dict)
    earned_promotions: Mapping[str, EarnedPromotion] = field(default_factory=dict)
    series: Mapping[int, CouponSeries] = field(default_factory=dict)
    coupons: Mapping[str, Coupon] = field(default_factory=dict)
    transactions: Mapping[str, tuple[Redeemed, ...]] = field(default_factory=dict)
    redeemed_coupons: Mapping[str, Redeemed] = field(default_factory=dict)
    reversed: set[RecordKey] = field(default_factory=set)
    usage: dict[CounterKey, Count] = field(default_factory=dict)
    recorded: dict[RequestKey, object] = field(default_factory=dict)

    def used(self, key: CounterKey) -> int:
        """How much of a counter is used."""
        count = self.usage.get(key)
        return count.used if count else 0

    def local_date(self, at: datetime) -> date:
        """The calendar day of an instant in the organisation's zone."""
        return at.astimezone(self.organization.zone).date()
