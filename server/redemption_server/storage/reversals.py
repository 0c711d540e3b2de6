"""Reversals: what may be reversed is loaded for the batch, what was is written by it."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, String, cast, exists, func, select

from redemption_server.rules.commands import Caller, ReverseRedemption
from redemption_server.rules.facts import (
    CounterKey,
    Facts,
    RecordKey,
    RecordKind,
    Redeemed,
    RequestKey,
    Scope,
)
from redemption_server.rules.outcomes import RecordedReversal
from redemption_server.rules.reversal_policy import Returned
from redemption_server.storage import coupon_facts, promotion_facts
from redemption_server.storage.dialect import among, insert_rows, matching, table_of
from redemption_server.storage.instants import from_ms, to_ms
from redemption_server.storage.record_tables import (
    CouponRedemptionRow,
    PromotionRedemptionRow,
    PromotionTransactionRow,
    ReversalRow,
    ReversedRecordRow,
    UsageRow,
)

_transaction = table_of(PromotionTransactionRow)
_use = table_of(PromotionRedemptionRow)
_coupon = table_of(CouponRedemptionRow)
_reversal = table_of(ReversalRow)
_reversed = table_of(ReversedRecordRow)
_usage = table_of(UsageRow)


def load(connection: Connection, facts: Facts, commands: Sequence[ReverseRedemption]) -> None:
    """Fills in the redemptions that the commands name, and what they are counted by."""
    identifiers = {c.transaction_identifier for c in commands if c.transaction_identifier}
    coupon_ids = {int(i) for c in commands if not c.transaction_identifier for i in c.record_ids}
    if identifiers:
        facts.transactions = _load_uses(connection, facts.organization.id, sorted(identifiers))
    if coupon_ids:
        facts.redeemed_coupons = _load_coupons(
            connection, facts.organization.id, sorted(coupon_ids)
        )
    uses = [use for found in facts.transactions.values() for use in found]
    coupons = list(facts.redeemed_coupons.values())
    facts.reversed = _load_reversed(connection, facts, [item.key for item in (*uses, *coupons)])
    promotion_facts.load_more(
        connection,
        facts,
        {use.subject for use in uses},
        {use.earned_promotion_id for use in uses if use.earned_promotion_id},
    )
    coupon_facts.load_more_series(connection, facts, {int(coupon.subject) for coupon in coupons})


def write_reversals(
    connection: Connection,
    org_id: int,
    reversals: Sequence[tuple[Caller, RequestKey, RecordedReversal]],
) -> None:
    """Adds reversals. A redemption that another transaction reversed meanwhile fails them all."""
    rows = [
        (
            org_id,
            reversal.id,
            int(reversal.reason),
            reversal.note,
            key.key,
            caller.till_id,
            caller.credential_key,
            to_ms(reversal.recorded_at),
        )
        for caller, key, reversal in reversals
    ]
    insert_rows(connection, _reversal, rows)
    records = [
        (org_id, int(record.key.kind), record.key.id, reversal.id, int(record.returned))
        for _, _, reversal in reversals
        for record in reversal.records
    ]
    insert_rows(connection, _reversed, sorted(records))


def correct_last_redemptions(
    connection: Connection, org_id: int, keys: Iterable[CounterKey]
) -> None:
    """Has a customer's gap in a series count from the last redemption that still stands.

    Comes after all records of the batch are written; the counters are locked.
    """
    for key in sorted(keys):
        if key.scope is not Scope.SERIES_CUSTOMER:
            continue
        given_back = exists().where(
            _reversed.c.org_id == org_id,
            _reversed.c.kind == int(RecordKind.COUPON_REDEMPTION),
            _reversed.c.record_id == cast(_coupon.c.id, String),
            _reversed.c.returned.op("&")(int(Returned.CUSTOMER)) != 0,
        )
        last = (
            select(func.max(_coupon.c.redeemed_at_ms))
            .where(
                _coupon.c.org_id == org_id,
                _coupon.c.series_id == int(key.subject),
                _coupon.c.customer_id == int(key.member),
                ~given_back.correlate(_coupon),
            )
            .scalar_subquery()
        )
        connection.execute(
            _usage.update()
            .where(
                _usage.c.org_id == org_id,
                _usage.c.scope == int(key.scope),
                _usage.c.subject == key.subject,
                _usage.c.member == key.member,
                _usage.c.window_start == key.window_start,
            )
            .values(last_at_ms=last)
        )


def _load_uses(
    connection: Connection, org_id: int, identifiers: Sequence[str]
) -> dict[str, tuple[Redeemed, ...]]:
    source = among(connection, org_id, _transaction.c.transaction_identifier, identifiers)
    statement = (
        select(
            _use,
            _transaction.c.transaction_identifier,
            _transaction.c.transaction_at_ms,
            _transaction.c.customer_id,
        )
        .select_from(
            source.join(
                _use, (_use.c.org_id == org_id) & (_use.c.transaction_id == _transaction.c.id)
            )
        )
        .order_by(_use.c.id)
    )
    found: dict[str, tuple[Redeemed, ...]] = {}
    for row in connection.execute(statement):
        before = found.get(row.transaction_identifier, ())
        found[row.transaction_identifier] = (*before, _redeemed_use(row))
    return found


def _redeemed_use(row: Row[Any]) -> Redeemed:
    return Redeemed(
        key=RecordKey(RecordKind.PROMOTION_REDEMPTION, row.id),
        subject=row.promotion_id,
        customer_id=row.customer_id,
        code=row.code_id,
        earned_promotion_id=row.earned_promotion_id,
        count=row.redemption_count,
        discount=row.discount_micros,
        at=from_ms(row.transaction_at_ms),
    )


def _load_coupons(connection: Connection, org_id: int, ids: Sequence[int]) -> dict[str, Redeemed]:
    rows = connection.execute(
        select(_coupon).select_from(among(connection, org_id, _coupon.c.id, ids))
    )
    return {
        str(row.id): Redeemed(
            key=RecordKey(RecordKind.COUPON_REDEMPTION, str(row.id)),
            subject=str(row.series_id),
            customer_id=row.customer_id,
            code=row.code_key,
            earned_promotion_id="",
            count=1,
            discount=0,
            at=from_ms(row.redeemed_at_ms),
        )
        for row in rows
    }


def _load_reversed(
    connection: Connection, facts: Facts, keys: Sequence[RecordKey]
) -> set[RecordKey]:
    if not keys:
        return set()
    columns = [_reversed.c.kind, _reversed.c.record_id]
    rows = [(int(kind), record_id) for kind, record_id in keys]
    matched = matching(connection, facts.organization.id, columns, rows)
    found = connection.execute(select(*columns).select_from(matched.source))
    return {RecordKey(RecordKind(kind), record_id) for kind, record_id in found}
