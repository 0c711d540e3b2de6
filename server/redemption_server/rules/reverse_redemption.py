"""Decides one `ReverseRedemption`.

A redemption is reversed at most once, whole. What comes back is said by the present policy of its
promotion or series, for the reason given; it comes back to those limits that exist at present,
whose counters hold the redemption in any case.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from redemption_server.rules.commands import IdSource, ReverseRedemption
from redemption_server.rules.coupon_limits import counters
from redemption_server.rules.facts import (
    ANONYMOUS_CUSTOMER_ID,
    CounterKey,
    Facts,
    Limit,
    OverLimit,
    Promotion,
    RecordKind,
    Redeemed,
    Scope,
)
from redemption_server.rules.outcomes import (
    Granted,
    Outcome,
    RecordedReversal,
    Replayed,
    ReversedRecord,
    UsageChange,
)
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused, Violation
from redemption_server.rules.reversal_policy import Policies, Returned, returned
from redemption_server.rules.windows import window_start

PART_OF_SCOPE: Mapping[Scope, Returned] = {
    Scope.PROMOTION: Returned.BUDGET,
    Scope.PROMOTION_CUSTOMER: Returned.CUSTOMER,
    Scope.PROMOTION_CODE: Returned.CODE,
    Scope.PROMOTION_DISCOUNT: Returned.BUDGET,
    Scope.EARNED_PROMOTION: Returned.CODE,
    Scope.COUPON: Returned.CODE,
    Scope.COUPON_CUSTOMER: Returned.CUSTOMER,
    Scope.SERIES: Returned.BUDGET,
    Scope.SERIES_CUSTOMER: Returned.CUSTOMER,
}
"""With which part of what comes back a counter gets its use back."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a redemption counts for in one counter, and what the counter is held to."""

    key: CounterKey
    amount: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A command with the redemptions that it names; those that were not found are in `missing`."""

    command: ReverseRedemption
    redeemed: tuple[Redeemed, ...]
    missing: tuple[Violation, ...]
    counted: tuple[tuple[_Counted, ...], ...]

    def counters(self) -> Iterator[CounterKey]:
        """The counters that must be locked before `decide`."""
        for counted in self.counted:
            for counter in counted:
                yield counter.key


def prepare(command: ReverseRedemption, facts: Facts) -> Plan:
    """Resolves what the command refers to."""
    redeemed, missing = _resolve(command, facts)
    counted = tuple(tuple(_counted(item, facts)) for item in redeemed)
    return Plan(command, redeemed, missing, counted)


def decide(plan: Plan, facts: Facts, now: datetime, ids: IdSource) -> Outcome:
    """Judges the command by the facts as they are at its turn in the batch."""
    command = plan.command
    recorded = facts.recorded.get(command.key)
    if isinstance(recorded, RecordedReversal):
        if recorded.content == command.content:
            return Replayed(recorded)
        return Refused.because(
            Reason.REQUEST_CONFLICT,
            f"Request {command.key.key} was recorded with other content",
            request_id=command.key.key,
        )
    if plan.missing:
        return Refused(plan.missing)
    before = [item for item in plan.redeemed if item.key in facts.reversed]
    whole = not command.record_ids
    if before and (not whole or len(before) == len(plan.redeemed)):
        return Refused([_reversed_before(item) for item in before])
    return _grant(plan, facts, now, ids)


def _grant(plan: Plan, facts: Facts, now: datetime, ids: IdSource) -> Granted:
    command = plan.command
    records = []
    given_back: dict[CounterKey, _Counted] = {}
    for item, counted in zip(plan.redeemed, plan.counted, strict=True):
        if item.key in facts.reversed:
            continue
        comes_back = returned(_policies(item, facts), command.reason)
        records.append(ReversedRecord(item.key, comes_back))
        for counter in counted:
            # A discount of nothing gives nothing back.
            if counter.amount and PART_OF_SCOPE[counter.key.scope] & comes_back:
                before = given_back.get(counter.key)
                amount = counter.amount + (before.amount if before else 0)
                given_back[counter.key] = _Counted(counter.key, amount, counter.limit)
    answer = RecordedReversal(
        command.content, ids.record_id(), command.reason, command.note, now, tuple(records)
    )
    usage = tuple(_usage_change(counter, facts, now) for counter in given_back.values())
    return Granted(command.caller, command.key, answer, usage)


def _usage_change(counter: _Counted, facts: Facts, now: datetime) -> UsageChange:
    left = facts.used(counter.key) - counter.amount
    # The catalog may have lowered the limit below what is left.
    held_to = counter.limit if counter.limit is not None and left <= counter.limit else None
    return UsageChange(counter.key, -counter.amount, held_to, now)


def _resolve(
    command: ReverseRedemption, facts: Facts
) -> tuple[tuple[Redeemed, ...], tuple[Violation, ...]]:
    if not command.transaction_identifier:
        field = "coupon_redemptions.redemption_ids"
        return _pick(command.record_ids, facts.redeemed_coupons, field)
    uses = facts.transactions.get(command.transaction_identifier)
    if uses is None:
        missing = _not_found("transaction_identifier", command.transaction_identifier)
        return (), (missing,)
    if not command.record_ids:
        return uses, ()
    return _pick(command.record_ids, {use.key.id: use for use in uses}, "redemption_ids")


def _pick(
    record_ids: tuple[str, ...], among: Mapping[str, Redeemed], field: str
) -> tuple[tuple[Redeemed, ...], tuple[Violation, ...]]:
    found = tuple(among[record_id] for record_id in record_ids if record_id in among)
    missing = tuple(
        _not_found(f"{field}[{i}]", record_id)
        for i, record_id in enumerate(record_ids)
        if record_id not in among
    )
    return found, missing


def _policies(item: Redeemed, facts: Facts) -> Policies:
    if item.key.kind is RecordKind.COUPON_REDEMPTION:
        series = facts.series.get(int(item.subject))
        return series.reversal_policies if series else {}
    promotion = facts.promotions.get(item.subject)
    return promotion.reversal_policies if promotion else {}


def _counted(item: Redeemed, facts: Facts) -> Iterator[_Counted]:
    if item.key.kind is RecordKind.COUPON_REDEMPTION:
        series = facts.series.get(int(item.subject))
        if series:
            for counter in counters(series, item.code, item.customer_id):
                yield _Counted(counter.key, 1, counter.limit)
        return
    promotion = facts.promotions.get(item.subject)
    if promotion:
        yield from _counted_use(item, promotion, facts)
    if item.earned_promotion_id in facts.earned_promotions:
        yield _Counted(CounterKey(Scope.EARNED_PROMOTION, item.earned_promotion_id), 1, 1)


def _counted_use(item: Redeemed, promotion: Promotion, facts: Facts) -> Iterator[_Counted]:
    customer = "" if item.customer_id == ANONYMOUS_CUSTOMER_ID else str(item.customer_id)
    members: tuple[tuple[Scope, Limit | None, str, int], ...] = (
        (Scope.PROMOTION, promotion.total, "", item.count),
        (
            Scope.PROMOTION_CUSTOMER,
            promotion.per_customer if customer else None,
            customer,
            item.count,
        ),
        (Scope.PROMOTION_CODE, promotion.per_code if item.code else None, item.code, item.count),
        (Scope.PROMOTION_DISCOUNT, promotion.discount_total, "", item.discount),
    )
    refuses = promotion.over_limit is OverLimit.REFUSE
    for scope, limit, member, amount in members:
        if limit:
            start = window_start(limit.window, item.at, facts.organization.zone)
            key = CounterKey(scope, promotion.id, member, start)
            yield _Counted(key, amount, limit.limit if refuses else None)


def _not_found(field: str, redemption: str) -> Violation:
    return Violation(
        Reason.REDEMPTION_NOT_FOUND,
        f"Redemption {redemption} does not exist",
        field=field,
        metadata={"redemption": redemption},
    )


def _reversed_before(item: Redeemed) -> Violation:
    return Violation(
        Reason.REDEMPTION_REVERSED,
        f"Redemption {item.key.id} has been reversed",
        subject=f"redemptions/{item.key.id}",
        metadata={"redemption": item.key.id},
    )
