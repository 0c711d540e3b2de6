"""What a database holds after a storm, and everything that must be true of it by itself.

The state is read row by row and judged in memory, by sums of its own: nothing here shares a
statement with the product.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from redemption_server.rules.facts import CounterKey, Operation, Scope
from redemption_server.storage.records import EventKind
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from tests.storm.limits import Coupon, Limits, Sale, Use

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Violation(NamedTuple):
    """A promise that was broken, and where."""

    name: str
    detail: str


class RecordedSale(NamedTuple):
    """A sale in the database; `over_limit` names the promotions whose uses are flagged."""

    sale: Sale
    credential_key: str
    use_ids: tuple[str, ...]
    over_limit: frozenset[str]


class RecordedCoupon(NamedTuple):
    """A coupon redemption in the database."""

    coupon: Coupon
    credential_key: str
    claim: tuple[int, str]
    transaction_number: str

    @property
    def request_id(self) -> str:
        """The key that the caller gave; empty when there was none."""
        operation, key = self.claim
        return key if operation == Operation.REDEEM_COUPONS else ""


class Event(NamedTuple):
    """An event in the database."""

    org_id: int
    sequence: int
    kind: int
    record_id: str


@dataclass(frozen=True)
class State:
    """Everything that redemptions left; keys begin with the organisation."""

    sales: dict[tuple[int, str], RecordedSale]
    coupons: dict[tuple[int, int], RecordedCoupon]
    used: dict[tuple[int, CounterKey], int]
    held_to: dict[tuple[int, CounterKey], int | None]
    claims: set[tuple[int, int, str]]
    events: list[Event]
    last_sequences: dict[int, int]

    def used_by(self, org_id: int) -> dict[CounterKey, int]:
        """The counters of an organisation."""
        return {key: used for (org, key), used in self.used.items() if org == org_id}


async def load_state(url: str) -> State:
    """The state of a database, at either engine's URL."""
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        state = await _read(connection)
    await engine.dispose()
    return state


async def _read(connection: AsyncConnection) -> State:
    async def rows(statement: str) -> Any:
        return (await connection.execute(text(statement))).all()

    uses = defaultdict(list)
    for org_id, transaction_id, *use in await rows(
        "SELECT org_id, transaction_id, id, over_limit, promotion_id, redemption_count, "
        "discount_micros, code_id, earned_promotion_id, line_id IS NOT NULL "
        "FROM promotion_redemption ORDER BY id"
    ):
        uses[org_id, transaction_id].append(use)
    sales = {
        (row.org_id, row.transaction_identifier): _sale(row, uses[row.org_id, row.id])
        for row in await rows("SELECT * FROM promotion_transaction")
    }
    coupons = {
        (row.org_id, row.id): RecordedCoupon(
            Coupon(row.code_key, row.customer_id),
            row.credential_key,
            (row.claim_operation, row.claim_key),
            row.transaction_number,
        )
        for row in await rows("SELECT * FROM coupon_redemption")
    }
    counters = {
        (org_id, CounterKey(Scope(scope), *rest)): (used, use_limit)
        for org_id, scope, *rest, used, use_limit in await rows(
            "SELECT org_id, scope, subject, member, window_start, used, use_limit FROM usage"
        )
    }
    return State(
        sales=sales,
        coupons=coupons,
        used={key: used for key, (used, _) in counters.items()},
        held_to={key: use_limit for key, (_, use_limit) in counters.items()},
        claims={tuple(row) for row in await rows("SELECT org_id, operation, key FROM claim")},
        events=[
            Event(*row)
            for row in await rows(
                "SELECT org_id, sequence, kind, record_id FROM event ORDER BY org_id, sequence"
            )
        ],
        last_sequences=dict(map(tuple, await rows("SELECT org_id, last FROM event_sequence"))),
    )


def _sale(row: Any, uses: list[list[Any]]) -> RecordedSale:
    return RecordedSale(
        Sale(
            row.customer_id,
            _EPOCH + timedelta(milliseconds=row.transaction_at_ms),
            row.amount_micros,
            tuple(_use(*fields) for _, _, *fields in uses),
        ),
        row.credential_key,
        tuple(use_id for use_id, *_ in uses),
        frozenset(promotion_id for _, over_limit, promotion_id, *_ in uses if over_limit),
    )


def _use(*fields: Any) -> Use:
    use = Use(*fields)
    # SQLite has no booleans.
    return use._replace(on_line=bool(use.on_line))


def violations_of(state: State, limits: Mapping[int, Limits]) -> Iterator[Violation]:
    """What is wrong with a state by itself; `limits` by organisation."""
    yield from _counters(state, limits)
    yield from _claims(state)
    yield from _events(state)
    yield from _flags(state, limits)
    yield from _callers(state, limits)


def _counters(state: State, limits: Mapping[int, Limits]) -> Iterator[Violation]:
    sums: Counter[tuple[int, CounterKey]] = Counter()
    for (org_id, _), recorded in state.sales.items():
        for key, amount in limits[org_id].sale_demand(recorded.sale).items():
            sums[org_id, key] += amount
    for (org_id, _), redeemed in state.coupons.items():
        for key, amount in limits[org_id].coupon_demand(redeemed.coupon).items():
            sums[org_id, key] += amount
    for counter in state.used.keys() | sums.keys():
        org_id, key = counter
        used, summed = state.used.get(counter), sums.get(counter)
        limit = limits[org_id].of(key)
        if used != summed:
            yield Violation("counter differs from the records", f"{counter}: {used}, not {summed}")
        if limit and not limit.records and max(used or 0, summed or 0) > limit.limit:
            yield Violation("over the limit", f"{counter}: {used}, {summed} of {limit.limit}")
        held_to = limit.limit if limit and not limit.records else None
        if used is not None and state.held_to[counter] != held_to:
            yield Violation("counter held to another limit", f"{counter}: not {held_to}")


def _claims(state: State) -> Iterator[Violation]:
    promotions = int(Operation.REDEEM_PROMOTIONS)
    keys = {(org_id, promotions, identifier) for org_id, identifier in state.sales}
    keys |= {(org_id, *redeemed.claim) for (org_id, _), redeemed in state.coupons.items()}
    yield from _each("claim without record", state.claims - keys)
    yield from _each("record without claim", keys - state.claims)


def _events(state: State) -> Iterator[Violation]:
    sequences = defaultdict(list)
    for event in state.events:
        sequences[event.org_id].append(event.sequence)
    for org_id, found in sequences.items():
        if found != list(range(1, state.last_sequences.get(org_id, 0) + 1)):
            yield Violation("events are not gap-free", f"organisation {org_id}: {len(found)}")
    told = Counter((event.org_id, _told_of(event), event.record_id) for event in state.events)
    records = {
        (org_id, int(EventKind.PROMOTION_REDEEMED), use_id)
        for (org_id, _), recorded in state.sales.items()
        for use_id in recorded.use_ids
    }
    records |= {
        (org_id, int(EventKind.COUPON_REDEEMED), str(redemption_id))
        for org_id, redemption_id in state.coupons
    }
    yield from _each("event without record", told.keys() - records)
    yield from _each("record without event", records - told.keys())
    yield from _each("record with several events", {key for key, n in told.items() if n > 1})
    of_claim = Counter((org_id, redeemed.claim) for (org_id, _), redeemed in state.coupons.items())
    with_others = {
        (org_id, str(redemption_id))
        for (org_id, redemption_id), redeemed in state.coupons.items()
        if of_claim[org_id, redeemed.claim] > 1
    }
    alone = {(e.org_id, e.record_id) for e in state.events if e.kind == EventKind.COUPON_REDEEMED}
    yield from _each("coupon told of as if it were alone", with_others & alone)


def _told_of(event: Event) -> int:
    """The kind of an event, the same for a coupon alone and for one among others."""
    among_others = event.kind == EventKind.COUPON_REDEEMED_AMONG_OTHERS
    return int(EventKind.COUPON_REDEEMED) if among_others else event.kind


def _flags(state: State, limits: Mapping[int, Limits]) -> Iterator[Violation]:
    """Retells the history in the order of its events: each flag was right when it was set."""
    sale_of = {
        (org_id, use_id): recorded
        for (org_id, _), recorded in state.sales.items()
        for use_id in recorded.use_ids[:1]
    }
    used: Counter[tuple[int, CounterKey]] = Counter()
    for event in state.events:
        recorded = sale_of.get((event.org_id, event.record_id))
        if recorded is None:
            continue
        over_limit = set()
        for promotion_id, demand in limits[event.org_id].sale_demands(recorded.sale).items():
            for key, amount in demand.items():
                limit = limits[event.org_id].of(key)
                used[event.org_id, key] += amount
                if limit and used[event.org_id, key] > limit.limit:
                    over_limit.add(promotion_id)
        if over_limit != recorded.over_limit:
            yield Violation("flag differs from the history", f"{event}: {recorded.over_limit}")


def _callers(state: State, limits: Mapping[int, Limits]) -> Iterator[Violation]:
    records: Iterable[tuple[tuple[int, Any], RecordedSale | RecordedCoupon]] = [
        *state.sales.items(),
        *state.coupons.items(),
    ]
    for (org_id, record), recorded in records:
        if recorded.credential_key not in limits[org_id].callers:
            yield Violation("recorded for a foreign caller", f"{org_id} {record}")


def _each(name: str, found: Iterable[Any]) -> Iterator[Violation]:
    for item in found:
        yield Violation(name, str(item))
