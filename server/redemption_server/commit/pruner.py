"""Prunes what is kept for a time only, in small batches between those of the callers."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from redemption_server.rules.commands import Clock
from redemption_server.storage.database import Database
from redemption_server.storage.instants import to_ms
from redemption_server.storage.retention import AnswerKey, PruneAnswers, PruneEvents
from redemption_server.storage.verify.checks import organization_ids

_INTERVAL_SECONDS = 600.0
_PAUSE_SECONDS = 0.05
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Pruner:
    """Prunes now and then until it is closed; made inside the event loop.

    `events` and `answers` are how long they are kept, None for ever.
    """

    database: Database
    clock: Clock
    events: timedelta | None
    answers: timedelta | None
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to prune, if anything is to be pruned."""
        if self.events or self.answers:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Ends."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def prune(self) -> None:
        """Prunes all that is old enough by now."""
        org_ids = await self.database.read(organization_ids)
        now = self.clock()
        for org_id in org_ids:
            if self.events:
                await self._prune_events(org_id, to_ms(now - self.events))
            if self.answers:
                await self._prune_answers(org_id, to_ms(now - self.answers))

    async def _run(self) -> None:
        while True:
            try:
                await self.prune()
            except Exception as error:  # noqa: BLE001 — tried again later, whatever it is
                _log.warning("pruning failed", error=type(error).__name__)
            await asyncio.sleep(_INTERVAL_SECONDS)

    async def _prune_events(self, org_id: int, before_ms: int) -> None:
        more = True
        while more:
            more = await self.database.transact(PruneEvents(org_id, before_ms))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _prune_answers(self, org_id: int, before_ms: int) -> None:
        after: AnswerKey | None = AnswerKey()
        while after:
            after = await self.database.transact(PruneAnswers(org_id, before_ms, after))
            await asyncio.sleep(_PAUSE_SECONDS)
