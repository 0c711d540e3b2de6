"""Loads coupons and their series."""

from collections.abc import Sequence

import orjson
from sqlalchemy import Connection, Row, select

from redemption_server.rules.facts import Coupon, CouponSeries, DiscountType, Facts
from redemption_server.storage.catalog_tables import CouponRow, CouponSeriesRow
from redemption_server.storage.dialect import Search, table_of
from redemption_server.storage.instants import optional_from_ms
from redemption_server.storage.promotion_facts import policies_of

_coupon = table_of(CouponRow)
_series = table_of(CouponSeriesRow)
_COUPONS = Search([_coupon.c.code_key], lambda found: select(_coupon).select_from(found.source))
_SERIES = Search([_series.c.id], lambda found: select(_series).select_from(found.source))


def load(connection: Connection, facts: Facts, code_keys: Sequence[str]) -> None:
    """Fills in the coupons with the codes, and their series."""
    org_id = facts.organization.id
    coupons = _COUPONS.run_for(connection, org_id, code_keys)
    facts.coupons = {row.code_key: coupon_of(row) for row in coupons}
    load_more_series(connection, facts, {coupon.series_id for coupon in facts.coupons.values()})


def load_more_series(connection: Connection, facts: Facts, series_ids: set[int]) -> None:
    """Adds series that are not there yet."""
    missing = sorted(series_ids - facts.series.keys())
    if missing:
        org_id = facts.organization.id
        rows = _SERIES.run_for(connection, org_id, missing)
        facts.series = {**facts.series, **{row.id: series_of(row) for row in rows}}


def coupon_of(row: Row[tuple[object, ...]]) -> Coupon:
    """The coupon in a row of its table."""
    return Coupon(
        code_key=row.code_key,
        series_id=row.series_id,
        customer_id=row.customer_id,
        issued_at=optional_from_ms(row.issued_at_ms),
        valid_until=optional_from_ms(row.valid_until_ms),
        validation_code=row.validation_code,
        revoked=row.revoked,
    )


def series_of(row: Row[tuple[object, ...]]) -> CouponSeries:
    """The series in a row of its table."""
    return CouponSeries(
        id=row.id,
        discount_code=row.discount_code,
        discount_type=DiscountType(row.discount_type),
        discount_value=row.discount_value_micros,
        discount_up_to=row.discount_up_to_micros,
        valid_from=optional_from_ms(row.valid_from_ms),
        valid_until=optional_from_ms(row.valid_until_ms),
        any_user=row.any_user,
        validation_required=row.validation_required,
        transaction_number_required=row.transaction_number_required,
        min_amount=row.min_amount_micros,
        max_amount=row.max_amount_micros,
        max_redemptions=row.max_redemptions,
        max_redemptions_per_coupon=row.max_redemptions_per_coupon,
        max_redemptions_per_customer=row.max_redemptions_per_customer,
        same_customer_may_repeat=row.same_customer_may_repeat,
        min_days_between_redemptions=row.min_days_between_redemptions,
        redeemable_after_days=row.redeemable_after_days,
        redeemable_days_of_week=frozenset(orjson.loads(row.redeemable_days_of_week)),
        redeemable_days_of_month=frozenset(orjson.loads(row.redeemable_days_of_month)),
        redeemable_hours=frozenset(orjson.loads(row.redeemable_hours)),
        tills=frozenset(orjson.loads(row.tills)),
        reversal_policies=policies_of(row.reversal_policies),
    )
