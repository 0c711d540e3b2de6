"""Counters against the sums over the records."""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)

from redemption_server.rules.decimals import MICROS_PER_UNIT
from redemption_server.rules.facts import CounterKey, Scope
from redemption_server.rules.redeem_promotions_limits import COUNTER_MAX
from redemption_server.rules.windows import Window, window_start
from redemption_server.storage.catalog_tables import (
    CouponRow,
    CouponSeriesRow,
    EarnedPromotionRow,
    OrganizationRow,
    PromotionRow,
)
from redemption_server.storage.counted import (
    coupon_sums,
    earned_promotion_sums,
    promotion_sums,
    sums,
)
from redemption_server.storage.dialect import table_of
from redemption_server.storage.instants import from_ms
from redemption_server.storage.record_tables import (
    CouponRedemptionRow,
    PromotionRedemptionRow,
    UsageRow,
)
from redemption_server.storage.sums import whole_sum
from redemption_server.storage.verify.findings import FINDINGS_MAX, Finding, FindingKind
from redemption_server.storage.verify.known import known

_organization = table_of(OrganizationRow)
_promotion = table_of(PromotionRow)
_earned = table_of(EarnedPromotionRow)
_series = table_of(CouponSeriesRow)
_coupon = table_of(CouponRow)
_redemption = table_of(PromotionRedemptionRow)
_coupon_redemption = table_of(CouponRedemptionRow)
_usage = table_of(UsageRow)


class _Counted(NamedTuple):
    used: int = 0
    last_at_ms: int = 0


_PROMOTION_LIMITS: dict[Scope, tuple[Column[Any], ColumnElement[Any]]] = {
    Scope.PROMOTION: (_promotion.c.total_limit, _promotion.c.total_window),
    Scope.PROMOTION_CUSTOMER: (_promotion.c.customer_limit, _promotion.c.customer_window),
    Scope.PROMOTION_CODE: (_promotion.c.code_limit, literal(Window.NONE.value)),
    Scope.PROMOTION_DISCOUNT: (_promotion.c.discount_limit_micros, _promotion.c.discount_window),
}
_SERIES_LIMITS: dict[Scope, ColumnElement[bool]] = {
    Scope.COUPON: _series.c.max_redemptions_per_coupon.is_not(None),
    Scope.COUPON_CUSTOMER: _series.c.same_customer_may_repeat.is_(False),
    Scope.SERIES: _series.c.max_redemptions.is_not(None),
    Scope.SERIES_CUSTOMER: or_(
        _series.c.max_redemptions_per_customer.is_not(None),
        _series.c.min_days_between_redemptions > 0,
    ),
}


def promotion_counters(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Counters of promotions, with and without windows."""
    for scope in _PROMOTION_LIMITS:
        limited = _limited(org_id, scope, windowed=False)
        in_limited = _redemption.c.promotion_id.in_(limited)
        expected = promotion_sums(org_id, scope, in_limited, windowed=False)
        yield from _differences(connection, org_id, scope, expected, _usage.c.subject.in_(limited))
        yield from _windowed(connection, org_id, scope)
        any_window = select(_promotion.c.id).where(
            _promotion.c.org_id == org_id, _PROMOTION_LIMITS[scope][0].is_not(None)
        )
        yield from _without_limit(connection, org_id, scope, any_window)


def earned_promotion_counters(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Earned promotions are used once at most."""
    scope = Scope.EARNED_PROMOTION
    known = select(_earned.c.id).where(_earned.c.org_id == org_id)
    expected = earned_promotion_sums(org_id).where(_redemption.c.earned_promotion_id.in_(known))
    yield from _differences(connection, org_id, scope, expected, _usage.c.subject.in_(known))
    yield from _without_limit(connection, org_id, scope, known)


def coupon_counters(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Counters of coupons and series."""
    known_code = exists().where(
        _coupon.c.org_id == org_id, _coupon.c.code_key == _coupon_redemption.c.code_key
    )
    for scope, limit_exists in _SERIES_LIMITS.items():
        limited = select(_series.c.id).where(_series.c.org_id == org_id, limit_exists)
        counted: ColumnElement[bool] = _coupon_redemption.c.series_id.in_(limited)
        subjects = select(cast(_series.c.id, String)).where(
            _series.c.org_id == org_id, limit_exists
        )
        if scope in (Scope.COUPON, Scope.COUPON_CUSTOMER):
            # A coupon that the catalog lost is a finding of its own.
            counted = and_(counted, known_code.correlate(_coupon_redemption))
            subjects = select(_coupon.c.code_key).where(
                _coupon.c.org_id == org_id, _coupon.c.series_id.in_(limited)
            )
        expected = coupon_sums(org_id, scope, counted)
        in_subjects = _usage.c.subject.in_(subjects)
        yield from _differences(connection, org_id, scope, expected, in_subjects)
        yield from _without_limit(connection, org_id, scope, subjects)


def unknown_counters(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Every counter counts something that there is."""
    known = [int(scope) for scope in Scope]
    statement = (
        select(_usage)
        .where(_usage.c.org_id == org_id, _usage.c.scope.not_in(known))
        .limit(FINDINGS_MAX)
    )
    for row in connection.execute(statement):
        subject = f"counters/{row.scope}/{row.subject}"
        text = f"counter says {row.used}, there is no such kind of counter"
        yield Finding(FindingKind.COUNTER_WITHOUT_LIMIT, subject, text)


def limits(connection: Connection, org_id: int) -> Iterator[Finding]:
    """No counter is above the limit that it was held to."""
    statement = (
        select(_usage)
        .where(_usage.c.org_id == org_id, _usage.c.used > _usage.c.use_limit)
        .limit(FINDINGS_MAX)
    )
    for row in connection.execute(statement):
        key = CounterKey(Scope(row.scope), row.subject, row.member, row.window_start)
        text = f"used {row.used}, held to {row.use_limit}"
        yield Finding(FindingKind.LIMIT_EXCEEDED, _name(key), text)


def _limited(org_id: int, scope: Scope, *, windowed: bool) -> Select[Any]:
    """Ids of the promotions that have a limit of a scope, with or without a window."""
    limit, window = _PROMOTION_LIMITS[scope]
    has_window = window != Window.NONE.value
    return select(_promotion.c.id).where(
        _promotion.c.org_id == org_id, limit.is_not(None), has_window if windowed else ~has_window
    )


def _differences(
    connection: Connection,
    org_id: int,
    scope: Scope,
    expected: Select[Any],
    counters: ColumnElement[bool],
) -> Iterator[Finding]:
    """Counters without windows that differ, found by the database: there may be millions.

    Both sides are laid over each other and summed up, so that one pass finds what differs.
    """
    summed = expected.subquery()
    used, none = _usage.c.used, literal(0)
    should = select(
        summed.c.subject,
        summed.c.member,
        none.label("window_start"),
        *_labelled("should", _normal(summed.c.units, summed.c.fraction), summed.c.last_at_ms),
        *_labelled("found", [none, none], none),
    ).where(summed.c.units + summed.c.fraction > 0)
    found = select(
        _usage.c.subject,
        _usage.c.member,
        _usage.c.window_start,
        *_labelled("should", [none, none], none),
        *_labelled(
            "found",
            [used.op("/")(MICROS_PER_UNIT), used % MICROS_PER_UNIT],
            func.coalesce(_usage.c.last_at_ms, 0),
        ),
    ).where(_usage.c.org_id == org_id, _usage.c.scope == int(scope), used != 0, counters)
    both = union_all(should, found).subquery()
    key = (both.c.subject, both.c.member, both.c.window_start)
    sides = [func.sum(c) for c in both.c if c.name.startswith(("should", "found"))]
    differs = or_(*(mine != other for mine, other in zip(sides[:3], sides[3:], strict=True)))
    statement = (
        select(*key, *sides).group_by(*key).having(differs).order_by(*key).limit(FINDINGS_MAX)
    )
    for subject, member, start, *both_sides in connection.execute(statement):
        units, fraction, last_at, found_units, found_fraction, found_last_at = map(int, both_sides)
        yield from _compare(
            CounterKey(scope, subject, member, start),
            _Counted(whole_sum(found_units, found_fraction), found_last_at),
            _Counted(whole_sum(units, fraction), last_at),
        )


def _labelled(
    side: str, parts: list[ColumnElement[Any]], last_at: ColumnElement[Any]
) -> list[ColumnElement[Any]]:
    names = ("units", "fraction", "last_at")
    return [
        column.label(f"{side}_{name}")
        for name, column in zip(names, [*parts, last_at], strict=True)
    ]


def _normal(units: ColumnElement[Any], fraction: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """The same sum with a fraction below one unit."""
    return [units + fraction.op("/")(MICROS_PER_UNIT), fraction % MICROS_PER_UNIT]


def _windowed(connection: Connection, org_id: int, scope: Scope) -> Iterator[Finding]:
    """Counters with windows, whose days this process reckons as the rules do."""
    limited = _limited(org_id, scope, windowed=True)
    windows = _windows(connection, org_id, scope)
    if not windows:
        return
    zone = ZoneInfo(
        connection.execute(
            select(_organization.c.time_zone).where(_organization.c.id == org_id)
        ).scalar_one()
    )
    in_limited = _redemption.c.promotion_id.in_(limited)
    should: dict[CounterKey, _Counted] = {}
    for item in sums(connection, promotion_sums(org_id, scope, in_limited, windowed=True)):
        start = window_start(windows[item.subject], from_ms(item.at_ms), zone)
        key = CounterKey(scope, item.subject, item.member, start)
        before = should.get(key, _Counted())
        last_at = max(before.last_at_ms, item.last_at_ms)
        should[key] = _Counted(before.used + item.used, last_at)
    statement = select(_usage).where(
        _usage.c.org_id == org_id, _usage.c.scope == int(scope), _usage.c.subject.in_(limited)
    )
    found = {
        CounterKey(scope, row.subject, row.member, row.window_start): _Counted(
            row.used, row.last_at_ms or 0
        )
        for row in connection.execute(statement)
    }
    for key in sorted(should.keys() | found.keys()):
        yield from _compare(key, found.get(key, _Counted()), should.get(key, _Counted()))


def _windows(connection: Connection, org_id: int, scope: Scope) -> dict[str, Window]:
    limited = _limited(org_id, scope, windowed=True)
    statement = limited.add_columns(_PROMOTION_LIMITS[scope][1])
    return {promotion_id: Window(w) for promotion_id, w in connection.execute(statement)}


def _compare(key: CounterKey, found: _Counted, should: _Counted) -> Iterator[Finding]:
    # A counter that was made from more than it can hold stands at what it can hold.
    if found.used != min(should.used, COUNTER_MAX):
        text = f"counter says {found.used}, records add up to {should.used}"
        yield Finding(FindingKind.COUNTER_WRONG, _name(key), text)
    elif should.used and found.last_at_ms != should.last_at_ms:
        said, was = from_ms(found.last_at_ms).isoformat(), from_ms(should.last_at_ms).isoformat()
        text = f"counter says last used at {said}, the newest record is of {was}"
        yield Finding(FindingKind.COUNTER_WRONG, _name(key), text)


def _without_limit(
    connection: Connection, org_id: int, scope: Scope, subjects: Select[Any]
) -> Iterator[Finding]:
    limited = known(subjects)
    statement = (
        select(_usage)
        .select_from(_usage.outerjoin(limited, limited.c[0] == _usage.c.subject))
        .where(_usage.c.org_id == org_id, _usage.c.scope == int(scope), limited.c[0].is_(None))
        .limit(FINDINGS_MAX)
    )
    for row in connection.execute(statement):
        key = CounterKey(scope, row.subject, row.member, row.window_start)
        text = f"counter says {row.used}, the catalog has no such limit"
        yield Finding(FindingKind.COUNTER_WITHOUT_LIMIT, _name(key), text)


def _name(key: CounterKey) -> str:
    parts = (f"counters/{key.scope.name}", key.subject, key.member, _day(key.window_start))
    return "/".join(part for part in parts if part)


def _day(window_start: int) -> str:
    try:
        return date.fromordinal(window_start).isoformat() if window_start else ""
    except (ValueError, OverflowError):
        # What a corrupt row says is no day at all.
        return str(window_start)
