"""Computes counters from the records when the catalog adds a limit or changes its window.

This happens in the commit of the change, with the organisation's row held alone, so that no
redemption falls between the records that are read and the counters that are written.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Select, String, cast, func, literal, select

from redemption_server.rules.facts import (
    ANONYMOUS_CUSTOMER_ID,
    CounterKey,
    CouponSeries,
    Limit,
    Promotion,
    Scope,
)
from redemption_server.rules.redeem_promotions_limits import COUNTER_MAX
from redemption_server.rules.windows import Window, window_start
from redemption_server.storage.dialect import insert_rows, table_of
from redemption_server.storage.instants import from_ms
from redemption_server.storage.record_tables import (
    CouponRedemptionRow,
    PromotionRedemptionRow,
    PromotionTransactionRow,
    UsageRow,
)
from redemption_server.storage.sums import sum_parts, whole_sum

_usage = table_of(UsageRow)
_transaction = table_of(PromotionTransactionRow)
_redemption = table_of(PromotionRedemptionRow)
_coupon_redemption = table_of(CouponRedemptionRow)


class _Sum(NamedTuple):
    """Records added up: `at_ms` is the transaction's instant, `last_at_ms` the server's."""

    subject: str
    member: str
    at_ms: int
    used: int
    last_at_ms: int


def promotion_limits(promotion: Promotion) -> dict[Scope, Limit | None]:
    """The limits of a promotion that have counters."""
    return {
        Scope.PROMOTION: promotion.total,
        Scope.PROMOTION_CUSTOMER: promotion.per_customer,
        Scope.PROMOTION_CODE: promotion.per_code,
        Scope.PROMOTION_DISCOUNT: promotion.discount_total,
    }


def rebuild_promotion(
    connection: Connection,
    org_id: int,
    before: tuple[Promotion, ZoneInfo],
    after: tuple[Promotion, ZoneInfo],
) -> None:
    """Brings a promotion's counters in line with limits that were added, removed or re-windowed."""
    promotion, zone = after
    limits_before = promotion_limits(before[0])
    zone_changed = before[1].key != zone.key
    for scope, limit in promotion_limits(promotion).items():
        was = limits_before[scope]
        window = limit.window if limit else Window.NONE
        rewindowed = (
            was and limit and (was.window != window or (zone_changed and window.value != "NONE"))
        )
        if (was is None) == (limit is None) and not rewindowed:
            continue
        _delete(connection, org_id, scope, _usage.c.subject == promotion.id)
        if limit:
            statement = _promotion_sums(org_id, promotion.id, scope, windowed=window != "NONE")
            _insert(connection, org_id, scope, window, zone, _sums(connection, statement))


def rebuild_series(
    connection: Connection, org_id: int, before: CouponSeries, after: CouponSeries
) -> None:
    """Brings a series' counters in line with limits that were added or removed."""
    counted_before, counted_after = _series_scopes(before), _series_scopes(after)
    series_id = str(after.id)
    coupons = select(_coupon_redemption.c.code_key).where(
        _coupon_redemption.c.org_id == org_id, _coupon_redemption.c.series_id == after.id
    )
    for scope in counted_before ^ counted_after:
        of_series = scope in (Scope.SERIES, Scope.SERIES_CUSTOMER)
        subjects = _usage.c.subject == series_id if of_series else _usage.c.subject.in_(coupons)
        _delete(connection, org_id, scope, subjects)
        if scope in counted_after:
            sums = _sums(connection, _series_sums(org_id, after.id, scope))
            _insert(connection, org_id, scope, Window.NONE, ZoneInfo("UTC"), sums)


def _series_scopes(series: CouponSeries) -> set[Scope]:
    counted = {
        Scope.COUPON: series.max_redemptions_per_coupon is not None,
        Scope.COUPON_CUSTOMER: not series.same_customer_may_repeat,
        Scope.SERIES: series.max_redemptions is not None,
        Scope.SERIES_CUSTOMER: series.max_redemptions_per_customer is not None
        or series.min_days_between_redemptions > 0,
    }
    return {scope for scope, exists in counted.items() if exists}


def _delete(
    connection: Connection, org_id: int, scope: Scope, subjects: ColumnElement[bool]
) -> None:
    connection.execute(
        _usage.delete().where(_usage.c.org_id == org_id, _usage.c.scope == int(scope), subjects)
    )


def _promotion_sums(org_id: int, promotion_id: str, scope: Scope, *, windowed: bool) -> Select[Any]:
    members: dict[Scope, ColumnElement[Any]] = {
        Scope.PROMOTION_CUSTOMER: cast(_transaction.c.customer_id, String),
        Scope.PROMOTION_CODE: _redemption.c.code_id,
    }
    amount = (
        _redemption.c.discount_micros
        if scope is Scope.PROMOTION_DISCOUNT
        else _redemption.c.redemption_count
    )
    member = members.get(scope, literal(""))
    # Days depend on the zone, so that only sums per instant can be left to the database.
    at_ms = _transaction.c.transaction_at_ms if windowed else literal(0)
    statement = (
        select(
            _redemption.c.promotion_id,
            member,
            at_ms,
            *sum_parts(amount),
            func.max(_transaction.c.recorded_at_ms),
        )
        .join(
            _transaction,
            (_transaction.c.org_id == org_id) & (_transaction.c.id == _redemption.c.transaction_id),
        )
        .where(_redemption.c.org_id == org_id, _redemption.c.promotion_id == promotion_id)
        .group_by(_redemption.c.promotion_id, member, at_ms)
    )
    if scope is Scope.PROMOTION_CUSTOMER:
        return statement.where(_transaction.c.customer_id != ANONYMOUS_CUSTOMER_ID)
    if scope is Scope.PROMOTION_CODE:
        return statement.where(_redemption.c.code_id != "")
    return statement


def _series_sums(org_id: int, series_id: int, scope: Scope) -> Select[Any]:
    per_coupon = scope in (Scope.COUPON, Scope.COUPON_CUSTOMER)
    per_customer = scope in (Scope.COUPON_CUSTOMER, Scope.SERIES_CUSTOMER)
    redemption = _coupon_redemption.c
    subject = redemption.code_key if per_coupon else cast(redemption.series_id, String)
    member = cast(redemption.customer_id, String) if per_customer else literal("")
    return (
        select(
            subject,
            member,
            literal(0),
            literal(0),
            func.count(),
            func.max(redemption.redeemed_at_ms),
        )
        .where(redemption.org_id == org_id, redemption.series_id == series_id)
        .group_by(subject, member)
    )


def _sums(connection: Connection, statement: Select[Any]) -> Iterator[_Sum]:
    for subject, member, at_ms, units, fraction, last_at_ms in connection.execute(statement):
        yield _Sum(subject, member, at_ms, whole_sum(units, fraction), last_at_ms)


def _insert(
    connection: Connection,
    org_id: int,
    scope: Scope,
    window: Window,
    zone: ZoneInfo,
    sums: Iterable[_Sum],
) -> None:
    totals: dict[CounterKey, tuple[int, int]] = {}
    for item in sums:
        at: datetime = from_ms(item.at_ms)
        key = CounterKey(scope, item.subject, item.member, window_start(window, at, zone))
        used, last_at_ms = totals.get(key, (0, 0))
        totals[key] = (used + item.used, max(last_at_ms, item.last_at_ms))
    # No limit on the row yet: what was recorded before the limit may be above it, and above what a
    # counter holds, where every limit is exceeded alike.
    rows = [
        (org_id, *key, min(used, COUNTER_MAX), None, last_at_ms)
        for key, (used, last_at_ms) in sorted(totals.items())
    ]
    insert_rows(connection, _usage, rows)
