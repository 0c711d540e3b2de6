"""Computes counters from the records when the catalog adds a limit or changes its window.

This happens in the commit of the change, with the organisation's row held alone, so that no
redemption falls between the records that are read and the counters that are written.
"""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, select

from redemption_server.rules.facts import CounterKey, CouponSeries, Limit, Promotion, Scope
from redemption_server.rules.redeem_promotions_limits import COUNTER_MAX
from redemption_server.rules.windows import Window, window_start
from redemption_server.storage.counted import Sum, coupon_sums, promotion_sums, sums
from redemption_server.storage.dialect import insert_rows, table_of
from redemption_server.storage.instants import from_ms
from redemption_server.storage.record_tables import (
    CouponRedemptionRow,
    PromotionRedemptionRow,
    UsageRow,
)

_usage = table_of(UsageRow)
_redemption = table_of(PromotionRedemptionRow)
_coupon_redemption = table_of(CouponRedemptionRow)


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
            of_promotion = _redemption.c.promotion_id == promotion.id
            windowed = window is not Window.NONE
            statement = promotion_sums(org_id, scope, of_promotion, windowed=windowed)
            _insert(connection, org_id, scope, window, zone, sums(connection, statement))


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
            statement = coupon_sums(org_id, scope, _coupon_redemption.c.series_id == after.id)
            found = sums(connection, statement)
            _insert(connection, org_id, scope, Window.NONE, ZoneInfo("UTC"), found)


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


def _insert(
    connection: Connection,
    org_id: int,
    scope: Scope,
    window: Window,
    zone: ZoneInfo,
    found: Iterable[Sum],
) -> None:
    totals: dict[CounterKey, tuple[int, int]] = {}
    for item in found:
        at: datetime = from_ms(item.at_ms)
        key = CounterKey(scope, item.subject, item.member, window_start(window, at, zone))
        used, last_at_ms = totals.get(key, (0, 0))
        totals[key] = (used + item.used, max(last_at_ms, item.last_at_ms or 0))
    # No limit on the row yet: what was recorded before the limit may be above it, and above what a
    # counter holds, where every limit is exceeded alike.
    rows = [
        (org_id, *key, min(used, COUNTER_MAX), None, last_at_ms)
        for key, (used, last_at_ms) in sorted(totals.items())
        if used
    ]
    insert_rows(connection, _usage, rows)
