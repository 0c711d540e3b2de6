"""Events against records, and their numbers."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    String,
    Table,
    cast,
    exists,
    func,
    select,
    true,
)

from redemption_server.rules.facts import RecordKind
from redemption_server.storage.dialect import table_of
from redemption_server.storage.record_tables import (
    CouponRedemptionRow,
    EventRow,
    EventSequenceRow,
    PromotionRedemptionRow,
    PromotionTransactionRow,
    ReversalRow,
    ReversedRecordRow,
)
from redemption_server.storage.records import EventKind
from redemption_server.storage.retention import pruned
from redemption_server.storage.verify.findings import FINDINGS_MAX, Finding, FindingKind
from redemption_server.storage.verify.known import known

_event = table_of(EventRow)
_sequence = table_of(EventSequenceRow)
_redemption = table_of(PromotionRedemptionRow)
_transaction = table_of(PromotionTransactionRow)
_coupon_redemption = table_of(CouponRedemptionRow)
_reversal = table_of(ReversalRow)
_reversed = table_of(ReversedRecordRow)


class _Recorded(NamedTuple):
    """Records that have events of some kinds: their table, their ids there, when they were made."""

    kinds: tuple[EventKind, ...]
    table: Table
    record_id: ColumnElement[str]
    source: FromClause
    recorded_at_ms: ColumnElement[int]
    condition: ColumnElement[bool]


def _of_reversals(kind: RecordKind, event: EventKind) -> _Recorded:
    same = (_reversal.c.org_id == _reversed.c.org_id) & (_reversal.c.id == _reversed.c.reversal_id)
    return _Recorded(
        (event,),
        _reversed,
        _reversed.c.record_id,
        _reversed.join(_reversal, same),
        _reversal.c.recorded_at_ms,
        _reversed.c.kind == int(kind),
    )


_RECORDS = (
    _Recorded(
        (EventKind.PROMOTION_REDEEMED,),
        _redemption,
        _redemption.c.id,
        _redemption.join(
            _transaction,
            (_transaction.c.org_id == _redemption.c.org_id)
            & (_transaction.c.id == _redemption.c.transaction_id),
        ),
        _transaction.c.recorded_at_ms,
        true(),
    ),
    _Recorded(
        (EventKind.COUPON_REDEEMED, EventKind.COUPON_REDEEMED_AMONG_OTHERS),
        _coupon_redemption,
        cast(_coupon_redemption.c.id, String),
        _coupon_redemption,
        _coupon_redemption.c.redeemed_at_ms,
        true(),
    ),
    _of_reversals(RecordKind.PROMOTION_REDEMPTION, EventKind.PROMOTION_REVERSED),
    _of_reversals(RecordKind.COUPON_REDEMPTION, EventKind.COUPON_REVERSED),
)


def event_records(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Each record has one event, unless it was pruned, each event its record."""
    kept_from = pruned(connection, org_id).events_before_ms
    for recorded in _RECORDS:
        table = recorded.table
        kinds = [int(kind) for kind in recorded.kinds]
        of_kind = (_event.c.org_id == org_id, _event.c.kind.in_(kinds))
        told = known(select(_event.c.record_id).where(*of_kind))
        source = recorded.source if kept_from else table
        missing = (
            select(recorded.record_id)
            .select_from(source.outerjoin(told, told.c[0] == recorded.record_id))
            .where(table.c.org_id == org_id, recorded.condition, told.c[0].is_(None))
        )
        if kept_from:
            missing = missing.where(recorded.recorded_at_ms >= kept_from)
        for (found,) in connection.execute(missing.limit(FINDINGS_MAX)):
            text = "the record has no event"
            yield Finding(FindingKind.EVENT_MISSING, f"{table.name}/{found}", text)
        repeated = (
            select(_event.c.record_id, func.count())
            .where(*of_kind)
            .group_by(_event.c.record_id)
            .having(func.count() > 1)
        )
        for found, count in connection.execute(repeated.limit(FINDINGS_MAX)):
            text = f"the record has {count} events"
            yield Finding(FindingKind.EVENT_MISSING, f"{table.name}/{found}", text)
        recorded_ids = known(
            select(recorded.record_id).where(table.c.org_id == org_id, recorded.condition)
        )
        orphans = (
            select(_event.c.sequence, _event.c.record_id)
            .select_from(_event.outerjoin(recorded_ids, recorded_ids.c[0] == _event.c.record_id))
            .where(*of_kind, recorded_ids.c[0].is_(None))
        )
        for sequence, found in connection.execute(orphans.limit(FINDINGS_MAX)):
            text = f"there is no record {found}"
            yield Finding(FindingKind.EVENT_WITHOUT_RECORD, f"events/{sequence}", text)


def event_kinds(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Events are of kinds that there are."""
    known = [int(kind) for kind in EventKind]
    unknown = select(_event.c.sequence, _event.c.record_id).where(
        _event.c.org_id == org_id, _event.c.kind.not_in(known)
    )
    for sequence, found in connection.execute(unknown.limit(FINDINGS_MAX)):
        text = f"there is no record {found}"
        yield Finding(FindingKind.EVENT_WITHOUT_RECORD, f"events/{sequence}", text)


def event_sequence(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Events are numbered without a gap, from 1 or from the last that was pruned."""
    through = pruned(connection, org_id).events_through
    of_org = _event.c.org_id == org_id
    count, first, newest = connection.execute(
        select(func.count(), func.min(_event.c.sequence), func.max(_event.c.sequence)).where(of_org)
    ).one()
    last = connection.execute(
        select(_sequence.c.last).where(_sequence.c.org_id == org_id)
    ).scalar_one_or_none()
    if (newest or through) != (last or 0):
        text = f"the newest event is {newest}, the last number given is {last}"
        yield Finding(FindingKind.EVENT_SEQUENCE_BROKEN, f"eventSequences/{org_id}", text)
    if count and first != through + 1:
        text = f"the first event is {first}"
        yield Finding(FindingKind.EVENT_SEQUENCE_BROKEN, f"eventSequences/{org_id}", text)
    if count and newest - first + 1 != count:
        following = _event.alias()
        follows = exists().where(
            following.c.org_id == org_id, following.c.sequence == _event.c.sequence + 1
        )
        before_gap = select(_event.c.sequence).where(
            of_org, _event.c.sequence < newest, ~follows.correlate(_event)
        )
        for (sequence,) in connection.execute(before_gap.limit(FINDINGS_MAX)):
            text = "the event is missing"
            subject = f"events/{sequence + 1}"
            yield Finding(FindingKind.EVENT_SEQUENCE_BROKEN, subject, text)
