"""What is pruned, and what has been: events, and answers that nobody can ask for any more."""

from typing import NamedTuple

from sqlalchemy import Connection, select

from redemption_server.storage.dialect import table_of
from redemption_server.storage.record_tables import RetentionRow

_retention = table_of(RetentionRow)


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
