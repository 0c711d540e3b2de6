"""Claims of idempotency keys: the first step of a batch, and where coupon answers are kept.

A claim belongs to the key, not to a command. Claiming waits for a twin in another server; what
became of the twin is read in a separate statement, since one statement would not see its commit.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from redemption_server.rules.facts import Operation, RequestKey
from redemption_server.storage.answers import Kept, pack, unpack
from redemption_server.storage.dialect import (
    Search,
    delete_rows,
    insert_returning,
    insert_rows,
    table_of,
)
from redemption_server.storage.instants import to_ms
from redemption_server.storage.record_tables import ClaimRow

_claim = table_of(ClaimRow)
_KEY_COLUMNS = [_claim.c.operation, _claim.c.key]
_ANSWERS = Search(
    _KEY_COLUMNS,
    lambda found: select(*_KEY_COLUMNS, _claim.c.content, _claim.c.answer).select_from(
        found.source
    ),
)
_KEEP_ANSWER = (
    "ON CONFLICT (org_id, operation, key) DO UPDATE "
    "SET content = excluded.content, answer = excluded.answer"
)


def claim(
    connection: Connection, org_id: int, keys: Sequence[RequestKey], now: datetime
) -> set[RequestKey]:
    """Takes the keys, which are sorted and distinct, and returns those that were free."""
    now_ms = to_ms(now)
    rows = [(org_id, int(operation), key, now_ms, None, None) for operation, key in keys]
    taken = insert_returning(connection, _claim, rows, "ON CONFLICT DO NOTHING", "operation, key")
    return {RequestKey(Operation(operation), key) for operation, key in taken}


def release(connection: Connection, org_id: int, keys: Iterable[RequestKey]) -> None:
    """Gives keys back on which nothing was granted."""
    rows = [(org_id, int(operation), key) for operation, key in keys]
    delete_rows(connection, _claim, rows)


def keep_answers(
    connection: Connection,
    org_id: int,
    answers: Iterable[tuple[RequestKey, Kept]],
    now: datetime,
) -> None:
    """Stores what requests were answered, beside their keys."""
    rows = [
        (org_id, int(key.operation), key.key, to_ms(now), answer.content, pack(answer))
        for key, answer in answers
    ]
    insert_rows(connection, _claim, rows, _KEEP_ANSWER)


def load_answers(
    connection: Connection, org_id: int, keys: Sequence[RequestKey]
) -> dict[RequestKey, Kept]:
    """What coupon requests and reversals under the keys were answered."""
    if not keys:
        return {}
    rows = [(int(operation), key) for operation, key in keys]
    found = {}
    for row in _ANSWERS.run(connection, org_id, rows):
        if row.answer is not None:
            key = RequestKey(Operation(row.operation), row.key)
            found[key] = unpack(key.operation, row.content, row.answer)
    return found
