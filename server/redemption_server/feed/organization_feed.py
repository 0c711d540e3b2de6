"""The events of one organisation, read once for all who watch.

The newest events are kept for watchers that are nearly up to date. Who has fallen behind reads from
the database at its own pace: nobody who is slow holds anybody back, least of all the writer.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

import structlog

from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.database import Database
from redemption_server.storage.feed_events import FoundEvent, last_sequence, load_events
from redemption_server.storage.retention import pruned

PAGE = 500
_KEPT_MAX = 5_000
# Other servers on the database, and whoever else writes to it, do not tell.
_POLL_SECONDS = 0.25
# Busy servers commit many times in between; reading after each would cost the writer.
_PAUSE_SECONDS = 0.4
_RETRY_SECONDS = 1.0
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class OrganizationFeed:
    """Reads on while somebody watches; made inside the event loop."""

    database: Database
    org_id: int
    watchers: int = 0
    _kept: deque[FoundEvent] = field(default_factory=lambda: deque(maxlen=_KEPT_MAX))
    _position: int = 0
    _committed: asyncio.Event = field(default_factory=asyncio.Event)
    _advanced: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: asyncio.Task[None] | None = None

    async def begin(self, after: int | None) -> int:
        """The number behind which a watch begins: now, unless `after` says where.

        Raises Refused: FIELD_INVALID for a number that was not given yet, SEQUENCE_PRUNED.
        """
        last = await self.database.read(last_sequence, self.org_id)
        if after is None:
            after = last
        elif after > last:
            text = f"must be at most the number of the newest event, {last}"
            raise Refused.because(Reason.FIELD_INVALID, text, field="after_sequence")
        through = (await self.database.read(pruned, self.org_id)).events_through
        if after < through:
            raise _pruned(after, through + 1)
        if self._reading is None:
            self._position = max(last, self._position)
            self._reading = asyncio.create_task(self._read_on())
        return after

    async def after(self, sequence: int, patience: float) -> Sequence[FoundEvent]:
        """The next events behind a number, at most PAGE; none when none come for so long.

        Raises Refused (SEQUENCE_PRUNED) when they are no longer there.
        """
        if sequence >= self._position:
            advanced = self._advanced
            try:
                async with asyncio.timeout(patience):
                    await advanced.wait()
            except TimeoutError:
                return ()
        kept = self._kept
        if kept and kept[0].sequence <= sequence + 1:
            first = sequence + 1 - kept[0].sequence
            return list(islice(kept, first, first + PAGE))
        events = await self._load(sequence)
        if not events and sequence < self._position:
            # There were some: all of them have been pruned.
            raise _pruned(sequence, await self._first_kept())
        return events

    def committed(self) -> None:
        """There is something new."""
        self._committed.set()

    def stop(self) -> None:
        """Nobody watches any more."""
        if self._reading:
            self._reading.cancel()
            self._reading = None

    async def _read_on(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._committed.wait()
            self._committed.clear()
            try:
                events = await self._load_or_go_to_the_end()
            except Exception as error:  # noqa: BLE001 — watchers wait until it works again
                _log.warning("feed cannot read", error=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if not events:
                continue
            self._kept.extend(events)
            self._advance(events[-1].sequence)
            if len(events) == PAGE:
                self._committed.set()
            else:
                await asyncio.sleep(_PAUSE_SECONDS)

    def _advance(self, position: int) -> None:
        self._position = position
        advanced, self._advanced = self._advanced, asyncio.Event()
        advanced.set()

    async def _load_or_go_to_the_end(self) -> list[FoundEvent]:
        try:
            return await self._load(self._position)
        except Refused:
            # Pruned faster than read: watchers learn of it when they ask.
            await self._go_to_the_end()
            return []

    async def _go_to_the_end(self) -> None:
        last = await self.database.read(last_sequence, self.org_id)
        self._kept.clear()
        self._advance(last)

    async def _first_kept(self) -> int:
        return (await self.database.read(pruned, self.org_id)).events_through + 1

    async def _load(self, after: int) -> list[FoundEvent]:
        events = await self.database.read(load_events, self.org_id, after, PAGE)
        if events and events[0].sequence != after + 1:
            raise _pruned(after, events[0].sequence)
        return events


def _pruned(after: int, first: int) -> Refused:
    return Refused.because(
        Reason.SEQUENCE_PRUNED,
        f"Events through {first - 1} have been pruned; the first one kept is {first}",
        after_sequence=str(after),
        first_sequence=str(first),
    )
