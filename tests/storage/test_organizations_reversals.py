"""Reversals of two organisations whose records have the same ids, which meet nowhere."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redemption_server.rules.outcomes import Granted, RecordedCoupons
from redemption_server.rules.reversal_policy import ReversalReason
from redemption_server.storage.schema import METADATA

from tests.storage.ledger import Ledger, fill, open_ledger
from tests.support.catalogs import ORG, OTHER_ORG
from tests.support.desk import CALLER, Desk, coupon, open_desk

COUPONS = ("s1", "many", "gap", "visits")
TRANSACTIONS = ("all-1", "usual-kept", "earned-1", "late-change-0")


@pytest.fixture
async def ledger(database_url: str, tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(database_url, tmp_path, fill) as ledger:
        yield ledger


@pytest.fixture
async def desk(ledger: Ledger, database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk at the ledger, long after what is recorded there."""
    async with open_desk(database_url, tmp_path) as desk:
        desk.clock.now = desk.clock.now.replace(year=2027)
        yield desk


async def rows_of(desk: Desk, org_id: int) -> dict[str, Any]:
    """All rows of an organisation."""
    return {
        name: sorted(await desk.rows(f"SELECT * FROM {name} WHERE org_id = {org_id}"), key=repr)
        for name, table in METADATA.tables.items()
        if "org_id" in table.columns
    }


async def coupon_ids(desk: Desk) -> list[int]:
    """One standing redemption of each of COUPONS; the organisations have the same ids."""
    rows = await desk.rows(
        "SELECT code_key, max(c.id) FROM coupon_redemption c LEFT JOIN reversed_record d "
        "ON d.org_id = c.org_id AND d.kind = 2 AND d.record_id = CAST(c.id AS VARCHAR) "
        f"WHERE c.org_id = {ORG} AND d.record_id IS NULL GROUP BY code_key"
    )
    return [redemption_id for code, redemption_id in rows if code in COUPONS]


async def reverse_all(desk: Desk, org_id: int, ids: list[int], reason: ReversalReason) -> None:
    changes: dict[str, Any] = {"caller": CALLER._replace(org_id=org_id), "reason": reason}
    outcomes = [await desk.reverse(*ids, request_id="theirs too", **changes)]
    for name in TRANSACTIONS:
        reversal = desk.reverse(transaction_identifier=name, request_id=f"{name} too", **changes)
        outcomes.append(await reversal)
    assert [type(outcome) for outcome in outcomes] == [Granted] * 5, outcomes


async def test_a_reversal_in_one_organisation_leaves_the_other(ledger: Ledger, desk: Desk) -> None:
    ids = await coupon_ids(desk)
    assert len(ids) == len(COUPONS)
    for org_id, other, reason in (
        (ORG, OTHER_ORG, ReversalReason.CANCEL),
        (OTHER_ORG, ORG, ReversalReason.RETURN),
    ):
        before = await rows_of(desk, other)
        await reverse_all(desk, org_id, ids, reason)
        assert await rows_of(desk, other) == before
        assert await ledger.findings() == {ORG: [], OTHER_ORG: []}


async def visit(desk: Desk, org_id: int) -> int:
    """Redeems the coupon of the series with a gap, days after it was before."""
    desk.clock.advance(timedelta(days=2))
    outcome = await desk.redeem_coupons(coupon("GAP"), caller=CALLER._replace(org_id=org_id))
    assert isinstance(outcome, Granted), outcome
    assert isinstance(outcome.answer, RecordedCoupons)
    [result] = outcome.answer.results
    assert result.redemption
    return result.redemption.redemption_id


async def test_a_gap_counts_from_what_stands_in_the_same_organisation(
    ledger: Ledger, desk: Desk
) -> None:
    ours = await visit(desk, ORG)
    theirs = await visit(desk, OTHER_ORG)
    for org_id, redemption_id in (
        (OTHER_ORG, theirs),
        # Which both have under one id.
        (OTHER_ORG, ledger.names["coupon_gap"]),
        (ORG, ours),
    ):
        caller = CALLER._replace(org_id=org_id)
        assert isinstance(await desk.reverse(redemption_id, caller=caller), Granted)
        assert await ledger.findings() == {ORG: [], OTHER_ORG: []}
