"""Counters of coupons and series: rows 16 to 19 of contract section 6."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from redemption_server.rules.coupon_checks import Case, Checked, Trial, found
from redemption_server.rules.facts import CounterKey, CouponSeries, Scope
from redemption_server.rules.outcomes import UsageChange
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Violation


class Counter(NamedTuple):
    """A counter that a redemption counts for, and what it is held to."""

    key: CounterKey
    limit: int | None


def counters(series: CouponSeries, code_key: str, customer_id: int) -> Iterator[Counter]:
    """What redeeming a coupon of the series counts for."""
    subject, customer = str(series.id), str(customer_id)
    if series.max_redemptions_per_coupon is not None:
        yield Counter(CounterKey(Scope.COUPON, code_key), series.max_redemptions_per_coupon)
    if not series.same_customer_may_repeat:
        yield Counter(CounterKey(Scope.COUPON_CUSTOMER, code_key, customer), 1)
    if series.max_redemptions is not None:
        yield Counter(CounterKey(Scope.SERIES, subject), series.max_redemptions)
    if series.max_redemptions_per_customer is not None or series.min_days_between_redemptions:
        key = CounterKey(Scope.SERIES_CUSTOMER, subject, customer)
        yield Counter(key, series.max_redemptions_per_customer)


def counter_keys(case: Case) -> Iterator[CounterKey]:
    """The counters that judging and redeeming the coupon needs."""
    for counter in _counters(case):
        yield counter.key


def usage_changes(trial: Trial) -> list[UsageChange]:
    """What redeeming the coupon adds to the counters."""
    return [
        UsageChange(counter.key, 1, counter.limit, trial.now) for counter in _counters(trial.case)
    ]


def repeated_by_customer(trial: Trial) -> Checked:
    """Row 16."""
    counter = _find(trial, Scope.COUPON_CUSTOMER)
    if counter and trial.used(counter.key):
        return Violation(Reason.COUPON_REPEATED, "The customer has already redeemed the coupon")
    return None


def coupon_used_up(trial: Trial) -> Checked:
    """Row 17."""
    return _used_up(trial, Scope.COUPON, "coupon")


def too_soon(trial: Trial) -> Checked:
    """Row 18: calendar days of the organisation since the customer's last one in the series."""
    _, series = found(trial.case)
    counter = _find(trial, Scope.SERIES_CUSTOMER)
    last_at = trial.last_at(counter.key) if counter else None
    if not series.min_days_between_redemptions or last_at is None:
        return None
    gap = timedelta(days=series.min_days_between_redemptions)
    first = trial.facts.local_date(last_at) + gap
    if trial.facts.local_date(trial.now) >= first:
        return None
    day = first.isoformat()
    return Violation(
        Reason.COUPON_TOO_SOON,
        f"The customer can redeem in the series again from {day}",
        metadata={"redeemable_from": day},
    )


def customer_used_up(trial: Trial) -> Checked:
    """Row 19."""
    return _used_up(trial, Scope.SERIES_CUSTOMER, "customer")


def series_used_up(trial: Trial) -> Checked:
    """Row 19."""
    return _used_up(trial, Scope.SERIES, "series")


def _counters(case: Case) -> Iterator[Counter]:
    if case.customer and case.coupon and case.series:
        yield from counters(case.series, case.coupon.code_key, case.customer.id)


def _find(trial: Trial, scope: Scope) -> Counter | None:
    return next((c for c in _counters(trial.case) if c.key.scope is scope), None)


def _used_up(trial: Trial, scope: Scope, name: str) -> Checked:
    counter = _find(trial, scope)
    if counter is None or counter.limit is None:
        return None
    used = trial.used(counter.key)
    if used < counter.limit:
        return None
    _, series = found(trial.case)
    return Violation(
        Reason.LIMIT_REACHED,
        f"Limit per {name} reached: {counter.limit} allowed, {used} used, 1 requested, "
        "resets never",
        metadata={
            "scope": name,
            "series_id": str(series.id),
            "limit": str(counter.limit),
            "used": str(used),
            "requested": "1",
            "resets": "never",
        },
    )
