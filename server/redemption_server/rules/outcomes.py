"""What comes out of a decision: an answer with the changes that make it true, or a refusal."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from redemption_server.rules.commands import (
    Caller,
    CouponCustomer,
    PromotionUse,
    RedeemPromotions,
)
from redemption_server.rules.facts import (
    CounterKey,
    DiscountType,
    Facts,
    RecordKey,
    RequestKey,
)
from redemption_server.rules.refusals import Refused, Violation
from redemption_server.rules.reversal_policy import Returned, ReversalReason


class UsageChange(NamedTuple):
    """Count `amount` more under `key`, or less where it is negative.

    `limit` is what storage must hold the counter to, None where it only records.
    """

    key: CounterKey
    amount: int
    limit: int | None
    at: datetime


class RecordedUse(NamedTuple):
    """A promotion use as it is recorded; `line_id` is None on cart records."""

    id: str
    line_id: int | None
    use: PromotionUse
    code_id: str
    over_limit: bool
    earned_by_other_customer: bool


@dataclass(frozen=True, slots=True)
class RecordedTransaction:
    """A recorded `RedeemPromotions`: what was sent, and what it was resolved to."""

    id: str
    request: RedeemPromotions
    customer_id: int
    recorded_at: datetime
    uses: tuple[RecordedUse, ...]


class RecordedCoupon(NamedTuple):
    """A coupon redemption as it is recorded, with the discount that the till was told."""

    redemption_id: int
    discount_code: str
    series_id: int
    discount_type: DiscountType
    discount_value: int
    discount_up_to: int | None
    redeemed_at: datetime


class CouponResult(NamedTuple):
    """What became of one coupon: exactly one of `redemption` and `violation` is set."""

    code: str
    customer: CouponCustomer
    customer_found: bool
    transaction_number: str
    amount_text: str
    redemption: RecordedCoupon | None
    violation: Violation | None


class CouponRecord(NamedTuple):
    """What storage keeps of a redeemed coupon beyond its result."""

    code_key: str
    customer_id: int
    amount: int | None
    custom_fields: tuple[tuple[str, str], ...]
    result: CouponResult


@dataclass(frozen=True, slots=True)
class RecordedCoupons:
    """A recorded `RedeemCoupons`: the digest of its content and its answer."""

    content: bytes
    results: tuple[CouponResult, ...]

    @property
    def first_redemption(self) -> RecordedCoupon:
        """Its first redemption. An answer without any is not recorded and has none."""
        return next(r.redemption for r in self.results if r.redemption)

    @property
    def id(self) -> str:
        """What no other recorded answer has."""
        return str(self.first_redemption.redemption_id)

    @property
    def recorded_at(self) -> datetime:
        """When it was recorded."""
        return self.first_redemption.redeemed_at


class ReversedRecord(NamedTuple):
    """A redemption that is reversed, and what comes back for it."""

    key: RecordKey
    returned: Returned


@dataclass(frozen=True, slots=True)
class RecordedReversal:
    """A recorded `ReverseRedemption`: the digest of its content and its answer."""

    content: bytes
    id: str
    reason: ReversalReason
    note: str
    recorded_at: datetime
    records: tuple[ReversedRecord, ...]


Answer = RecordedTransaction | RecordedCoupons | RecordedReversal


@dataclass(frozen=True, slots=True)
class Granted:
    """The command is granted; all of this becomes durable in one commit, or none of it."""

    caller: Caller
    key: RequestKey
    answer: Answer
    usage: tuple[UsageChange, ...] = ()
    coupons: tuple[CouponRecord, ...] = ()

    def apply(self, facts: Facts) -> None:
        """Lets the commands after this one in the batch see it."""
        for change in self.usage:
            count = facts.usage[change.key]
            count.used += change.amount
            if change.amount > 0:
                count.last_at = change.at
        facts.recorded[self.key] = self.answer
        if isinstance(self.answer, RecordedReversal):
            facts.reversed.update(record.key for record in self.answer.records)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The same request was recorded before; nothing changes."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Judged:
    """All coupons of the request failed: an answer, but nothing to record."""

    answer: RecordedCoupons


Outcome = Granted | Replayed | Judged | Refused
