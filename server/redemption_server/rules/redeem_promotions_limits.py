"""Limits of promotions (contract section 5, step 6): what a request demands and what is left.

Demands are summed per promotion over the whole request, line items and redemptions together, so
that no split of a use over lines can pass a limit that the whole would not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from redemption_server.rules.commands import RedeemPromotions
from redemption_server.rules.decimals import format_micros
from redemption_server.rules.facts import (
    CounterKey,
    Customer,
    Facts,
    Limit,
    OverLimit,
    Promotion,
    Scope,
)
from redemption_server.rules.outcomes import UsageChange
from redemption_server.rules.reasons import Reason
from redemption_server.rules.redeem_promotions_uses import Use
from redemption_server.rules.refusals import Violation
from redemption_server.rules.windows import window_end, window_start

COUNTER_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request asks of one limit.

    `key` is None where nothing is counted beyond the request: on the limit per transaction, and
    where `unmet` says why the limit cannot be judged at all.
    """

    promotion: Promotion
    scope: str
    limit: Limit
    amount: int
    key: CounterKey | None
    resets: datetime | None = None
    unmet: Violation | None = None

    @property
    def refuses(self) -> bool:
        """Whether exceeding the limit refuses the request instead of flagging the record."""
        return self.promotion.over_limit is OverLimit.REFUSE


def earned_promotion_key(earned_promotion_id: str) -> CounterKey:
    """The counter that lets an earned promotion be used once."""
    return CounterKey(Scope.EARNED_PROMOTION, earned_promotion_id)


def demands(
    command: RedeemPromotions, customer: Customer | None, uses: Sequence[Use], facts: Facts
) -> tuple[Demand, ...]:
    """What the uses ask of the limits that their promotions have."""
    by_promotion: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        by_promotion[use.promotion.id].append(use)
    return tuple(
        demand
        for group in by_promotion.values()
        for demand in _promotion_demands(group, customer, command.transaction_date, facts)
    )


class Excess(NamedTuple):
    """A demand that its limit leaves no room for, and whether that refuses the request."""

    demand: Demand
    violation: Violation
    refuses: bool


def exceeded(demanded: Sequence[Demand], facts: Facts) -> list[Excess]:
    """The demands that their limits leave no room for."""
    found = []
    for demand in demanded:
        if demand.unmet:
            found.append(Excess(demand, demand.unmet, demand.refuses))
            continue
        used = facts.used(demand.key) if demand.key else 0
        total = used + demand.amount
        if total > demand.limit.limit:
            # Even a promotion that only records must not count past what a counter can hold.
            refuses = demand.refuses or total > COUNTER_MAX
            found.append(Excess(demand, _limit_reached(demand, used), refuses))
    return found


def usage_changes(
    demanded: Sequence[Demand], uses: Sequence[Use], facts: Facts, now: datetime
) -> tuple[UsageChange, ...]:
    """What granting the request adds to the counters."""
    changes = [
        UsageChange(demand.key, demand.amount, _held_to(demand, facts), now)
        for demand in demanded
        if demand.key
    ]
    changes += [
        UsageChange(earned_promotion_key(use.earned.id), 1, 1, now) for use in uses if use.earned
    ]
    return tuple(changes)


def _promotion_demands(
    uses: list[Use], customer: Customer | None, at: datetime, facts: Facts
) -> Iterator[Demand]:
    promotion = uses[0].promotion
    count = sum(use.sent.redemption_count for use in uses)
    if promotion.total:
        yield _windowed(promotion, Scope.PROMOTION, promotion.total, "", count, at, facts)
    if promotion.per_customer:
        yield _customer_demand(promotion, promotion.per_customer, customer, count, at, facts)
    if promotion.per_code:
        yield from _code_demands(promotion, promotion.per_code, uses)
    if promotion.per_transaction:
        yield Demand(promotion, "transaction", promotion.per_transaction, count, None)
    if promotion.discount_total:
        discount = sum(use.sent.discount for use in uses)
        scope = Scope.PROMOTION_DISCOUNT
        yield _windowed(promotion, scope, promotion.discount_total, "", discount, at, facts)


_SCOPE_NAMES = {
    Scope.PROMOTION: "promotion",
    Scope.PROMOTION_CUSTOMER: "customer",
    Scope.PROMOTION_DISCOUNT: "discount",
}


def _windowed(
    promotion: Promotion,
    scope: Scope,
    limit: Limit,
    member: str,
    amount: int,
    at: datetime,
    facts: Facts,
) -> Demand:
    zone = facts.organization.zone
    key = CounterKey(scope, promotion.id, member, window_start(limit.window, at, zone))
    resets = window_end(limit.window, at, zone)
    return Demand(promotion, _SCOPE_NAMES[scope], limit, amount, key, resets)


def _customer_demand(
    promotion: Promotion,
    limit: Limit,
    customer: Customer | None,
    count: int,
    at: datetime,
    facts: Facts,
) -> Demand:
    if customer is None:
        unmet = _unmet(
            Reason.ANONYMOUS_NOT_ALLOWED, promotion, "is limited per customer: name the customer"
        )
        return Demand(promotion, "customer", limit, count, None, unmet=unmet)
    member = str(customer.id)
    return _windowed(promotion, Scope.PROMOTION_CUSTOMER, limit, member, count, at, facts)


def _code_demands(promotion: Promotion, limit: Limit, uses: list[Use]) -> Iterator[Demand]:
    by_code: Counter[str] = Counter()
    without_code = 0
    for use in uses:
        if use.code:
            by_code[use.code.id] += use.sent.redemption_count
        else:
            without_code += use.sent.redemption_count
    for code_id, count in by_code.items():
        key = CounterKey(Scope.PROMOTION_CODE, promotion.id, code_id)
        yield Demand(promotion, "code", limit, count, key)
    if without_code:
        unmet = _unmet(Reason.CODE_REQUIRED, promotion, "is limited per code: give a promo code")
        yield Demand(promotion, "code", limit, without_code, None, unmet=unmet)


def _held_to(demand: Demand, facts: Facts) -> int | None:
    """The limit that storage must enforce on the counter.

    None where the promotion only records, and where the catalog lowered the limit below what is
    used already: the constraint must not fail on what was granted before.
    """
    assert demand.key is not None
    fits = facts.used(demand.key) + demand.amount <= demand.limit.limit
    return demand.limit.limit if demand.refuses and fits else None


def _unmet(reason: Reason, promotion: Promotion, text: str) -> Violation:
    return Violation(
        reason,
        f"Promotion {promotion.id} {text}",
        subject=f"promotions/{promotion.id}",
        metadata={"promotion_id": promotion.id},
    )


def _limit_reached(demand: Demand, used: int) -> Violation:
    show = format_micros if demand.scope == "discount" else str
    limit, requested = show(demand.limit.limit), show(demand.amount)
    resets = demand.resets.isoformat() if demand.resets else "never"
    return Violation(
        Reason.LIMIT_REACHED,
        f"Limit per {demand.scope} of promotion {demand.promotion.id} reached: {limit} allowed, "
        f"{show(used)} used, {requested} requested, resets {resets}",
        subject=f"promotions/{demand.promotion.id}",
        metadata={
            "scope": demand.scope,
            "promotion_id": demand.promotion.id,
            "limit": limit,
            "used": show(used),
            "requested": requested,
            "resets": resets,
        },
    )
