"""Knows whether the database is there, so that calls need not each find out by waiting.

While it is away every call is answered at once; a probe finds out when it is back. A database that
answers but cannot commit (full, read-only) still serves reads.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import Enum, auto

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.database import Database, More, Reading, Result, Work, unavailable

_PROBE_EVERY_SECONDS = 1.0
_PROBE_SECONDS = 2.0
_log = structlog.get_logger(__name__)


class State(Enum):
    """What the database was last seen able to do."""

    UP = auto()
    NOT_WRITABLE = auto()
    AWAY = auto()


@asynccontextmanager
async def watched(database: Database) -> AsyncIterator["WatchedDatabase"]:
    """Watches a database until the block is left."""
    watcher = WatchedDatabase(database)
    task = asyncio.create_task(watcher.keep_watching())
    try:
        yield watcher
    finally:
        task.cancel()
        await asyncio.gather(task, *watcher.end_probes(), return_exceptions=True)


class WatchedDatabase:
    """A database that refuses at once while it is known to be away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.mixes_organizations = database.mixes_organizations
        self.repeats = database.repeats
        self.state = State.UP
        self._changed: Callable[[bool], Awaitable[None]] | None = None
        self._failed = asyncio.Event()
        self._probes: set[asyncio.Task[None]] = set()

    def on_change(self, changed: Callable[[bool], Awaitable[None]]) -> None:
        """Has `changed` called with whether the database is up, whenever that changes."""
        self._changed = changed

    async def transact(self, work: Work[Result]) -> Result:
        """See `Database.transact`."""
        self.ensure_up()
        try:
            return await self._database.transact(work)
        except Refused as refused:
            # One that ends late knows less than the probes since.
            if refused.reason is Reason.UNAVAILABLE and self.state is State.UP:
                self._failed.set()
                await self._become(State.NOT_WRITABLE)
            raise

    def ensure_up(self) -> None:
        """See `Database.ensure_up`."""
        if self.state is not State.UP:
            raise unavailable()

    async def read(
        self, work: Reading[More, Result], *args: More.args, **kwargs: More.kwargs
    ) -> Result:
        """See `Database.read`. Raises Refused (UNAVAILABLE)."""
        if self.state is State.AWAY:
            raise unavailable()
        return await self._database.read(work, *args, **kwargs)

    def snapshot(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """See `Database.snapshot`."""
        if self.state is State.AWAY:
            raise unavailable()
        return self._database.snapshot()

    async def probe(self, *, write: bool) -> None:
        """See `Database.probe`."""
        await self._database.probe(write=write)

    async def close(self) -> None:
        """See `Database.close`."""
        await self._database.close()

    async def keep_watching(self) -> None:
        """Probes the database for ever."""
        while True:
            await self._become(await self._probed())
            try:
                async with asyncio.timeout(_PROBE_EVERY_SECONDS):
                    await self._failed.wait()
            except TimeoutError:
                continue
            self._failed.clear()
            # What has just failed is not asked again in the same breath.
            await asyncio.sleep(_PROBE_EVERY_SECONDS)

    def end_probes(self) -> "list[asyncio.Task[None]]":
        """Cancels the probes under way; returns them to be awaited."""
        for probe in self._probes:
            probe.cancel()
        return list(self._probes)

    async def _probed(self) -> State:
        if self.state is State.UP:
            return State.UP if await self._answers(write=False) else State.AWAY
        # Only a commit proves that a database which failed one is well again.
        if await self._answers(write=True):
            return State.UP
        return State.NOT_WRITABLE if await self._answers(write=False) else State.AWAY

    async def _answers(self, *, write: bool) -> bool:
        probe = asyncio.create_task(self._database.probe(write=write))
        self._probes.add(probe)
        probe.add_done_callback(self._end)
        await asyncio.wait([probe], timeout=_PROBE_SECONDS)
        if not probe.done():
            # Nobody waits while the driver takes leave of a peer that does not answer.
            probe.cancel()
            return False
        return probe.exception() is None

    def _end(self, probe: "asyncio.Task[None]") -> None:
        self._probes.discard(probe)
        if not probe.cancelled() and probe.exception():
            _log.debug("probe failed", error=str(probe.exception()))

    async def _become(self, state: State) -> None:
        if state is self.state:
            return
        was_up, self.state = self.state is State.UP, state
        log = _log.info if state is State.UP else _log.error
        log("database state changed", state=state.name)
        if self._changed and was_up != (state is State.UP):
            await self._changed(state is State.UP)
