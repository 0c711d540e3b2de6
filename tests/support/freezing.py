"""Servers that stand still in a chosen moment: they answer nothing, and let go of nothing."""

import asyncio
import random
import signal
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from tests.support.servers import Server

_SECONDS = 60.0
_SLICE_SECONDS = 0.002
_ANSWERS_OF_A_YOUNG_SERVER = 200

_BUSY = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND state = 'active' "
    "AND coalesce(wait_event_type, '') NOT IN ('Lock', 'Client')"
)
_HOLDER = (
    "SELECT a.state FROM usage u JOIN pg_stat_activity a ON a.backend_xid = u.xmax "
    "WHERE a.wait_event = 'ClientRead'"
)


class Moment(StrEnum):
    """What PostgreSQL says about a session whose client stands still within a transaction."""

    BETWEEN_STATEMENTS = "idle in transaction"
    WITHIN_A_STATEMENT = "active"
    """A statement is prepared and not yet executed."""


async def freeze(server: Server, url: str, moment: Moment, chance: random.Random) -> None:
    """Stops a server under load when a transaction that is in this moment has locked a counter."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with asyncio.timeout(_SECONDS), engine.connect() as connection:
        while True:
            if moment is Moment.WITHIN_A_STATEMENT:
                await _keep_young(server)
            await asyncio.sleep(chance.uniform(0, _SLICE_SECONDS))
            server.signal(signal.SIGSTOP)
            if await _holder(connection) == moment == await _holder(connection):
                break
            server.signal(signal.SIGCONT)
    await engine.dispose()


async def _keep_young(server: Server) -> None:
    # A connection prepares a statement when it runs it for the first time.
    if server.answered > _ANSWERS_OF_A_YOUNG_SERVER:
        await server.kill()
        await server.start()


async def _holder(connection: AsyncConnection) -> str | None:
    # What the server has sent is still worked on; then whoever holds a lock keeps it.
    while await connection.scalar(text(_BUSY)):  # noqa: ASYNC110 — nobody else tells
        await asyncio.sleep(0.01)
    state: str | None = await connection.scalar(text(_HOLDER))
    return state
