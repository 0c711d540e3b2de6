"""A dry run says what the real run then says, and leaves no trace."""

import dataclasses
import itertools
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, event, given, settings
from redemption_server.commit.dry_run import DryRun, Tried
from redemption_server.rules.commands import Command
from redemption_server.rules.outcomes import (
    Answer,
    Granted,
    Outcome,
    RecordedCoupons,
    RecordedTransaction,
    Replayed,
)
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.schema import METADATA

from tests.commit.dry_runs import command_of, organizations, requests
from tests.support.desk import Desk
from tests.support.soaking import examples

_org_ids = itertools.count(1_000)


async def everything(desk: Desk) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    return {
        table: sorted(await desk.rows(f'SELECT * FROM "{table}"'), key=repr)
        for table in METADATA.tables
    }


async def dry_run(desk: Desk, command: Command) -> Tried:
    return await desk.database.read(DryRun(command, desk.clock.now))


def told(outcome: Outcome) -> Any:
    """All that an outcome says, but for the ids of what it would record."""
    if isinstance(outcome, Refused):
        return outcome.violations
    if isinstance(outcome, Granted):
        coupons = [record._replace(result=_without_id(record.result)) for record in outcome.coupons]
        answer = _without_ids(outcome.answer)
        return "granted", outcome.caller, outcome.key, answer, outcome.usage, coupons
    return type(outcome).__name__, outcome.answer


def _without_ids(answer: Answer) -> Answer:
    if isinstance(answer, RecordedTransaction):
        uses = tuple(
            use._replace(id="", line_id=None if use.line_id is None else 0) for use in answer.uses
        )
        return dataclasses.replace(answer, id="", uses=uses)
    assert isinstance(answer, RecordedCoupons)
    return dataclasses.replace(answer, results=tuple(map(_without_id, answer.results)))


def _without_id(result: Any) -> Any:
    if not result.redemption:
        return result
    return result._replace(redemption=result.redemption._replace(redemption_id=0))


def assert_explained(tried: Tried, outcome: Outcome) -> None:
    """The first thing that stands in the way of a coupon is the one that it is refused for."""
    if isinstance(outcome, Refused | Replayed) or not isinstance(outcome.answer, RecordedCoupons):
        return
    firsts = [violations[0] if violations else None for violations in tried.violations]
    assert firsts == [result.violation for result in outcome.answer.results]
    for violations in tried.violations:
        # Nothing is said twice, and nobody is told to wait for others who has failed by himself.
        assert len({repr(violation) for violation in violations}) == len(violations)
        batch_failed = [v for v in violations if v.reason is Reason.BATCH_FAILED]
        assert not batch_failed or len(violations) == 1


@settings(
    max_examples=examples(40, 2_000),
    deadline=None,
    # Making a failure smaller takes minutes: whole databases are compared.
    phases=(Phase.reuse, Phase.generate),
    # The desk is shared by the examples: each has an organisation of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(organizations, requests)
async def test_a_dry_run_answers_what_the_real_run_then_answers_and_writes_nothing(
    desk: Desk, organization: dict[str, Any], asked: list[tuple[tuple[Any, ...], int]]
) -> None:
    org_id = next(_org_ids)
    await desk.apply({**organization, "id": org_id})
    for request, passing_ms in asked:
        desk.clock.advance(timedelta(milliseconds=passing_ms))
        command = command_of(request, org_id, desk.ids.record_id(), desk.clock)
        before = await everything(desk)
        tried = await dry_run(desk, command)
        assert await everything(desk) == before
        outcome = await desk.queue.submit(command)
        event(f"{request[0]} {type(outcome).__name__}")
        assert told(tried.outcome) == told(outcome)
        assert_explained(tried, outcome)
