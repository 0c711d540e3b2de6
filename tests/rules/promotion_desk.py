"""What the tests of promotion rules share: requests that are granted, refused or replayed.

A refusal is compared with the whole state before it: nothing may have been recorded.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from redemption_server.rules.commands import PromotionUse
from redemption_server.rules.outcomes import Granted, Outcome, RecordedTransaction, Replayed
from redemption_server.rules.refusals import Refused, Violation

from tests.support.catalogs import organization
from tests.support.desk import Desk

MICRO = 1_000_000

on_one_engine = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tables of cases that differ in the decision alone; others of the file run on each engine."""

_STATE = {
    "transactions": "SELECT * FROM promotion_transaction ORDER BY org_id, id",
    "redemptions": "SELECT * FROM promotion_redemption ORDER BY org_id, id",
    "claims": "SELECT * FROM claim ORDER BY org_id, operation, key",
    "events": "SELECT * FROM event ORDER BY org_id, sequence",
    "event numbers": "SELECT * FROM event_sequence ORDER BY org_id",
    "reversals": "SELECT * FROM reversal ORDER BY org_id, id",
    "reversed records": "SELECT * FROM reversed_record ORDER BY org_id, kind, record_id",
    "usage": "SELECT * FROM usage ORDER BY org_id, scope, subject, member, window_start",
}


async def stock(desk: Desk, *promotions: dict[str, Any], **changes: Any) -> None:
    """Applies the test organisation with these promotions; without credentials, which cost time."""
    await desk.apply(organization(credentials=[], promotions=list(promotions), **changes))


async def recorded(desk: Desk) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that redemptions change."""
    return {name: await desk.rows(statement) for name, statement in _STATE.items()}


async def submit(desk: Desk, *uses: PromotionUse, **changes: Any) -> Outcome:
    """Submits a request under a transaction identifier of its own."""
    changes.setdefault("transaction_identifier", desk.ids.record_id())
    return await desk.redeem(*uses, **changes)


async def grant(desk: Desk, *uses: PromotionUse, **changes: Any) -> RecordedTransaction:
    """The record of a request that must be granted."""
    outcome = await submit(desk, *uses, **changes)
    assert isinstance(outcome, Granted), outcome
    assert isinstance(outcome.answer, RecordedTransaction)
    return outcome.answer


async def replay(desk: Desk, *uses: PromotionUse, **changes: Any) -> RecordedTransaction:
    """The recorded answer to a request that must be a repeat, and change nothing."""
    before = await recorded(desk)
    outcome = await submit(desk, *uses, **changes)
    assert isinstance(outcome, Replayed), outcome
    assert isinstance(outcome.answer, RecordedTransaction)
    assert await recorded(desk) == before
    return outcome.answer


async def refuse(desk: Desk, *uses: PromotionUse, **changes: Any) -> tuple[Violation, ...]:
    """The violations of a request that must be refused, and change nothing."""
    before = await recorded(desk)
    outcome = await submit(desk, *uses, **changes)
    assert isinstance(outcome, Refused), outcome
    assert await recorded(desk) == before
    return outcome.violations


def reasons(violations: Sequence[Violation]) -> list[str]:
    """Why, in the order of the violations."""
    return [violation.reason.value for violation in violations]


async def refuse_once(desk: Desk, *uses: PromotionUse, **changes: Any) -> Violation:
    """The only violation of a request that must be refused, and change nothing."""
    violations = await refuse(desk, *uses, **changes)
    assert len(violations) == 1, violations
    return violations[0]
