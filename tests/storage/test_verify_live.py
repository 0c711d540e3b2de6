"""Verifying beside redemptions, and after any of them."""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redemption_server.rules.commands import CouponCustomer
from redemption_server.rules.outcomes import Answer, Granted, Outcome, RecordedCoupons
from redemption_server.rules.reversal_policy import ReversalReason
from redemption_server.storage.dialect import insert_rows
from redemption_server.storage.records import EventKind
from redemption_server.storage.schema import METADATA
from redemption_server.storage.verify.checks import CHECKS
from redemption_server.storage.verify.findings import Finding
from sqlalchemy import Connection, event, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util import await_only

from tests.storage.ledger import ANONYMOUS, MOMENTS, drop_guards, find, organization, rolled_back
from tests.support import catalogs
from tests.support.catalogs import CUSTOMER, ORG, OTHER_CUSTOMER, OTHER_ORG
from tests.support.desk import CALLER, Desk, coupon, use
from tests.support.soaking import examples

ROOM = 9_999
DAILY = {"limit": ROOM, "window": "DAY"}
BUSY = catalogs.organization(
    credentials=[],
    promotions=[
        catalogs.promotion(
            "total",
            limits={
                "redemptions_total": ROOM,
                "redemptions_per_customer": ROOM,
                "redemptions_per_code": ROOM,
                "discount_total": str(ROOM),
            },
            codes=[{"id": "c1", "code": "A"}],
        ),
        catalogs.promotion(
            "daily",
            limits={
                "redemptions_total": DAILY,
                "redemptions_per_customer": DAILY,
                "discount_total": {**DAILY, "limit": str(ROOM)},
            },
        ),
    ],
    coupon_series=[
        catalogs.series(
            max_redemptions=ROOM,
            max_redemptions_per_coupon=ROOM,
            max_redemptions_per_customer=ROOM,
            same_customer_may_repeat=True,
        )
    ],
)


async def redeem(desk: Desk, key: str = "", org_id: int = ORG) -> None:
    """Records something of everything that is counted, and reverses it in part."""
    key = key or desk.ids.record_id()
    caller = CALLER._replace(org_id=org_id)
    uses = [use("total"), use("daily")]
    _, redeemed = await asyncio.gather(
        granted(desk.redeem(*uses, transaction_identifier=key, caller=caller)),
        granted(desk.redeem_coupons(coupon(), request_id=key, caller=caller)),
    )
    assert isinstance(redeemed, RecordedCoupons)
    redemption_ids = [r.redemption.redemption_id for r in redeemed.results if r.redemption]
    changes: dict[str, Any] = {"reason": ReversalReason.RETURN, "caller": caller}
    await asyncio.gather(
        granted(desk.reverse(transaction_identifier=key, request_id=f"{key}-1", **changes)),
        granted(desk.reverse(*redemption_ids, request_id=f"{key}-2", **changes)),
    )


async def granted(request: Coroutine[Any, Any, Outcome]) -> Answer:
    outcome = await request
    assert isinstance(outcome, Granted), outcome
    return outcome.answer


async def verified(desk: Desk, org_id: int = ORG) -> list[Finding]:
    async with desk.database.snapshot() as connection:
        return await connection.run_sync(find, org_id)


@contextmanager
def redemptions_before_each_statement(desk: Desk, connection: AsyncConnection) -> Iterator[None]:
    def redeem_first(*_: Any) -> None:
        await_only(redeem(desk))

    event.listen(connection.sync_connection, "before_cursor_execute", redeem_first)
    yield
    event.remove(connection.sync_connection, "before_cursor_execute", redeem_first)


async def test_what_is_recorded_meanwhile_is_no_finding(desk: Desk) -> None:
    await desk.apply(BUSY)
    await redeem(desk)
    async with desk.database.snapshot() as connection:
        with redemptions_before_each_statement(desk, connection):
            for check in CHECKS:
                assert await connection.run_sync(check.run, ORG) == [], check.name
    [(transactions,)] = await desk.rows("SELECT count(*) FROM promotion_transaction")
    assert transactions > len(CHECKS)
    assert await verified(desk) == []


async def test_organisations_with_the_same_ids_that_redeem_together_are_healthy(desk: Desk) -> None:
    both = (ORG, OTHER_ORG)
    await desk.apply(*({**BUSY, "id": org_id} for org_id in both))
    keys = [f"key-{number}" for number in range(10)]
    await asyncio.gather(*(redeem(desk, key, org_id) for key in keys for org_id in both))
    assert [await verified(desk, org_id) for org_id in both] == [[], []]


async def test_a_verification_sees_one_moment(desk: Desk) -> None:
    keys = select(METADATA.tables["claim"].c.key)
    await desk.apply(BUSY)
    async with desk.database.snapshot() as connection:
        assert (await connection.execute(keys)).all() == []
        await redeem(desk)
        assert (await connection.execute(keys)).all() == []
    async with desk.database.snapshot() as connection:
        assert len((await connection.execute(keys)).all()) == 4


async def test_a_verification_cannot_change_anything(desk: Desk) -> None:
    await desk.apply(BUSY)
    await redeem(desk)
    async with desk.database.snapshot() as connection:
        with pytest.raises(DBAPIError, match=r"read-?only"):
            await connection.exec_driver_sql("DELETE FROM claim")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_verification_may_pause_as_long_as_it_must(desk: Desk) -> None:
    async with desk.database.snapshot() as connection:
        shown = await connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout")
        assert shown.scalar_one() == "0"


async def test_a_verification_takes_no_time_that_grows_with_the_square(desk: Desk) -> None:
    """A database that nobody has analysed yet: its planner knows nothing of so many new rows."""
    copies = 30_000
    await desk.apply(catalogs.organization(credentials=[], promotions=[catalogs.promotion("p1")]))
    await granted(desk.redeem(use("p1")))
    await desk.database.transact(partial(copy_records, copies=copies))
    begun = time.monotonic()
    assert await verified(desk) == []
    # A quarter of a second; half a minute and more where rows are compared with all others.
    assert time.monotonic() - begun < 10


def copy_records(connection: Connection, copies: int) -> None:
    """Records the one redemption that there is so many times more, each under a key of its own."""
    ids = {"id", "transaction_id", "transaction_identifier", "key", "record_id"}
    for name in ("claim", "promotion_transaction", "promotion_redemption", "event"):
        table = METADATA.tables[name]
        row = connection.execute(select(table)).one()._mapping
        copied = [
            [
                f"{row[c.name]}-{n}"
                if c.name in ids
                else row[c.name] + n
                if c.name == "sequence"
                else row[c.name]
                for c in table.columns
            ]
            for n in range(1, copies + 1)
        ]
        insert_rows(connection, table, copied)
    last = METADATA.tables["event_sequence"]
    connection.execute(update(last).values(last=copies + 1))


USES = (
    ("plain", ""),
    ("all", "A1"),
    ("all", "A2"),
    ("daily", ""),
    ("weekly", ""),
    ("monthly", ""),
    ("record", "R1"),
    ("record", ""),
    ("linked", ""),
    ("usual", "usual"),
    ("chosen", "chosen"),
)
CODES = ("usual", "chosen", "MANY", "MORE", "FREE", "GAP", "S1", "S2", "unknown")
customers = st.sampled_from([CUSTOMER, OTHER_CUSTOMER, ANONYMOUS])
uses = st.lists(
    st.tuples(st.sampled_from(USES), st.integers(1, 3), st.integers(0, 3_000_000), st.booleans()),
    min_size=1,
    max_size=4,
)
promotion_requests = st.tuples(customers, uses, st.sampled_from(MOMENTS))
coupon_requests = st.tuples(
    customers,
    st.lists(st.sampled_from(CODES), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)
# Which of the redemptions, why, and whether only a part of it.
reversal_requests = st.tuples(
    st.booleans(),
    st.integers(0, 10_000),
    st.sampled_from(ReversalReason),
    st.booleans(),
)
# What a mutation may change: the other numbers are instants, and limits of other days.
CELLS = (
    ("usage", "used"),
    ("usage", "scope"),
    ("usage", "window_start"),
    ("usage", "org_id"),
    ("event", "sequence"),
    ("event", "kind"),
    ("event", "org_id"),
    ("event_sequence", "last"),
    ("claim", "operation"),
    ("claim", "org_id"),
    ("reversal", "org_id"),
    ("reversed_record", "kind"),
    ("reversed_record", "org_id"),
)
# Whether a coupon was alone in its request is said by its event alone.
LOOK_ALIKE = {EventKind.COUPON_REDEEMED, EventKind.COUPON_REDEEMED_AMONG_OTHERS}
mutations = st.tuples(
    st.sampled_from(CELLS),
    st.integers(0, 10_000),
    st.integers(-3, 3).filter(bool) | st.integers(1_000, 20_000),
)


async def redeem_promotions(desk: Desk, customer_id: int, sent: list[Any], moment: str) -> None:
    lists: dict[bool, list[Any]] = {False: [], True: []}
    for (name, code), count, discount, on_line in sent:
        changes = {"redemption_count": count, "discount": discount, "promo_code": code}
        lists[on_line].append(use(name, **changes))
    await desk.redeem(
        *lists[False],
        line_items=tuple(lists[True]),
        customer_id=customer_id,
        transaction_identifier=desk.ids.record_id(),
        transaction_date=datetime.fromisoformat(moment),
    )


async def redeem_coupons(
    desk: Desk, customer_id: int, codes: list[str], *, keyed: bool, atomic: bool
) -> None:
    customer = CouponCustomer(customer_id=customer_id)
    coupons = [coupon(code, customer=customer) for code in codes]
    request_id = desk.ids.record_id() if keyed else ""
    await desk.redeem_coupons(*coupons, request_id=request_id, atomic=atomic)


async def reverse(
    desk: Desk, position: int, reason: ReversalReason, *, of_coupon: bool, part: bool
) -> None:
    """Reverses a use, a transaction or a coupon redemption, if there is one."""
    uses = await desk.rows(
        "SELECT r.id, t.transaction_identifier FROM promotion_redemption r "
        "JOIN promotion_transaction t ON t.org_id = r.org_id AND t.id = r.transaction_id "
        "ORDER BY r.id"
    )
    coupon_redemptions = await desk.rows("SELECT id, '' FROM coupon_redemption ORDER BY id")
    if found := coupon_redemptions if of_coupon else uses:
        record_id, identifier = found[position % len(found)]
        named = [record_id] if of_coupon or part else []
        await desk.reverse(*named, transaction_identifier=identifier, reason=reason)


def after_mutation(
    connection: Connection, mutation: tuple[tuple[str, str], int, int]
) -> list[Finding] | None:
    """What is found once a cell has changed; None where there is none, or the change clashes."""
    (name, column), position, change = mutation
    table = METADATA.tables[name]
    rows = select(table).where(table.c.org_id == ORG).order_by(*table.primary_key)
    if table.name == "usage":
        # A counter of nothing may be anywhere. Others than promotions have no windows.
        rows = rows.where(table.c.used > 0)
    if column == "window_start":
        rows = rows.where(table.c.scope <= 4)
    found = connection.execute(rows).mappings().all()
    if not found:
        return None
    row = found[position % len(found)]
    if name == "event" and column == "kind" and {row["kind"], row["kind"] + change} == LOOK_ALIKE:
        return None
    drop_guards(connection)
    statement = (
        table.update()
        .where(*(key == row[key.name] for key in table.primary_key))
        .values({column: row[column] + change})
    )
    try:
        assert connection.execute(statement).rowcount == 1
    except IntegrityError:
        return None
    return find(connection, ORG)


@settings(
    max_examples=examples(40, 2_000),
    deadline=None,
    # The desk is shared by the examples, whose requests add up.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(promotion_requests, max_size=4),
    st.lists(coupon_requests, max_size=4),
    st.lists(reversal_requests, max_size=4),
    st.lists(mutations, min_size=1, max_size=4),
)
async def test_no_redemption_is_a_finding_and_each_changed_number_is(
    desk: Desk,
    promotions: list[Any],
    coupons: list[Any],
    reversals: list[Any],
    mutated: list[Any],
) -> None:
    await desk.apply(organization(later=False))
    for request in promotions:
        await redeem_promotions(desk, *request)
    for customer_id, codes, keyed, atomic in coupons:
        await redeem_coupons(desk, customer_id, codes, keyed=keyed, atomic=atomic)
    for of_coupon, position, reason, part in reversals:
        desk.clock.advance(timedelta(minutes=1))
        await reverse(desk, position, reason, of_coupon=of_coupon, part=part)
    assert await verified(desk) == []
    for mutation in mutated:
        work = partial(after_mutation, mutation=mutation)
        found = await rolled_back(desk.database, work)
        assert found is None or found, mutation
