"""What records refer to exists."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, String, Table, cast, exists, select

from redemption_server.rules.facts import ANONYMOUS_CUSTOMER_ID, RecordKind
from redemption_server.storage.catalog_tables import (
    CouponRow,
    CouponSeriesRow,
    CustomerRow,
    EarnedPromotionRow,
    PromotionCodeRow,
    PromotionRow,
)
from redemption_server.storage.dialect import table_of
from redemption_server.storage.record_tables import (
    CouponRedemptionRow,
    PromotionRedemptionRow,
    PromotionTransactionRow,
    ReversalRow,
    ReversedRecordRow,
)
from redemption_server.storage.verify.findings import FINDINGS_MAX, Finding, FindingKind
from redemption_server.storage.verify.known import known

_transaction = table_of(PromotionTransactionRow)
_redemption = table_of(PromotionRedemptionRow)
_coupon_redemption = table_of(CouponRedemptionRow)
_reversal = table_of(ReversalRow)
_reversed = table_of(ReversedRecordRow)
_customer = table_of(CustomerRow)
_promotion = table_of(PromotionRow)
_code = table_of(PromotionCodeRow)
_earned = table_of(EarnedPromotionRow)
_series = table_of(CouponSeriesRow)
_coupon = table_of(CouponRow)

# Column that refers, what it refers to, and the values that refer to nothing.
_CATALOG_REFERENCES: tuple[tuple[str, Column[Any], Column[Any], Any], ...] = (
    ("redemptions", _redemption.c.promotion_id, _promotion.c.id, None),
    ("redemptions", _redemption.c.code_id, _code.c.id, ""),
    ("redemptions", _redemption.c.earned_promotion_id, _earned.c.id, ""),
    ("transactions", _transaction.c.customer_id, _customer.c.id, ANONYMOUS_CUSTOMER_ID),
    ("couponRedemptions", _coupon_redemption.c.code_key, _coupon.c.code_key, None),
    ("couponRedemptions", _coupon_redemption.c.series_id, _series.c.id, None),
    ("couponRedemptions", _coupon_redemption.c.customer_id, _customer.c.id, None),
)


def transactions_and_uses(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Each use belongs to a transaction, each transaction has a use."""
    uses = _unmatched(org_id, _redemption.c.transaction_id, _transaction.c.id)
    for use_id, transaction_id in connection.execute(uses):
        text = f"there is no transaction {transaction_id}"
        yield Finding(FindingKind.USE_WITHOUT_TRANSACTION, f"redemptions/{use_id}", text)
    empty = _unmatched(org_id, _transaction.c.id, _redemption.c.transaction_id)
    for transaction_id, _ in connection.execute(empty):
        subject = f"transactions/{transaction_id}"
        yield Finding(FindingKind.TRANSACTION_WITHOUT_USE, subject, "no use is recorded")


def reversals(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Each reversed redemption is recorded and has its reversal, which reversed something."""
    for kind, table, record_id in (
        (RecordKind.PROMOTION_REDEMPTION, _redemption, _redemption.c.id),
        (RecordKind.COUPON_REDEMPTION, _coupon_redemption, cast(_coupon_redemption.c.id, String)),
    ):
        recorded = known(select(record_id).where(table.c.org_id == org_id))
        lost = (
            select(_reversed.c.record_id)
            .select_from(_reversed.outerjoin(recorded, recorded.c[0] == _reversed.c.record_id))
            .where(
                _reversed.c.org_id == org_id,
                _reversed.c.kind == int(kind),
                recorded.c[0].is_(None),
            )
        )
        for (found,) in connection.execute(lost.limit(FINDINGS_MAX)):
            subject = f"reversals/{table.name}/{found}"
            text = "there is no such redemption"
            yield Finding(FindingKind.REVERSAL_WITHOUT_REDEMPTION, subject, text)
    same = _reversed.c.reversal_id == _reversal.c.id
    of_org = (_reversed.c.org_id == org_id, _reversal.c.org_id == org_id)
    without = select(_reversed.c.record_id, _reversed.c.reversal_id).where(
        of_org[0], ~exists().where(of_org[1], same).correlate(_reversed)
    )
    for found, reversal_id in connection.execute(without.limit(FINDINGS_MAX)):
        text = f"there is no reversal {reversal_id}"
        yield Finding(FindingKind.REVERSAL_WITHOUT_REDEMPTION, f"reversals/{found}", text)
    empty = select(_reversal.c.id).where(
        of_org[1], ~exists().where(of_org[0], same).correlate(_reversal)
    )
    for (reversal_id,) in connection.execute(empty.limit(FINDINGS_MAX)):
        text = "it reversed nothing"
        yield Finding(FindingKind.REVERSAL_WITHOUT_REDEMPTION, f"reversals/{reversal_id}", text)


def catalog_references(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Records name objects of the catalog."""
    for collection, column, target, nothing in _CATALOG_REFERENCES:
        refers = [] if nothing is None else [column != nothing]
        for record_id, value in connection.execute(_unmatched(org_id, column, target, *refers)):
            text = f"there is no {target.table.name} {value}"
            yield Finding(FindingKind.REFERENCE_DANGLING, f"{collection}/{record_id}", text)


def _unmatched(
    org_id: int, column: Column[Any], target: Column[Any], *conditions: ColumnElement[bool]
) -> Any:
    """The records whose column matches no row of the target: their ids and the values."""
    table: Table = column.table
    matches = exists().where(target.table.c.org_id == org_id, target == column).correlate(table)
    return (
        select(table.c.id, column)
        .where(table.c.org_id == org_id, ~matches, *conditions)
        .limit(FINDINGS_MAX)
    )
