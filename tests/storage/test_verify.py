"""Verifying finds nothing in a healthy ledger, and in a corrupted one exactly what is wrong."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from redemption_server.rules.facts import Operation, Scope
from redemption_server.rules.redeem_promotions_limits import COUNTER_MAX
from redemption_server.rules.reversal_policy import ReversalReason
from redemption_server.storage.records import EventKind
from redemption_server.storage.schema import METADATA
from redemption_server.storage.verify import keys
from redemption_server.storage.verify.checks import CHECKS
from redemption_server.storage.verify.findings import FINDINGS_MAX, FindingKind
from sqlalchemy import Connection, event

from tests.storage.corruptions import (
    CORRUPTIONS,
    HIDDEN,
    Corruption,
    changed,
    deleted,
)
from tests.storage.ledger import Ledger, crowd, fill, find, open_ledger, plant
from tests.storage.retention_cases import CASES, Case
from tests.storage.reversal_corruptions import REVERSAL_CORRUPTIONS
from tests.support.catalogs import ORG, OTHER_ORG
from tests.support.databases import ENGINES, Databases

# One event loop for all: statements are compiled once per database, which takes most of the time.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module", params=ENGINES)
def urls(request: pytest.FixtureRequest, databases: Databases) -> Iterator[list[str]]:
    """Two databases on each engine."""
    if request.param == "sqlite":
        yield [databases.sqlite(), databases.sqlite()]
    else:
        with databases.postgresql() as first, databases.postgresql() as second:
            yield [first, second]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ledger(
    urls: list[str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ledger]:
    """A healthy ledger, which no test changes for good."""
    async with open_ledger(urls[0], tmp_path_factory.mktemp("ledger"), fill) as ledger:
        yield ledger


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowded(
    urls: list[str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ledger]:
    """A healthy ledger with more of everything than a check names."""
    async with open_ledger(urls[1], tmp_path_factory.mktemp("crowded"), crowd) as ledger:
        yield ledger


async def test_a_healthy_ledger_has_no_findings(ledger: Ledger) -> None:
    assert await ledger.findings() == {ORG: [], OTHER_ORG: []}


async def test_the_ledger_has_something_of_everything(ledger: Ledger) -> None:
    windowed = {Scope.PROMOTION, Scope.PROMOTION_CUSTOMER, Scope.PROMOTION_DISCOUNT}
    counters = {(int(scope), False) for scope in Scope} | {(int(s), True) for s in windowed}
    for org_id in (ORG, OTHER_ORG):
        own = f"WHERE org_id = {org_id}"
        found = await ledger.rows(f"SELECT DISTINCT scope, window_start > 0 FROM usage {own}")
        assert {(scope, bool(by_day)) for scope, by_day in found} == counters
        for column, values in (
            ("operation FROM claim", Operation),
            ("kind FROM event", EventKind),
            ("reason FROM reversal", ReversalReason),
            ("returned FROM reversed_record WHERE kind = 1", range(8)),
            ("returned FROM reversed_record WHERE kind = 2", range(8)),
        ):
            statement = f"SELECT DISTINCT {column}".replace("WHERE", f"{own} AND")
            statement += "" if own in statement else f" {own}"
            assert sorted(await ledger.rows(statement)) == [(int(value),) for value in values]
    for unusual in (
        "promotion_redemption WHERE over_limit",
        "promotion_redemption WHERE earned_by_other_customer",
        "promotion_redemption WHERE code_id = ''",
        "promotion_redemption WHERE line_id IS NOT NULL",
        "promotion_redemption WHERE discount_micros = 0",
        "promotion_transaction WHERE customer_id = -1",
        f"usage WHERE used = {COUNTER_MAX}",
        "usage WHERE used = 0",
        "promotion JOIN usage ON subject = id WHERE over_limit = 'REFUSE' AND used > total_limit",
    ):
        assert await ledger.rows(f"SELECT 1 FROM {unusual}"), unusual


def _names(corruptions: tuple[Corruption, ...]) -> list[str]:
    return [corruption.name for corruption in corruptions]


ALL_CORRUPTIONS = (*CORRUPTIONS, *REVERSAL_CORRUPTIONS)


@pytest.mark.parametrize("corruption", ALL_CORRUPTIONS, ids=_names(ALL_CORRUPTIONS))
async def test_a_corruption_is_named_and_nothing_else(
    ledger: Ledger, corruption: Corruption
) -> None:
    await _assert_exactly(ledger, corruption)


@pytest.mark.parametrize(
    "corruption",
    [
        pytest.param(corruption, id=corruption.name)
        for corruptions in HIDDEN.values()
        for corruption in corruptions
    ],
)
async def test_a_corruption_that_hides_well_is_named(
    ledger: Ledger, corruption: Corruption
) -> None:
    await _assert_exactly(ledger, corruption)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_what_was_pruned_is_no_finding_and_nothing_else_is_forgiven(
    ledger: Ledger, case: Case
) -> None:
    await _assert_exactly(ledger, Corruption(*case))


async def _assert_exactly(ledger: Ledger, corruption: Corruption) -> None:
    found = await ledger.findings(*corruption.statements)
    assert found[OTHER_ORG] == []
    expected = sorted(
        (kind.value, subject.format_map(ledger.names), description.format_map(ledger.names))
        for kind, subject, description in corruption.findings
    )
    named = [(f.kind.value, f.subject, f.description) for f in found[ORG]]
    for number, (kind, subject, description) in enumerate(expected[: len(named)]):
        _, its_subject, its_description = named[number]
        expected[number] = (kind, subject or its_subject, description or its_description)
    assert named == expected


async def test_each_kind_of_finding_has_a_corruption() -> None:
    found = {finding.kind for corruption in ALL_CORRUPTIONS for finding in corruption.findings}
    assert found == set(FindingKind)


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_requests_are_looked_at_page_by_page(
    ledger: Ledger, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_PAGE", size)
    assert await ledger.findings() == {ORG: [], OTHER_ORG: []}
    of_coupons = "operation IN (2, 3)"
    requests = await ledger.rows(f"SELECT key FROM claim WHERE org_id = {ORG} AND {of_coupons}")
    assert len(requests) > 2 * size
    found = await ledger.findings(changed("claim", "answer = NULL", of_coupons))
    assert sorted(finding.subject for finding in found[ORG]) == sorted(
        f"requests/{key}" for (key,) in requests
    )
    assert {finding.kind for finding in found[ORG]} == {FindingKind.ANSWER_WRONG}


HASHING = "SET LOCAL enable_sort = off"


class Flood(NamedTuple):
    """A corruption of a crowd, the check that finds it, and what it says."""

    statement: str
    check: str
    kind: FindingKind
    description: str


FLOODS = (
    Flood(
        changed("usage", "used = 2", "scope = 3"),
        "counters of promotions",
        FindingKind.COUNTER_WRONG,
        "counter says 2, records add up to 1",
    ),
    Flood(
        deleted("usage", "scope = 3"),
        "counters of promotions",
        FindingKind.COUNTER_WRONG,
        "counter says 0, records add up to 1",
    ),
    Flood(
        changed("promotion", "code_limit = NULL"),
        "counters of promotions",
        FindingKind.COUNTER_WITHOUT_LIMIT,
        "counter says 1, the catalog has no such limit",
    ),
    Flood(
        changed("usage", "scope = 5, subject = member", "scope = 3"),
        "counters of earned promotions",
        FindingKind.COUNTER_WITHOUT_LIMIT,
        "counter says 1, the catalog has no such limit",
    ),
    Flood(
        changed("usage", "used = 2", "scope = 11"),
        "counters of coupons",
        FindingKind.COUNTER_WRONG,
        "counter says 2, records add up to 1",
    ),
    Flood(
        changed("usage", "use_limit = 0"),
        "limits",
        FindingKind.LIMIT_EXCEEDED,
        "used 1, held to 0",
    ),
    Flood(
        deleted("claim", "operation = 1"),
        "keys of promotion transactions",
        FindingKind.RECORD_WITHOUT_KEY,
        "the transaction is recorded, its key is free",
    ),
    Flood(
        changed("claim", "operation = 1", "operation = 2"),
        "keys of promotion transactions",
        FindingKind.KEY_WITHOUT_RECORD,
        "the key is taken, no transaction is recorded under it",
    ),
    Flood(
        changed("claim", "operation = 3", "operation = 1"),
        "keys and answers of coupon requests",
        FindingKind.KEY_WITHOUT_RECORD,
        "the key is taken, no redemption is recorded under it",
    ),
    Flood(
        deleted("promotion_redemption"),
        "transactions and their uses",
        FindingKind.TRANSACTION_WITHOUT_USE,
        "no use is recorded",
    ),
    Flood(
        changed("promotion_redemption", "transaction_id = 'ghost'"),
        "transactions and their uses",
        FindingKind.USE_WITHOUT_TRANSACTION,
        "there is no transaction ghost",
    ),
    Flood(
        changed("coupon_redemption", "series_id = 99"),
        "references to the catalog",
        FindingKind.REFERENCE_DANGLING,
        "there is no coupon_series 99",
    ),
    Flood(
        deleted("claim", "operation = 4"),
        "keys of reversals",
        FindingKind.RECORD_WITHOUT_KEY,
        "the reversal is recorded, its key is free",
    ),
    Flood(
        changed("claim", "operation = 4", "operation = 2"),
        "keys of reversals",
        FindingKind.KEY_WITHOUT_RECORD,
        "the key is taken, no reversal is recorded under it",
    ),
    Flood(
        changed("reversed_record", "record_id = record_id || '-ghost'", "kind = 1"),
        "reversals and what they reversed",
        FindingKind.REVERSAL_WITHOUT_REDEMPTION,
        "there is no such redemption",
    ),
    Flood(
        changed("reversed_record", "record_id = record_id || '-ghost'", "kind = 2"),
        "reversals and what they reversed",
        FindingKind.REVERSAL_WITHOUT_REDEMPTION,
        "there is no such redemption",
    ),
    Flood(
        changed("reversed_record", "reversal_id = 'ghost'"),
        "reversals and what they reversed",
        FindingKind.REVERSAL_WITHOUT_REDEMPTION,
        "there is no reversal ghost",
    ),
    Flood(
        deleted("reversed_record"),
        "reversals and what they reversed",
        FindingKind.REVERSAL_WITHOUT_REDEMPTION,
        "it reversed nothing",
    ),
    Flood(
        deleted("event", "kind = 3"),
        "events of records",
        FindingKind.EVENT_MISSING,
        "the record has no event",
    ),
    Flood(
        deleted("event", "kind = 1"),
        "events of records",
        FindingKind.EVENT_MISSING,
        "the record has no event",
    ),
    Flood(
        deleted("event", "sequence % 2 = 1 AND sequence > 1"),
        "numbers of events",
        FindingKind.EVENT_SEQUENCE_BROKEN,
        "the event is missing",
    ),
)


def in_any_order(ledger: Ledger, *statements: str) -> tuple[str, ...]:
    """The statements after one that keeps PostgreSQL from sorting, as it does with large tables."""
    return statements if ledger.database.mixes_organizations else (HASHING, *statements)


async def test_a_crowd_is_healthy(crowded: Ledger) -> None:
    assert await crowded.findings(*in_any_order(crowded)) == {ORG: [], OTHER_ORG: []}


@pytest.mark.parametrize("flood", FLOODS, ids=[flood.statement for flood in FLOODS])
async def test_a_check_names_a_thousand_findings_at_most(crowded: Ledger, flood: Flood) -> None:
    found = await crowded.look(
        lambda connection: {check.name: check.run(connection, ORG) for check in CHECKS},
        *in_any_order(crowded, flood.statement),
    )
    assert max(map(len, found.values())) == FINDINGS_MAX
    named = found[flood.check]
    assert len({finding.subject for finding in named}) == len(named) == FINDINGS_MAX
    assert {(f.kind, f.description) for f in named} == {(flood.kind, flood.description)}


# More rows of what one check looks for among another's, each with a key of its own.
GROWTH = (
    ("event", "sequence", "sequence + 10000 * n"),
    ("promotion_redemption", "id", "id || '-' || n"),
    ("coupon_redemption", "id", "id + 1000000000000 * n"),
    ("reversal", "id", "id || '-' || n"),
    ("reversed_record", "record_id", "record_id || '-' || n"),
    ("coupon", "code_key", "code_key || '-' || n"),
    ("promotion", "id", "id || '-' || n"),
    ("coupon_series", "id", "id + n"),
)
LITTLE_MEMORY = ("SET LOCAL work_mem = '64kB'", "SET LOCAL hash_mem_multiplier = 1")


def grown(table: str, column: str, value: str, times: int) -> str:
    columns = [c.name for c in METADATA.tables[table].columns]
    cells = ", ".join(value if name == column else f"{table}.{name}" for name in columns)
    return f"INSERT INTO {table} SELECT {cells} FROM {table}, generate_series(1, {times}) n"


def plans(connection: Connection) -> list[str]:
    """How all statements of a verification would run if little memory was left for many rows."""
    statements: list[tuple[str, Any]] = []

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        statements.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", remember)
    find(connection, ORG)
    event.remove(connection, "before_cursor_execute", remember)
    for growth in GROWTH:
        times = 5_000 if growth[0] in ("promotion", "coupon_series") else 9
        plant(connection, grown(*growth, times))
    for statement in ("ANALYZE", *LITTLE_MEMORY):
        plant(connection, statement)
    return [
        "\n".join(
            [statement, *connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars()]
        )
        for statement, parameters in statements
    ]


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_no_row_is_compared_with_each_of_many(crowded: Ledger) -> None:
    found = await crowded.look(plans)
    assert len(found) > 30
    assert [plan for plan in found if re.search(r"Filter:.*(?<!hashed )SubPlan", plan)] == []
