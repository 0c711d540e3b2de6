"""All that a database of either engine says was redeemed, and whether its parts agree."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from redemption_server.rules.facts import Operation
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine


class PromotionRecord(NamedTuple):
    """A line of a transaction."""

    id: str
    transaction_identifier: str
    promotion_id: str
    customer_id: int


class CouponRecord(NamedTuple):
    """A redeemed coupon."""

    id: str
    request_id: str
    code: str
    series_id: int
    customer_id: int


class Counted(NamedTuple):
    """A counter; `limit` is None where it only records."""

    used: int
    limit: int | None


@dataclass(frozen=True)
class Records:
    """The rows, as they are."""

    promotions: list[PromotionRecord]
    coupons: list[CouponRecord]
    claims: list[tuple[int, str]]
    usage: dict[tuple[int, str, str], Counted]
    events: list[tuple[int, str]]
    last_event: int

    @property
    def redemptions(self) -> list[PromotionRecord | CouponRecord]:
        """What was redeemed, of either kind."""
        return [*self.promotions, *self.coupons]

    @property
    def keys(self) -> list[tuple[int, str]]:
        """The key of each transaction and coupon request, once per record."""
        promotions = [
            (int(Operation.REDEEM_PROMOTIONS), record.transaction_identifier)
            for record in self.promotions
        ]
        coupons = [(int(Operation.REDEEM_COUPONS), record.request_id) for record in self.coupons]
        return promotions + coupons

    def assert_agree(self) -> None:
        """One claim per key and one event per record, numbered without a gap.

        Requests are taken to have one line, or one coupon.
        """
        assert_same(self.keys, self.claims)
        records = [record.id for record in self.redemptions]
        assert_same(records, [record_id for _, record_id in self.events])
        numbers = [number for number, _ in self.events]
        assert numbers == list(range(1, len(records) + 1))
        assert self.last_event == len(records)


def assert_same(left: list[Any], right: list[Any]) -> None:
    """Equal in any order; says what is missing or doubled instead of printing both."""
    one, other = Counter(left), Counter(right)
    surplus = dict(one - other), dict(other - one)
    assert surplus == ({}, {}), f"only left, only right: {surplus}"


_PROMOTIONS = (
    "SELECT r.id, t.transaction_identifier, r.promotion_id, t.customer_id "
    "FROM promotion_transaction t LEFT JOIN promotion_redemption r "
    "ON r.org_id = t.org_id AND r.transaction_id = t.id"
)
_COUPONS = (
    "SELECT CAST(id AS TEXT), claim_key, code_key, series_id, customer_id FROM coupon_redemption"
)
_CLAIMS = "SELECT operation, key FROM claim"
_USAGE = "SELECT scope, subject, member, used, use_limit FROM usage"
_EVENTS = "SELECT sequence, record_id FROM event ORDER BY sequence"
_LAST_EVENT = "SELECT coalesce(max(last), 0) FROM event_sequence"


async def read_records(url: str) -> Records:
    """What the database at a URL holds, of its only organisation."""
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            return Records(
                promotions=[PromotionRecord(*row) for row in await _rows(connection, _PROMOTIONS)],
                coupons=[CouponRecord(*row) for row in await _rows(connection, _COUPONS)],
                claims=await _rows(connection, _CLAIMS),
                usage={
                    (scope, subject, member): Counted(used, limit)
                    for scope, subject, member, used, limit in await _rows(connection, _USAGE)
                },
                events=await _rows(connection, _EVENTS),
                last_event=(await _rows(connection, _LAST_EVENT))[0][0],
            )
    finally:
        await engine.dispose()


async def _rows(connection: AsyncConnection, statement: str) -> list[Any]:
    return [tuple(row) for row in await connection.execute(text(statement))]
