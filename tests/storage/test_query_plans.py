"""No statement of a batch or a lookup walks through a whole table, however large it may grow."""

from pathlib import Path
from typing import Any

from redemption_server.rules.facts import PromotionMode
from redemption_server.rules.outcomes import Granted
from redemption_server.storage import lookups
from redemption_server.storage.database import SqliteDatabase
from sqlalchemy import Connection, event, text

from tests.storage.ledger import fill, find, open_ledger
from tests.support import catalogs
from tests.support.desk import Desk, coupon, open_desk, use

# What holds the parameters of a statement, and subqueries that have a LIMIT of their own.
BOUNDED = ("json_each", "SCAN CONSTANT ROW", "SCAN anon_")


def record_statements(database: SqliteDatabase) -> list[tuple[str, Any]]:
    statements: list[tuple[str, Any]] = []

    @event.listens_for(database._writer_engine, "before_cursor_execute")
    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        statements.append((statement, parameters))

    return statements


async def scans(desk: Desk, statements: list[tuple[str, Any]]) -> list[str]:
    """The steps of the statements' plans that walk through a table."""

    def explain(connection: Connection) -> list[str]:
        found = []
        for statement, parameters in statements:
            if not statement.lstrip().startswith("SELECT"):
                continue
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for step in plan:
                detail = str(step[-1])
                if _walks(detail):
                    found.append(f"{detail}: {statement}")
        return found

    return await desk.database.read(explain)


def _walks(detail: str) -> bool:
    if detail.startswith("SCAN"):
        return "VIRTUAL TABLE" not in detail and not any(part in detail for part in BOUNDED)
    # The whole of an organisation is as bad, except where it is one row.
    return detail.endswith("(org_id=?)") and "event_sequence" not in detail


CATALOG = catalogs.organization(
    promotions=[
        catalogs.promotion(
            limits={"redemptions_total": 100, "redemptions_per_code": 50},
            codes=[{"id": "c1", "code": "ONE"}, {"id": "c2", "code": "TWO"}],
        )
    ],
    earned_promotions=[{"id": "e1", "promotion": "p1", "customer": catalogs.CUSTOMER}],
    coupon_series=[catalogs.series(max_redemptions=5)],
)


async def test_no_statement_of_a_batch_walks_through_a_table(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with open_desk(sqlite_url, tmp_path) as desk:
        await desk.apply(CATALOG)
        assert isinstance(desk.database, SqliteDatabase)
        statements = record_statements(desk.database)
        redeemed = use(promo_code="one", earned_promotion_id="e1")
        mobile = ("mobile", "9999988881")
        assert isinstance(await desk.redeem(redeemed, identifier_pair=mobile), Granted)
        await desk.redeem(redeemed, identifier_pair=mobile)
        await desk.redeem_coupons(coupon(), request_id="r")
        await desk.redeem_coupons(coupon(), request_id="r")
        assert len(statements) > 20
        assert await scans(desk, statements) == []


async def test_no_statement_of_a_lookup_walks_through_a_table(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with open_desk(sqlite_url, tmp_path) as desk:
        await desk.apply(CATALOG)
        await desk.redeem(use(promo_code="one"))
        assert isinstance(desk.database, SqliteDatabase)
        statements = record_statements(desk.database)

        def look_up(connection: Any) -> int:
            org_id = catalogs.ORG
            lookups.load_organization(connection, org_id)
            codes = lookups.find_codes(connection, org_id, ["one", "two"], PromotionMode.DISCOUNT)
            lookups.redeemed_code_ids(connection, org_id, codes)
            lookups.summarize(connection, org_id, codes)
            lookups.find_redemptions(connection, org_id, codes, "f" * 24, 10)
            return len(codes)

        assert await desk.database.transact(look_up) == 2
        assert len(statements) > 5
        assert await scans(desk, statements) == []


async def test_no_check_of_the_ledger_compares_each_row_with_each_of_many(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with open_ledger(sqlite_url, tmp_path, fill) as ledger:
        found = await ledger.look(_compared)
    assert found == []


def _compared(connection: Connection) -> list[str]:
    """Steps of the checks' plans that go through a whole organisation for each row."""
    statements: list[tuple[str, Any]] = []

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        statements.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", remember)
    find(connection, catalogs.ORG)
    event.remove(connection, "before_cursor_execute", remember)
    assert len(statements) > 30
    found = []
    for statement, parameters in statements:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        details = {step[0]: str(step[-1]) for step in plan}
        for _, parent, _, detail in plan:
            repeated = "LEFT-JOIN" in detail or "CORRELATED" in details.get(parent, "")
            if repeated and _walks(detail.removesuffix(" LEFT-JOIN")):
                found.append(f"{detail}: {statement}")
    return found


async def test_a_scan_would_be_seen(sqlite_url: str, tmp_path: Path) -> None:
    async with open_desk(sqlite_url, tmp_path) as desk:
        statement = str(text("SELECT * FROM coupon WHERE validation_code = 'x'"))
        assert len(await scans(desk, [(statement, ())])) == 1
