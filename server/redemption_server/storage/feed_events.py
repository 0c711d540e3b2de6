"""Reads events with what they are about, in their order."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, String, cast, select

from redemption_server.rules.facts import DiscountType, RecordKind
from redemption_server.rules.normal import fold
from redemption_server.rules.reversal_policy import Returned, ReversalReason
from redemption_server.storage.catalog_tables import CouponRow
from redemption_server.storage.dialect import among, table_of
from redemption_server.storage.instants import from_ms
from redemption_server.storage.lookups import FoundRedemption, FoundReversal, load_redemptions
from redemption_server.storage.record_tables import (
    CouponRedemptionRow,
    EventRow,
    EventSequenceRow,
    ReversalRow,
    ReversedRecordRow,
)
from redemption_server.storage.records import EventKind

_event = table_of(EventRow)
_sequence = table_of(EventSequenceRow)
_coupon = table_of(CouponRow)
_coupon_redemption = table_of(CouponRedemptionRow)
_reversed = table_of(ReversedRecordRow)
_reversal = table_of(ReversalRow)

_OF_PROMOTIONS = frozenset((EventKind.PROMOTION_REDEEMED, EventKind.PROMOTION_REVERSED))
REVERSALS = frozenset((EventKind.PROMOTION_REVERSED, EventKind.COUPON_REVERSED))
_KINDS = {int(kind): kind for kind in EventKind}


class FoundCouponRedemption(NamedTuple):
    """A coupon redemption. Amounts are micro-units; `code` is spelled as in the catalog."""

    redemption_id: int
    code: str
    code_key: str
    series_id: int
    customer_id: int
    discount_code: str
    discount_type: DiscountType
    discount_value: int
    discount_up_to: int | None
    transaction_number: str
    amount: int | None
    custom_fields: tuple[tuple[str, str], ...]
    till_id: int | None
    redeemed_at: datetime
    reversal: FoundReversal | None


class FoundEvent(NamedTuple):
    """An event and what it is about. What is no reversal comes without one, whatever came later."""

    sequence: int
    kind: EventKind
    recorded_at: datetime
    redemption: FoundRedemption | FoundCouponRedemption

    @property
    def code_key(self) -> str:
        """The folded code of the redemption, empty when it has none."""
        if isinstance(self.redemption, FoundCouponRedemption):
            return self.redemption.code_key
        return fold(self.redemption.promo_code)


def last_sequence(connection: Connection, org_id: int) -> int:
    """The number of the organisation's newest event, 0 when it has none."""
    statement = select(_sequence.c.last).where(_sequence.c.org_id == org_id)
    return connection.execute(statement).scalar_one_or_none() or 0


def load_events(connection: Connection, org_id: int, after: int, count: int) -> list[FoundEvent]:
    """At most `count` events behind a number."""
    rows = connection.execute(
        select(_event.c.sequence, _event.c.kind, _event.c.record_id, _event.c.recorded_at_ms)
        .where(_event.c.org_id == org_id, _event.c.sequence > after)
        .order_by(_event.c.sequence)
        .limit(count)
    ).all()
    ids: set[str] = set()
    coupon_ids: set[str] = set()
    for _, number, record_id, _ in rows:
        (ids if number in _OF_PROMOTIONS else coupon_ids).add(record_id)
    uses = _load_uses(connection, org_id, ids)
    coupons = _load_coupons(connection, org_id, coupon_ids)
    events = []
    for sequence, number, record_id, recorded_at_ms in rows:
        found: FoundRedemption | FoundCouponRedemption = (
            uses[record_id] if number in _OF_PROMOTIONS else coupons[record_id]
        )
        if found.reversal and number not in REVERSALS:
            found = found._replace(reversal=None)
        events.append(FoundEvent(sequence, _KINDS[number], from_ms(recorded_at_ms), found))
    return events


def _load_uses(
    connection: Connection, org_id: int, ids: Iterable[str]
) -> dict[str, FoundRedemption]:
    if not ids:
        return {}
    return {found.id: found for found in load_redemptions(connection, org_id, sorted(ids))}


def _load_coupons(
    connection: Connection, org_id: int, ids: Iterable[str]
) -> dict[str, FoundCouponRedemption]:
    found = load_coupon_redemptions(connection, org_id, sorted(map(int, ids)))
    return {str(redemption.redemption_id): redemption for redemption in found}


def load_coupon_redemptions(
    connection: Connection, org_id: int, ids: Sequence[int]
) -> list[FoundCouponRedemption]:
    """Coupon redemptions by their ids."""
    if not ids:
        return []
    coupon, redemption = _coupon.c, _coupon_redemption.c
    statement = select(
        _coupon_redemption,
        coupon.code,
        _reversed.c.reversal_id,
        _reversed.c.returned,
        _reversal.c.reason,
        _reversal.c.recorded_at_ms.label("reversed_at_ms"),
    ).select_from(
        among(connection, org_id, redemption.id, ids)
        .outerjoin(_coupon, (coupon.org_id == org_id) & (coupon.code_key == redemption.code_key))
        .outerjoin(
            _reversed,
            (_reversed.c.org_id == org_id)
            & (_reversed.c.kind == int(RecordKind.COUPON_REDEMPTION))
            & (_reversed.c.record_id == cast(redemption.id, String)),
        )
        .outerjoin(
            _reversal,
            (_reversal.c.org_id == org_id) & (_reversal.c.id == _reversed.c.reversal_id),
        )
    )
    return [_found_coupon(row) for row in connection.execute(statement)]


def _found_coupon(row: Row[Any]) -> FoundCouponRedemption:
    return FoundCouponRedemption(
        redemption_id=row.id,
        code=row.code or row.code_key,
        code_key=row.code_key,
        series_id=row.series_id,
        customer_id=row.customer_id,
        discount_code=row.discount_code,
        discount_type=DiscountType(row.discount_type),
        discount_value=row.discount_value_micros,
        discount_up_to=row.discount_up_to_micros,
        transaction_number=row.transaction_number,
        amount=row.amount_micros,
        custom_fields=tuple((name, value) for name, value in orjson.loads(row.custom_fields)),
        till_id=row.till_id,
        redeemed_at=from_ms(row.redeemed_at_ms),
        reversal=FoundReversal(
            row.reversal_id,
            ReversalReason(row.reason),
            from_ms(row.reversed_at_ms),
            Returned(row.returned),
        )
        if row.reversal_id
        else None,
    )
