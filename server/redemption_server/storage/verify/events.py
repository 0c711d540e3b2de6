"""Events against records, and their numbers."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, cast, exists, func, select

from redemption_server.storage.dialect import table_of
from redemption_server.storage.record_tables import (
    CouponRedemptionRow,
    EventRow,
    EventSequenceRow,
    PromotionRedemptionRow,
)
from redemption_server.storage.records import EventKind
from redemption_server.storage.verify.findings import FINDINGS_MAX, Finding, FindingKind

_event = table_of(EventRow)
_sequence = table_of(EventSequenceRow)
_redemption = table_of(PromotionRedemptionRow)
_coupon_redemption = table_of(CouponRedemptionRow)

_RECORDS: tuple[tuple[EventKind, Any, ColumnElement[str]], ...] = (
    (EventKind.PROMOTION_REDEEMED, _redemption, _redemption.c.id),
    (EventKind.COUPON_REDEEMED, _coupon_redemption, cast(_coupon_redemption.c.id, String)),
)


def event_records(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Each record has one event, each event its record."""
    for kind, table, record_id in _RECORDS:
        of_kind = (_event.c.org_id == org_id, _event.c.kind == int(kind))
        same = _event.c.record_id == record_id
        # Not NOT IN, which PostgreSQL answers row by row once the events outgrow its memory.
        has_event = exists().where(*of_kind, same).correlate(table)
        missing = select(record_id).where(table.c.org_id == org_id, ~has_event)
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
        has_record = exists().where(table.c.org_id == org_id, same).correlate(_event)
        orphans = select(_event.c.sequence, _event.c.record_id).where(*of_kind, ~has_record)
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
    """Events are numbered from 1 without a gap."""
    of_org = _event.c.org_id == org_id
    count, first, newest = connection.execute(
        select(func.count(), func.min(_event.c.sequence), func.max(_event.c.sequence)).where(of_org)
    ).one()
    last = connection.execute(
        select(_sequence.c.last).where(_sequence.c.org_id == org_id)
    ).scalar_one_or_none()
    if (newest or 0) != (last or 0):
        text = f"the newest event is {newest}, the last number given is {last}"
        yield Finding(FindingKind.EVENT_SEQUENCE_BROKEN, f"eventSequences/{org_id}", text)
    if count and first != 1:
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
