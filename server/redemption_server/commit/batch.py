"""The work of one batch, from top to bottom: claim, resolve, lock, decide, write.

The order matters on PostgreSQL and is one for the whole service: claims, the organisation's row,
usage, the event sequence; within each by key. Looking a key up before claiming it, or locking
before claiming, gives wrong answers there that SQLite hides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from redemption_server.commit.judging import Plan, decide, load_recorded, prepare
from redemption_server.rules.commands import Command, IdSource
from redemption_server.rules.facts import Facts, RecordKind
from redemption_server.rules.outcomes import (
    Answer,
    Granted,
    Outcome,
    RecordedReversal,
    RecordedTransaction,
    Replayed,
)
from redemption_server.storage import claims, records, reversals
from redemption_server.storage.facts import load_facts
from redemption_server.storage.failures import MustRepeat
from redemption_server.storage.records import EventKind
from redemption_server.storage.usage import add_usage, drop_unused, lock_usage


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands to decide at one moment. Calling it is the work of one transaction.

    It may be called again after a run whose commit was lost. If that commit went through, this run
    finds what that one recorded, and answers it as its own rather than as a replay; `earlier` holds
    what earlier runs granted, by position.
    """

    commands: Sequence[Command]
    now: datetime
    ids: IdSource
    earlier: dict[int, Granted] = field(default_factory=dict)

    def __call__(self, connection: Connection) -> list[Outcome]:
        """Decides all commands; returns their outcomes in the same order."""
        outcomes = [self._own(i, outcome) for i, outcome in enumerate(self._decide_all(connection))]
        self.earlier.update((i, o) for i, o in enumerate(outcomes) if isinstance(o, Granted))
        return outcomes

    def alone(self, position: int) -> "Batch":
        """A batch of one command, which remembers what earlier runs granted it."""
        earlier = {0: self.earlier[position]} if position in self.earlier else {}
        return Batch([self.commands[position]], self.now, self.ids, earlier)

    def _own(self, position: int, outcome: Outcome) -> Outcome:
        before = self.earlier.get(position)
        if before and isinstance(outcome, Replayed) and outcome.answer.id == before.answer.id:
            return before
        return outcome

    def _decide_all(self, connection: Connection) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        for org_id, positions in self._by_organization().items():
            share = [self.commands[i] for i in positions]
            decided = self._decide_organization(connection, org_id, share)
            outcomes.update(zip(positions, decided, strict=True))
        return [outcomes[i] for i in range(len(self.commands))]

    def _by_organization(self) -> Mapping[int, list[int]]:
        positions: dict[int, list[int]] = {}
        for i, command in enumerate(self.commands):
            positions.setdefault(command.caller.org_id, []).append(i)
        return positions

    def _decide_organization(
        self, connection: Connection, org_id: int, commands: Sequence[Command]
    ) -> list[Outcome]:
        keys = sorted({command.key for command in commands})
        claimed = claims.claim(connection, org_id, keys, self.now)

        facts = load_facts(connection, org_id, commands)
        taken = [key for key in keys if key not in claimed]
        facts.recorded.update(load_recorded(connection, facts, taken))
        if len(facts.recorded) < len(taken):
            # The twin that held the key has just given it back: claim it in another run.
            raise MustRepeat

        plans = [prepare(command, facts) for command in commands]
        counters = sorted({key for plan in plans for key in plan.counters()})
        facts.usage, created = lock_usage(connection, org_id, counters)

        outcomes = [self._decide(plan, facts) for plan in plans]

        granted = [o for o in outcomes if isinstance(o, Granted)]
        self._write(connection, org_id, granted)
        used_keys = {grant.key for grant in granted}
        claims.release(connection, org_id, sorted(claimed - used_keys))
        used_counters = {change.key for grant in granted for change in grant.usage}
        drop_unused(connection, org_id, created - used_counters)
        # Last: commits of an organisation queue up here.
        records.write_events(connection, org_id, _events(granted), self.now)
        return outcomes

    def _decide(self, plan: Plan, facts: Facts) -> Outcome:
        outcome = decide(plan, facts, self.now, self.ids)
        if isinstance(outcome, Granted):
            outcome.apply(facts)
        return outcome

    def _write(self, connection: Connection, org_id: int, granted: Sequence[Granted]) -> None:
        transactions = [g.answer for g in granted if isinstance(g.answer, RecordedTransaction)]
        answers = [
            (g.key, g.answer) for g in granted if not isinstance(g.answer, RecordedTransaction)
        ]
        coupons = [(g.caller, g.key, coupon) for g in granted for coupon in g.coupons]
        reversed_ = [
            (g.caller, g.key, g.answer) for g in granted if isinstance(g.answer, RecordedReversal)
        ]
        records.write_transactions(connection, org_id, transactions)
        records.write_coupons(connection, org_id, coupons)
        reversals.write_reversals(connection, org_id, reversed_)
        claims.keep_answers(connection, org_id, answers, self.now)
        usage = [change for g in granted for change in g.usage]
        add_usage(connection, org_id, usage)
        given_back = {change.key for change in usage if change.amount < 0}
        reversals.correct_last_redemptions(connection, org_id, given_back)


_REVERSED_EVENTS = {
    RecordKind.PROMOTION_REDEMPTION: EventKind.PROMOTION_REVERSED,
    RecordKind.COUPON_REDEMPTION: EventKind.COUPON_REVERSED,
}


def _events(granted: Sequence[Granted]) -> list[tuple[EventKind, str]]:
    return [event for grant in granted for event in _events_of(grant.answer)]


def _events_of(answer: Answer) -> list[tuple[EventKind, str]]:
    if isinstance(answer, RecordedTransaction):
        return [(EventKind.PROMOTION_REDEEMED, use.id) for use in answer.uses]
    if isinstance(answer, RecordedReversal):
        return [(_REVERSED_EVENTS[kind], record_id) for (kind, record_id), _ in answer.records]
    alone = len(answer.results) == 1
    kind = EventKind.COUPON_REDEEMED if alone else EventKind.COUPON_REDEEMED_AMONG_OTHERS
    redeemed = [result.redemption for result in answer.results if result.redemption]
    return [(kind, str(redemption.redemption_id)) for redemption in redeemed]
