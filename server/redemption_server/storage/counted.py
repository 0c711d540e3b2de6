"""What the records add up to, counter by counter: by it counters are made anew and verified."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, String, cast, func, literal, select

from redemption_server.rules.facts import ANONYMOUS_CUSTOMER_ID, Scope
from redemption_server.storage.dialect import table_of
from redemption_server.storage.record_tables import (
    CouponRedemptionRow,
    PromotionRedemptionRow,
    PromotionTransactionRow,
)
from redemption_server.storage.sums import sum_parts, whole_sum

_transaction = table_of(PromotionTransactionRow)
_redemption = table_of(PromotionRedemptionRow)
_coupon_redemption = table_of(CouponRedemptionRow)


class Sum(NamedTuple):
    """Records added up: `at_ms` is the transaction's instant, `last_at_ms` the server's."""

    subject: str
    member: str
    at_ms: int
    used: int
    last_at_ms: int


def sums(connection: Connection, statement: Select[Any]) -> Iterator[Sum]:
    """What a statement of this module finds."""
    for subject, member, at_ms, units, fraction, last_at_ms in connection.execute(statement):
        yield Sum(subject, member, at_ms, whole_sum(units, fraction), last_at_ms)


def promotion_sums(
    org_id: int, scope: Scope, promotions: ColumnElement[bool], *, windowed: bool
) -> Select[Any]:
    """Sums of the uses whose promotion meets a condition on `promotion_redemption`.

    Columns: subject, member, at_ms, units, fraction, last_at_ms. With `windowed` they are apart by
    instant: days depend on the zone, so that only sums per instant can be left to the database.
    """
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
    at_ms = _transaction.c.transaction_at_ms if windowed else literal(0)
    units, fraction = sum_parts(amount)
    statement = (
        select(
            _redemption.c.promotion_id.label("subject"),
            member.label("member"),
            at_ms.label("at_ms"),
            units.label("units"),
            fraction.label("fraction"),
            func.max(_transaction.c.recorded_at_ms).label("last_at_ms"),
        )
        .join(
            _transaction,
            (_transaction.c.org_id == org_id) & (_transaction.c.id == _redemption.c.transaction_id),
        )
        .where(_redemption.c.org_id == org_id, promotions)
        .group_by(_redemption.c.promotion_id, member, at_ms)
    )
    if scope is Scope.PROMOTION_CUSTOMER:
        return statement.where(_transaction.c.customer_id != ANONYMOUS_CUSTOMER_ID)
    if scope is Scope.PROMOTION_CODE:
        return statement.where(_redemption.c.code_id != "")
    return statement


def earned_promotion_sums(org_id: int) -> Select[Any]:
    """Uses of earned promotions; columns as in `promotion_sums`."""
    earned_id = _redemption.c.earned_promotion_id
    return (
        select(
            earned_id.label("subject"),
            literal("").label("member"),
            literal(0).label("at_ms"),
            literal(0).label("units"),
            func.count().label("fraction"),
            func.max(_transaction.c.recorded_at_ms).label("last_at_ms"),
        )
        .join(
            _transaction,
            (_transaction.c.org_id == org_id) & (_transaction.c.id == _redemption.c.transaction_id),
        )
        .where(_redemption.c.org_id == org_id, earned_id != "")
        .group_by(earned_id)
    )


def coupon_sums(org_id: int, scope: Scope, series: ColumnElement[bool]) -> Select[Any]:
    """Sums of the coupon redemptions whose series meets a condition on `coupon_redemption`.

    Columns as in `promotion_sums`.
    """
    per_coupon = scope in (Scope.COUPON, Scope.COUPON_CUSTOMER)
    per_customer = scope in (Scope.COUPON_CUSTOMER, Scope.SERIES_CUSTOMER)
    redemption = _coupon_redemption.c
    subject = redemption.code_key if per_coupon else cast(redemption.series_id, String)
    member = cast(redemption.customer_id, String) if per_customer else literal("")
    return (
        select(
            subject.label("subject"),
            member.label("member"),
            literal(0).label("at_ms"),
            literal(0).label("units"),
            func.count().label("fraction"),
            func.max(redemption.redeemed_at_ms).label("last_at_ms"),
        )
        .where(redemption.org_id == org_id, series)
        .group_by(subject, member)
    )
