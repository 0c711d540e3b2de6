"""What the records add up to, counter by counter: by it counters are made anew and verified.

Reversed redemptions count for nothing where what came back for them includes the counter.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
)

from redemption_server.rules.facts import ANONYMOUS_CUSTOMER_ID, RecordKind, Scope
from redemption_server.rules.reverse_redemption import PART_OF_SCOPE
from redemption_server.storage.dialect import table_of
from redemption_server.storage.record_tables import (
    CouponRedemptionRow,
    PromotionRedemptionRow,
    PromotionTransactionRow,
    ReversedRecordRow,
)
from redemption_server.storage.sums import sum_parts, whole_sum

_transaction = table_of(PromotionTransactionRow)
_redemption = table_of(PromotionRedemptionRow)
_coupon_redemption = table_of(CouponRedemptionRow)
_reversed = table_of(ReversedRecordRow)


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
    of_discount = scope is Scope.PROMOTION_DISCOUNT
    amount = _redemption.c.discount_micros if of_discount else _redemption.c.redemption_count
    member = members.get(scope, literal(""))
    at_ms = _transaction.c.transaction_at_ms if windowed else literal(0)
    units, fraction = sum_parts(case((_stands(scope), amount), else_=0))
    statement = (
        select(
            _redemption.c.promotion_id.label("subject"),
            member.label("member"),
            at_ms.label("at_ms"),
            units.label("units"),
            fraction.label("fraction"),
            func.max(_transaction.c.recorded_at_ms).label("last_at_ms"),
        )
        .select_from(_uses(org_id))
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
            _number_of(_stands(Scope.EARNED_PROMOTION)).label("fraction"),
            func.max(_transaction.c.recorded_at_ms).label("last_at_ms"),
        )
        .select_from(_uses(org_id))
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
    stands = _stands(scope)
    at_ms: ColumnElement[Any] = redemption.redeemed_at_ms
    if scope is Scope.SERIES_CUSTOMER:
        # The gap until the customer may redeem again counts from what still stands.
        at_ms = case((stands, at_ms), else_=null())
    return (
        select(
            subject.label("subject"),
            member.label("member"),
            literal(0).label("at_ms"),
            literal(0).label("units"),
            _number_of(stands).label("fraction"),
            func.max(at_ms).label("last_at_ms"),
        )
        .select_from(
            _coupon_redemption.outerjoin(
                _reversed,
                _is_reversal(
                    org_id, RecordKind.COUPON_REDEMPTION, cast(_coupon_redemption.c.id, String)
                ),
            )
        )
        .where(redemption.org_id == org_id, series)
        .group_by(subject, member)
    )


def _uses(org_id: int) -> FromClause:
    """Uses with their transactions, and their reversals where there are any."""
    same = (_transaction.c.org_id == org_id) & (_transaction.c.id == _redemption.c.transaction_id)
    reversal = _is_reversal(org_id, RecordKind.PROMOTION_REDEMPTION, _redemption.c.id)
    return _redemption.join(_transaction, same).outerjoin(_reversed, reversal)


def _is_reversal(
    org_id: int, kind: RecordKind, record_id: ColumnElement[str]
) -> ColumnElement[bool]:
    return and_(
        _reversed.c.org_id == org_id,
        _reversed.c.kind == int(kind),
        _reversed.c.record_id == record_id,
    )


def _stands(scope: Scope) -> ColumnElement[bool]:
    """Whether a redemption still counts in counters of a scope."""
    given_back = _reversed.c.returned.op("&")(int(PART_OF_SCOPE[scope])) != 0
    return or_(_reversed.c.returned.is_(None), ~given_back)


def _number_of(stands: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((stands, 1), else_=0))
