"""PostgreSQL connections: READ COMMITTED, durable commits, and time-outs for peers that vanish."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_CONNECT_SECONDS = 3
_POOL_SECONDS = 5
_STATEMENT_SECONDS = 60
# A process that stands still in the middle of a batch holds its keys and counters: the server ends
# its transaction, so that others go on. Durable commits whatever the database's default is, and
# never weaker than it.
# `transaction_timeout` (PostgreSQL 17) also ends one that stands between preparing a statement and
# running it, which the server does not take for idle.
_CONFIGURE = """
SELECT set_config(name, value, false)
FROM (VALUES ('idle_in_transaction_session_timeout', '10s'),
             ('transaction_timeout', '12s'),
             ('lock_timeout', '15s'),
             ('synchronous_commit', CASE WHEN current_setting('synchronous_commit')
                                         IN ('off', 'local') THEN 'on' END)) wanted (name, value)
JOIN pg_settings USING (name)
WHERE value IS NOT NULL
"""


def engine(
    url: str,
    size: int,
    *,
    ping_first: bool = False,
    statement_seconds: float | None = _STATEMENT_SECONDS,
) -> AsyncEngine:
    """An engine of `size` connections; `ping_first` tests one before it is handed out."""
    created = create_async_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=size,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        pool_pre_ping=ping_first,
        connect_args={"timeout": _CONNECT_SECONDS, "command_timeout": statement_seconds},
    )

    @event.listens_for(created.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(_CONFIGURE)
        cursor.close()
        connection.commit()

    return created
