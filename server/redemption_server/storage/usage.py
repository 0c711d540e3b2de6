"""Counters of limits: locked in the order of their keys, changed by addition under a constraint."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select

from redemption_server.rules.facts import Count, CounterKey, Scope
from redemption_server.rules.outcomes import UsageChange
from redemption_server.storage.dialect import (
    Matched,
    Search,
    add_to_rows,
    delete_rows,
    insert_returning,
    insert_rows,
    is_sqlite,
    table_of,
)
from redemption_server.storage.instants import optional_from_ms, to_ms
from redemption_server.storage.record_tables import UsageRow

_usage = table_of(UsageRow)
_KEY = (_usage.c.scope, _usage.c.subject, _usage.c.member, _usage.c.window_start)


def _counters(matched: Matched) -> Select[Any]:
    return (
        select(*_KEY, _usage.c.used, _usage.c.last_at_ms)
        .select_from(matched.source)
        # By position: collations sort keys differently from the inserts of `lock_usage`.
        .order_by(matched.position)
    )


_READ = Search(_KEY, _counters)
_LOCK = Search(_KEY, lambda matched: _counters(matched).with_for_update(of=_usage))
_ADD = (
    "ON CONFLICT (org_id, scope, subject, member, window_start) DO UPDATE SET "
    "used = usage.used + excluded.used, use_limit = excluded.use_limit, "
    # Clocks of several servers differ, and each batch reads its own before it waits for locks.
    "last_at_ms = CASE WHEN usage.last_at_ms > excluded.last_at_ms "
    "THEN usage.last_at_ms ELSE excluded.last_at_ms END"
)


class LockedUsage(NamedTuple):
    """Counters that are locked, the unused ones as zero, and those that had no row before."""

    counts: dict[CounterKey, Count]
    created: set[CounterKey]


def lock_usage(connection: Connection, org_id: int, keys: Sequence[CounterKey]) -> LockedUsage:
    """Locks counters, given in sorted order.

    On PostgreSQL missing rows are inserted first, so that an unused counter can be locked too. On
    SQLite the writer's transaction is the lock.
    """
    counts = {key: Count() for key in keys}
    created: set[CounterKey] = set()
    if not keys:
        return LockedUsage(counts, created)
    if not is_sqlite(connection):
        zeros = [(org_id, *key, 0, None, None) for key in keys]
        columns = ", ".join(column.name for column in _KEY)
        inserted = insert_returning(connection, _usage, zeros, "ON CONFLICT DO NOTHING", columns)
        created = {CounterKey(Scope(scope), *rest) for scope, *rest in inserted}
    _read(_LOCK.run(connection, org_id, keys), counts)
    return LockedUsage(counts, created)


def read_usage(
    connection: Connection, org_id: int, keys: Sequence[CounterKey]
) -> dict[CounterKey, Count]:
    """Counters as they are, not kept from changing; the unused ones as zero."""
    counts = {key: Count() for key in keys}
    if keys:
        _read(_READ.run(connection, org_id, keys), counts)
    return counts


def _read(rows: Iterable[Any], counts: dict[CounterKey, Count]) -> None:
    for scope, subject, member, window_start, used, last_at_ms in rows:
        key = CounterKey(Scope(scope), subject, member, window_start)
        counts[key] = Count(used, optional_from_ms(last_at_ms))


def drop_unused(connection: Connection, org_id: int, keys: Iterable[CounterKey]) -> None:
    """Takes rows away again that were only inserted to be locked."""
    delete_rows(connection, _usage, [(org_id, *key) for key in sorted(keys)])


def add_usage(connection: Connection, org_id: int, changes: Iterable[UsageChange]) -> None:
    """Changes counters by what a batch was granted: at most one row back and one row more for each.

    What comes back was counted before the batch, so that taking it off first is never less than
    nothing, and leaves the room in which the rest was granted.
    """
    returned: dict[CounterKey, UsageChange] = {}
    taken: dict[CounterKey, UsageChange] = {}
    for change in changes:
        summed = returned if change.amount < 0 else taken
        before = summed.get(change.key)
        amount = change.amount + (before.amount if before else 0)
        summed[change.key] = change._replace(amount=amount)
    # An insert of less than nothing would fail; and only what is taken says when it last was.
    less = [(org_id, *key, c.amount, c.limit) for key, c in sorted(returned.items())]
    more = [(org_id, *key, c.amount, c.limit, to_ms(c.at)) for key, c in sorted(taken.items())]
    add_to_rows(connection, _usage, "used", "use_limit", less)
    insert_rows(connection, _usage, more, _ADD)
