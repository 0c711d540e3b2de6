"""The rows of contract section 6 as a table of checks, in the order in which they answer.

A check gets a trial and returns a violation or None. Rows 16 to 19, which look at counters, are in
`coupon_limits`; row 20 concerns the request as a whole and is in `redeem_coupons`.
"""

import hmac
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from redemption_server.rules.commands import CouponUse
from redemption_server.rules.decimals import format_micros
from redemption_server.rules.facts import (
    CounterKey,
    Coupon,
    CouponSeries,
    Customer,
    CustomerStatus,
    Facts,
)
from redemption_server.rules.outcomes import UsageChange
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Violation


class Case(NamedTuple):
    """One coupon of a request with what it refers to; what does not exist is None."""

    use: CouponUse
    till_code: str
    customer: Customer | None
    coupon: Coupon | None
    series: CouponSeries | None


class Trial(NamedTuple):
    """A case at its turn.

    `taken` is what earlier coupons of the request take, `repeated` tells that one of them had the
    same code.
    """

    case: Case
    facts: Facts
    taken: Mapping[CounterKey, UsageChange]
    repeated: bool
    now: datetime

    def used(self, key: CounterKey) -> int:
        """How much of a counter is used, earlier coupons of the request included."""
        change = self.taken.get(key)
        return self.facts.used(key) + (change.amount if change else 0)

    def last_at(self, key: CounterKey) -> datetime | None:
        """When a counter was last used, earlier coupons of the request included."""
        if key in self.taken:
            return self.taken[key].at
        count = self.facts.usage.get(key)
        return count.last_at if count else None


Checked = Violation | None


def _no(reason: Reason, description: str, **metadata: str) -> Violation:
    return Violation(reason, description, metadata=metadata)


def code_missing(trial: Trial) -> Checked:
    """Row 1."""
    return None if trial.case.use.code_key else _no(Reason.CODE_REQUIRED, "Coupon code is missing")


def amount_malformed(trial: Trial) -> Checked:
    """Row 2."""
    if trial.case.use.amount_text and trial.case.use.amount is None:
        return _no(Reason.AMOUNT_INVALID, "The transaction amount is malformed or negative")
    return None


def customer_unknown(trial: Trial) -> Checked:
    """Row 3."""
    if trial.case.use.identifier is None:
        return _no(Reason.CUSTOMER_REQUIRED, "No customer is given")
    if trial.case.customer is None:
        return _no(Reason.CUSTOMER_NOT_FOUND, "The customer does not exist")
    return None


def customer_barred(trial: Trial) -> Checked:
    """Row 4."""
    status = trial.case.customer.status if trial.case.customer else None
    if status is CustomerStatus.FRAUD:
        return _no(Reason.CUSTOMER_FRAUD, "The customer is marked as fraudulent")
    if status is CustomerStatus.BLOCKED:
        return _no(Reason.CUSTOMER_BLOCKED, "The customer is blocked")
    return None


def code_unknown(trial: Trial) -> Checked:
    """Row 5."""
    if trial.case.coupon is None:
        code = trial.case.use.code
        return _no(Reason.CODE_NOT_FOUND, f"Coupon {code} does not exist", code=code)
    return None


def code_repeated(trial: Trial) -> Checked:
    """Row 6."""
    if trial.repeated:
        return _no(Reason.COUPON_REPEATED, "The coupon stands in the request twice")
    return None


def coupon_revoked(trial: Trial) -> Checked:
    """Row 7."""
    coupon, _ = found(trial.case)
    return _no(Reason.COUPON_REVOKED, "The coupon has been revoked") if coupon.revoked else None


def series_expired(trial: Trial) -> Checked:
    """Row 8."""
    _, series = found(trial.case)
    return _expired(trial, series.valid_until, Reason.SERIES_EXPIRED, "series")


def coupon_expired(trial: Trial) -> Checked:
    """Row 8."""
    coupon, _ = found(trial.case)
    return _expired(trial, coupon.valid_until, Reason.COUPON_EXPIRED, "coupon")


def series_not_started(trial: Trial) -> Checked:
    """Row 9: the start is inclusive."""
    _, series = found(trial.case)
    if series.valid_from and trial.now < series.valid_from:
        since = series.valid_from.isoformat()
        return _no(Reason.SERIES_NOT_STARTED, f"The series is valid from {since}", valid_from=since)
    return None


def too_early(trial: Trial) -> Checked:
    """Row 9: days after issue are calendar days of the organisation."""
    coupon, series = found(trial.case)
    if series.redeemable_after_days and coupon.issued_at:
        first = trial.facts.local_date(coupon.issued_at) + timedelta(
            days=series.redeemable_after_days
        )
        if trial.facts.local_date(trial.now) < first:
            return _redeemable_from(Reason.COUPON_TOO_EARLY, first.isoformat())
    return None


def day_of_week_not_allowed(trial: Trial) -> Checked:
    """Row 10: in the organisation's zone, as the two after it."""
    _, series = found(trial.case)
    day = _local(trial).isoweekday()
    return _time_not_allowed(series.redeemable_days_of_week, day, "day of the week")


def day_of_month_not_allowed(trial: Trial) -> Checked:
    """Row 10."""
    _, series = found(trial.case)
    day = _local(trial).day
    return _time_not_allowed(series.redeemable_days_of_month, day, "day of the month")


def hour_not_allowed(trial: Trial) -> Checked:
    """Row 10."""
    _, series = found(trial.case)
    return _time_not_allowed(series.redeemable_hours, _local(trial).hour, "hour")


def not_owned(trial: Trial) -> Checked:
    """Row 11."""
    coupon, series = found(trial.case)
    if series.any_user or (trial.case.customer and coupon.customer_id == trial.case.customer.id):
        return None
    return _no(Reason.COUPON_NOT_OWNED, "The coupon was not issued to this customer")


def till_not_allowed(trial: Trial) -> Checked:
    """Row 12."""
    _, series = found(trial.case)
    if series.tills and trial.case.till_code not in series.tills:
        return _no(Reason.TILL_NOT_ALLOWED, "The series is not redeemable at this till")
    return None


def number_missing(trial: Trial) -> Checked:
    """Row 13."""
    _, series = found(trial.case)
    if series.transaction_number_required and not trial.case.use.transaction_number:
        return _no(Reason.TRANSACTION_NUMBER_REQUIRED, "The series needs a transaction number")
    return None


def validation_code_wrong(trial: Trial) -> Checked:
    """Row 14."""
    coupon, series = found(trial.case)
    if not series.validation_required:
        return None
    given = trial.case.use.validation_code
    if not given:
        return _no(Reason.VALIDATION_CODE_REQUIRED, "The series needs a validation code")
    # A coupon without a validation code cannot be given the right one.
    right = coupon.validation_code
    if not right or not hmac.compare_digest(given.encode(), right.encode()):
        return _no(Reason.VALIDATION_CODE_WRONG, "The validation code is wrong")
    return None


def amount_out_of_range(trial: Trial) -> Checked:
    """Row 15: both ends are inclusive."""
    _, series = found(trial.case)
    lowest, highest, amount = series.min_amount, series.max_amount, trial.case.use.amount
    if lowest is None and highest is None:
        return None
    if amount is not None and (lowest or 0) <= amount and (highest is None or amount <= highest):
        return None
    return _no(
        Reason.AMOUNT_OUT_OF_RANGE,
        "The transaction amount is outside the range of the series",
        min_amount="" if lowest is None else format_micros(lowest),
        max_amount="" if highest is None else format_micros(highest),
    )


def _expired(trial: Trial, valid_until: datetime | None, reason: Reason, what: str) -> Checked:
    """Ends are exclusive."""
    if valid_until is None or trial.now < valid_until:
        return None
    until = valid_until.isoformat()
    return _no(reason, f"The {what} was valid until {until}", valid_until=until)


def _local(trial: Trial) -> datetime:
    return trial.now.astimezone(trial.facts.organization.zone)


def _time_not_allowed(allowed: Collection[int], value: int, what: str) -> Checked:
    if not allowed or value in allowed:
        return None
    text = f"The series is not redeemable in this {what}"
    return _no(Reason.TIME_NOT_ALLOWED, text, unit=what)


def _redeemable_from(reason: Reason, day: str) -> Violation:
    return _no(reason, f"The coupon can be redeemed from {day}", redeemable_from=day)


def found(case: Case) -> tuple[Coupon, CouponSeries]:
    """The coupon and its series; only for checks behind `code_unknown`."""
    assert case.coupon is not None
    assert case.series is not None
    return case.coupon, case.series
