"""What the tests of reversals share: reversals that are granted, repeated or refused.

After each of them the ledger must agree with itself; a refusal leaves everything as it was.
"""

from datetime import date
from typing import Any, NamedTuple

from redemption_server.commit.batch import Batch
from redemption_server.rules.commands import Command
from redemption_server.rules.facts import Scope
from redemption_server.rules.outcomes import Granted, Outcome, RecordedReversal, Replayed
from redemption_server.rules.refusals import Refused, Violation
from redemption_server.rules.reversal_policy import Returned, ReversalReason

from tests.rules.coupon_desk import records
from tests.rules.promotion_desk import recorded
from tests.storage.ledger import find
from tests.support.catalogs import ORG
from tests.support.desk import Desk

NOTHING = Returned.NOTHING
EVERYTHING = Returned.CODE | Returned.CUSTOMER | Returned.BUDGET
EVERY_RETURN = [Returned(value) for value in range(8)]
USUALLY = {
    ReversalReason.CANCEL: EVERYTHING,
    ReversalReason.RETURN: Returned.BUDGET,
    ReversalReason.FRAUD: NOTHING,
    ReversalReason.CHARGEBACK: NOTHING,
    ReversalReason.TEST: EVERYTHING,
}
"""What comes back where nothing else is said."""


class Used(NamedTuple):
    """A counter that counts something."""

    scope: Scope
    used: int
    member: str = ""
    day: str = ""


def policy(reason: ReversalReason, returned: Returned) -> dict[str, Any]:
    """A policy as catalog files write it."""
    parts = {"code": Returned.CODE, "customer": Returned.CUSTOMER, "budget": Returned.BUDGET}
    written = {name: True for name, part in parts.items() if part in returned}
    return {"reason": reason.name, **written}


async def reverse(desk: Desk, *record_ids: str | int, **changes: Any) -> RecordedReversal:
    """The record of a reversal that must be granted."""
    outcome = await desk.reverse(*record_ids, **changes)
    assert isinstance(outcome, Granted), outcome
    await assert_agrees(desk)
    assert isinstance(outcome.answer, RecordedReversal)
    return outcome.answer


async def repeat(desk: Desk, *record_ids: str | int, **changes: Any) -> RecordedReversal:
    """The recorded answer to a repeat, which changes nothing."""
    before = await everything(desk)
    outcome = await desk.reverse(*record_ids, **changes)
    assert isinstance(outcome, Replayed), outcome
    assert await everything(desk) == before
    assert isinstance(outcome.answer, RecordedReversal)
    return outcome.answer


async def refuse(desk: Desk, *record_ids: str | int, **changes: Any) -> tuple[Violation, ...]:
    """The violations of a reversal that must be refused, and change nothing."""
    before = await everything(desk)
    outcome = await desk.reverse(*record_ids, **changes)
    assert isinstance(outcome, Refused), outcome
    assert await everything(desk) == before
    return outcome.violations


async def together(desk: Desk, *commands: Command) -> list[Outcome]:
    """Decides commands in one batch."""
    outcomes = await desk.database.transact(Batch(commands, desk.clock.now, desk.ids))
    await assert_agrees(desk)
    return outcomes


async def used(desk: Desk) -> list[Used]:
    """All counters that count something, in order."""
    rows = await desk.rows(
        "SELECT scope, used, member, window_start FROM usage WHERE used <> 0 "
        "ORDER BY scope, window_start, member, subject"
    )
    return [
        Used(Scope(scope), count, member, date.fromordinal(day).isoformat() if day else "")
        for scope, count, member, day in rows
    ]


async def everything(desk: Desk) -> Any:
    """All that redemptions and reversals change."""
    return await recorded(desk), await records(desk)


async def assert_agrees(desk: Desk) -> None:
    """What is recorded and counted agrees with itself."""
    async with desk.database.snapshot() as connection:
        assert await connection.run_sync(find, ORG) == []
