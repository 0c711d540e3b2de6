"""Who watches what: one `OrganizationFeed` for each organisation that somebody watches."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from redemption_server.feed.organization_feed import OrganizationFeed
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.database import Database
from redemption_server.storage.feed_events import FoundEvent

HEARTBEAT_SECONDS = 10.0


@dataclass(slots=True)
class Feed:
    """Tells watchers what was recorded."""

    database: Database
    _feeds: dict[int, OrganizationFeed] = field(default_factory=dict)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def committed(self, org_ids: Iterable[int]) -> None:
        """Something was recorded for these organisations, by this process."""
        for org_id in org_ids:
            feed = self._feeds.get(org_id)
            if feed:
                feed.committed()

    def close(self) -> None:
        """Ends all watches: the server stops."""
        self._closing.set()

    async def watch(
        self, org_id: int, after: int | None, passes: Callable[[FoundEvent], bool]
    ) -> AsyncGenerator[tuple[Sequence[FoundEvent], int], None]:
        """Pages of the events that pass, each with the number of the last event that it covers.

        The first page is empty and comes at once, others at least every HEARTBEAT_SECONDS, with
        nothing in them if nothing has passed. Raises Refused: FIELD_INVALID, SEQUENCE_PRUNED;
        UNAVAILABLE when the server stops.
        """
        feed = self._feeds.setdefault(org_id, OrganizationFeed(self.database, org_id))
        feed.watchers += 1
        try:
            position = await feed.begin(after)
            yield (), position
            async with aclosing(self._pages(feed, position, passes)) as pages:
                async for events, position in pages:
                    yield events, position
        finally:
            feed.watchers -= 1
            if not feed.watchers:
                feed.stop()
                del self._feeds[org_id]

    async def _pages(
        self, feed: OrganizationFeed, position: int, passes: Callable[[FoundEvent], bool]
    ) -> AsyncGenerator[tuple[Sequence[FoundEvent], int], None]:
        loop = asyncio.get_running_loop()
        closing = asyncio.create_task(self._closing.wait())
        waiting: asyncio.Future[Sequence[FoundEvent]] | None = None
        due = loop.time() + HEARTBEAT_SECONDS
        try:
            while True:
                waiting = asyncio.ensure_future(feed.after(position, due - loop.time()))
                await asyncio.wait([waiting, closing], return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    raise Refused.because(
                        Reason.UNAVAILABLE, "The service is stopping, watch again from here"
                    )
                events = waiting.result()
                if events:
                    position = events[-1].sequence
                passing = [event for event in events if passes(event)]
                if passing or loop.time() >= due:
                    yield passing, position
                    due = loop.time() + HEARTBEAT_SECONDS
        finally:
            closing.cancel()
            if waiting:
                waiting.cancel()
