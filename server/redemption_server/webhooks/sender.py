"""Looks after all webhooks: each has a task of its own, so that a slow one holds up no other."""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from redemption_server.storage.webhooks import StoredWebhook, WebhookKey, load_webhooks
from redemption_server.webhooks.delivery import Delivery, Surroundings

# How soon a change of the catalog, or an event that another server recorded, is noticed.
_LOOK_SECONDS = 2.0
_RETRY_SECONDS = 5.0
_PAUSE_SECONDS = 0.1
_log = structlog.get_logger(__name__)


def holder_name() -> str:
    """A name by which a server holds webhooks."""
    return secrets.token_hex(8)


@dataclass(slots=True)
class WebhookSender:
    """Delivers until it is closed; made inside the event loop."""

    around: Surroundings
    _deliveries: dict[WebhookKey, Delivery] = field(default_factory=dict)
    _tasks: dict[WebhookKey, asyncio.Task[None]] = field(default_factory=dict)
    _wakes: dict[int, asyncio.Event] = field(default_factory=dict)
    _looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to deliver."""
        self._looking = asyncio.create_task(self._look())

    def committed(self, org_ids: set[int]) -> None:
        """Something was recorded for these organisations, by this process."""
        for org_id in org_ids:
            if org_id in self._wakes:
                self._wakes[org_id].set()

    async def close(self) -> None:
        """Ends at once; a delivery under way may be repeated by whoever goes on."""
        tasks = [*self._tasks.values(), *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        leaving = (delivery.leave() for delivery in self._deliveries.values())
        await asyncio.gather(*leaving, return_exceptions=True)
        await self.around.poster.close()

    async def _look(self) -> None:
        while True:
            try:
                found = await self.around.database.read(load_webhooks)
            except Exception as error:  # noqa: BLE001 — tried again later, whatever it is
                _log.warning("webhooks cannot be read", error=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            await self._follow({webhook.key: webhook for webhook in found})
            await asyncio.sleep(_LOOK_SECONDS)

    async def _follow(self, found: dict[WebhookKey, StoredWebhook]) -> None:
        """Begins with webhooks that are new, ends with those that are gone."""
        for key, webhook in found.items():
            if key in self._deliveries:
                self._deliveries[key].follow(webhook)
                continue
            self._deliveries[key] = Delivery(self.around, webhook)
            wake = self._wakes.setdefault(key.org_id, asyncio.Event())
            self._tasks[key] = asyncio.create_task(_go_on(self._deliveries[key], wake))
        for key in self._tasks.keys() - found.keys():
            self._tasks.pop(key).cancel()
            with suppress(Exception):
                await self._deliveries.pop(key).leave()


async def _go_on(delivery: Delivery, wake: asyncio.Event) -> None:
    while True:
        try:
            more = await delivery.run()
        except Exception as error:  # noqa: BLE001 — tried again later, whatever it is
            key = delivery.webhook.key
            _log.warning("webhook cannot go on", webhook=key, error=type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        if not more:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await wake.wait()
            # Commits come in crowds: reading after each would cost the writer.
            await asyncio.sleep(_PAUSE_SECONDS)
            wake.clear()
