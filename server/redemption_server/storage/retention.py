"""What is pruned, and what has been: events, and answers that nobody can ask for any more."""

from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from sqlalchemy import Connection, select, tuple_

from redemption_server.rules.facts import Operation
from redemption_server.storage.dialect import delete_rows, insert_rows, table_of
from redemption_server.storage.record_tables import ClaimRow, EventRow, RetentionRow

_retention = table_of(RetentionRow)
_event = table_of(EventRow)
_claim = table_of(ClaimRow)


class Pruned(NamedTuple):
    """What an organisation has had pruned: events through a number, and what is older than that."""

    events_through: int = 0
    events_before_ms: int = 0
    answers_before_ms: int = 0


def pruned(connection: Connection, org_id: int) -> Pruned:
    """What the organisation has had pruned."""
    row = connection.execute(
        select(
            _retention.c.events_through,
            _retention.c.events_before_ms,
            _retention.c.answers_before_ms,
        ).where(_retention.c.org_id == org_id)
    ).one_or_none()
    return Pruned(*row) if row else Pruned()


PAGE = 1_000
# What a repeat of a request is answered from. Keys of promotion transactions are never pruned: they
# are what keeps a transaction from being recorded twice, and are answered from the records.
_ANSWERED = (
    int(Operation.REDEEM_COUPONS),
    int(Operation.REDEEM_COUPONS_ONCE),
    int(Operation.REVERSE_REDEMPTION),
)


class AnswerKey(NamedTuple):
    """Where the pruning of answers stands within an organisation."""

    operation: int = 0
    key: str = ""


@dataclass(frozen=True, slots=True)
class PruneEvents:
    """The work of pruning one page of an organisation's oldest events, those before an instant."""

    org_id: int
    before_ms: int

    def __call__(self, connection: Connection) -> bool:
        """Whether there may be more."""
        rows = connection.execute(
            select(_event.c.sequence, _event.c.recorded_at_ms)
            .where(_event.c.org_id == self.org_id)
            .order_by(_event.c.sequence)
            .limit(PAGE)
        ).all()
        # In the order of their numbers, so that what is left has no gap.
        old = list(takewhile(lambda row: row.recorded_at_ms < self.before_ms, rows))
        if not old:
            return False
        through = old[-1].sequence
        connection.execute(
            _event.delete().where(_event.c.org_id == self.org_id, _event.c.sequence <= through)
        )
        _note(connection, self.org_id, events_through=through, events_before_ms=self.before_ms)
        return len(old) == PAGE


@dataclass(frozen=True, slots=True)
class PruneAnswers:
    """The work of looking at one page of an organisation's answers and pruning the old ones."""

    org_id: int
    before_ms: int
    after: AnswerKey

    def __call__(self, connection: Connection) -> AnswerKey | None:
        """Behind which key to go on; None at the end."""
        rows = connection.execute(
            select(_claim.c.operation, _claim.c.key, _claim.c.claimed_at_ms)
            .where(
                _claim.c.org_id == self.org_id,
                _claim.c.operation.in_(_ANSWERED),
                tuple_(_claim.c.operation, _claim.c.key) > tuple(self.after),
            )
            .order_by(_claim.c.operation, _claim.c.key)
            .limit(PAGE)
        ).all()
        old = [row for row in rows if row.claimed_at_ms < self.before_ms]
        if old:
            delete_rows(connection, _claim, [(self.org_id, row.operation, row.key) for row in old])
            _note(connection, self.org_id, answers_before_ms=self.before_ms)
        return AnswerKey(rows[-1].operation, rows[-1].key) if len(rows) == PAGE else None


def _note(connection: Connection, org_id: int, **pruned_now: int) -> None:
    insert_rows(connection, _retention, [(org_id, 0, 0, 0)], "ON CONFLICT DO NOTHING")
    connection.execute(
        _retention.update().where(_retention.c.org_id == org_id).values(**pruned_now)
    )
