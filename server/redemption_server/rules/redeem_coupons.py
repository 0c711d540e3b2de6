"""Decides one `RedeemCoupons` (contract section 6).

Each coupon is judged in request order by the rows of the checks; the first that fails answers.
Earlier successes of the same request count. Nothing of a request is recorded when all its coupons
failed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from redemption_server.rules import coupon_checks as checks
from redemption_server.rules import coupon_limits as limits
from redemption_server.rules.commands import CouponCustomer, CouponUse, IdSource, RedeemCoupons
from redemption_server.rules.coupon_checks import Case, Trial
from redemption_server.rules.coupon_limits import counter_keys, usage_changes
from redemption_server.rules.facts import CounterKey, Customer, Facts
from redemption_server.rules.outcomes import (
    CouponRecord,
    CouponResult,
    Granted,
    Judged,
    Outcome,
    RecordedCoupon,
    RecordedCoupons,
    Replayed,
    UsageChange,
)
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused, Violation

REQUEST_CHECKS: tuple[Callable[[Trial], Violation | None], ...] = (
    checks.code_missing,
    checks.amount_malformed,
    checks.customer_unknown,
    checks.customer_barred,
    checks.code_unknown,
    checks.code_repeated,
)
"""Rows 1 to 6 of contract section 6, in the order in which they answer."""

COUPON_CHECKS: tuple[Callable[[Trial], Violation | None], ...] = (
    checks.coupon_revoked,
    checks.series_expired,
    checks.coupon_expired,
    checks.series_not_started,
    checks.too_early,
    checks.day_of_week_not_allowed,
    checks.day_of_month_not_allowed,
    checks.hour_not_allowed,
    checks.not_owned,
    checks.till_not_allowed,
    checks.number_missing,
    checks.validation_code_wrong,
    checks.amount_out_of_range,
    limits.repeated_by_customer,
    limits.coupon_used_up,
    limits.too_soon,
    limits.customer_used_up,
    limits.series_used_up,
)
"""Rows 7 to 19, which look at a coupon that exists."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A command with what its coupons refer to."""

    command: RedeemCoupons
    cases: tuple[Case, ...]

    def counters(self) -> Iterator[CounterKey]:
        """The counters that must be locked before `decide`."""
        for case in self.cases:
            yield from counter_keys(case)


def prepare(command: RedeemCoupons, facts: Facts) -> Plan:
    """Resolves what the command refers to."""
    return Plan(command, tuple(_case(command, use, facts) for use in command.coupons))


def decide(plan: Plan, facts: Facts, now: datetime, ids: IdSource) -> Outcome:
    """Judges the command by the facts as they are at its turn in the batch."""
    command = plan.command
    recorded = facts.recorded.get(command.key)
    if isinstance(recorded, RecordedCoupons):
        if recorded.content == command.content:
            return Replayed(recorded)
        return Refused.because(
            Reason.REQUEST_CONFLICT,
            f"Request {command.key.key} was recorded with other content",
            request_id=command.key.key,
        )
    judged, changes = _judge(plan, facts, now)
    violations = [found[0] if found else None for found in judged]
    if command.atomic and any(violations):
        violations = [violation or _batch_failed() for violation in violations]
    results = tuple(
        _result(case, violation, now, ids)
        for case, violation in zip(plan.cases, violations, strict=True)
    )
    answer = RecordedCoupons(command.content, results)
    if all(violations):
        return Judged(answer)
    return Granted(command.caller, command.key, answer, tuple(changes), _records(plan, results))


def _case(command: RedeemCoupons, use: CouponUse, facts: Facts) -> Case:
    customer = facts.customers.get(use.identifier) if use.identifier else None
    coupon = facts.coupons.get(use.code_key)
    series = facts.series[coupon.series_id] if coupon else None
    return Case(use, command.caller.till_code, customer, coupon, series)


def explain(plan: Plan, facts: Facts, now: datetime) -> list[tuple[Violation, ...]]:
    """Everything that stands in the way of each coupon; the first is what `decide` answers."""
    judged, _ = _judge(plan, facts, now, most=None)
    if plan.command.atomic and any(judged):
        return [found or (_batch_failed(),) for found in judged]
    return judged


def _judge(
    plan: Plan, facts: Facts, now: datetime, most: int | None = 1
) -> tuple[list[tuple[Violation, ...]], list[UsageChange]]:
    """At most so many violations of each coupon, and what those without any count for."""
    taken: dict[CounterKey, UsageChange] = {}
    seen: set[str] = set()
    judged: list[tuple[Violation, ...]] = []
    for case in plan.cases:
        trial = Trial(case, facts, taken, case.use.code_key in seen, now)
        seen.add(case.use.code_key)
        found = tuple(islice(_violations(trial), most))
        judged.append(found)
        if not found:
            for change in usage_changes(trial):
                before = taken.get(change.key)
                amount = change.amount + (before.amount if before else 0)
                taken[change.key] = change._replace(amount=amount)
    return judged, list(taken.values())


def _violations(trial: Trial) -> Iterator[Violation]:
    for check in REQUEST_CHECKS:
        violation = check(trial)
        if violation:
            yield violation
    if trial.case.coupon:
        for check in COUPON_CHECKS:
            violation = check(trial)
            if violation:
                yield violation


def _batch_failed() -> Violation:
    return Violation(Reason.BATCH_FAILED, "Failed because others in the batch failed")


def _result(case: Case, violation: Violation | None, now: datetime, ids: IdSource) -> CouponResult:
    return CouponResult(
        code=case.use.code,
        customer=_as_known(case.customer) if case.customer else case.use.customer,
        customer_found=case.customer is not None,
        transaction_number=case.use.transaction_number,
        amount_text=case.use.amount_text,
        redemption=None if violation else _redemption(case, now, ids),
        violation=violation,
    )


def _as_known(customer: Customer) -> CouponCustomer:
    return CouponCustomer(
        mobile=customer.mobile,
        email=customer.email,
        external_id=customer.external_id,
        customer_id=customer.id,
        card_number=customer.card_number,
        card_external_id=customer.card_external_id,
    )


def _redemption(case: Case, now: datetime, ids: IdSource) -> RecordedCoupon:
    series = case.series
    assert series is not None
    return RecordedCoupon(
        redemption_id=ids.number(),
        discount_code=series.discount_code,
        series_id=series.id,
        discount_type=series.discount_type,
        discount_value=series.discount_value,
        discount_up_to=series.discount_up_to,
        redeemed_at=now,
    )


def _records(plan: Plan, results: tuple[CouponResult, ...]) -> tuple[CouponRecord, ...]:
    return tuple(
        CouponRecord(
            code_key=case.use.code_key,
            customer_id=case.customer.id,
            amount=case.use.amount,
            custom_fields=case.use.custom_fields,
            result=result,
        )
        for case, result in zip(plan.cases, results, strict=True)
        if result.redemption and case.customer
    )
