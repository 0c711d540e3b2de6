"""Judges one command as a batch would at this moment, and writes nothing.

It reads without holding anything, so that what it says may be overtaken before the command is sent
in earnest.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from redemption_server.commit.judging import decide, load_recorded, prepare
from redemption_server.rules import redeem_coupons
from redemption_server.rules.commands import Command
from redemption_server.rules.outcomes import Outcome
from redemption_server.rules.refusals import Violation
from redemption_server.storage.facts import load_facts
from redemption_server.storage.usage import read_usage


class Tried(NamedTuple):
    """What a command would come to; for coupons also everything that stands in the way of each."""

    outcome: Outcome
    violations: list[tuple[Violation, ...]]


@dataclass(frozen=True, slots=True)
class DryRun:
    """A command to try at one moment. Calling it reads over a connection."""

    command: Command
    now: datetime

    def __call__(self, connection: Connection) -> Tried:
        """Judges the command."""
        org_id = self.command.caller.org_id
        facts = load_facts(connection, org_id, [self.command], hold=False)
        facts.recorded.update(load_recorded(connection, facts, [self.command.key]))
        plan = prepare(self.command, facts)
        facts.usage = read_usage(connection, org_id, sorted(set(plan.counters())))
        violations = (
            redeem_coupons.explain(plan, facts, self.now)
            if isinstance(plan, redeem_coupons.Plan)
            else []
        )
        return Tried(decide(plan, facts, self.now, _NoIds()), violations)


class _NoIds:
    """What is not recorded has no id."""

    def record_id(self) -> str:
        return ""

    def number(self) -> int:
        return 0
