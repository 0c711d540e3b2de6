"""Delivers the events of one webhook, one after the other, as long as this server holds it."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from redemption_server.access.seal import Seal, UnsealError
from redemption_server.rules.commands import Clock
from redemption_server.storage.database import Database
from redemption_server.storage.feed_events import FoundEvent, load_events
from redemption_server.storage.instants import to_ms
from redemption_server.storage.records import EventKind
from redemption_server.storage.webhooks import (
    Advance,
    Hold,
    ParkedDelivery,
    Position,
    StoredWebhook,
)
from redemption_server.webhooks.message import message_body, message_id
from redemption_server.webhooks.posting import DeliveryError, Poster

HOLD_SECONDS = 60.0
_HOLD_LEFT_SECONDS = 20.0
_PAGE = 200
# After so many deliveries, or so long, it is noted how far a webhook has come: what was delivered
# since is delivered again if the server is killed.
_NOTE_AFTER = 50
_NOTE_SECONDS = 2.0
_BACKOFF_SECONDS_FIRST = 1.0
_BACKOFF_SECONDS_MAX = 3_600.0
_BUSY_PAUSE_SECONDS = 0.25
_COMPLAINT_MS = 3_600_000
_log = structlog.get_logger(__name__)

# The numbers of `redemption.v1.WebhookEvent` are those of the kinds of events.
_NUMBER = {EventKind.COUPON_REDEEMED_AMONG_OTHERS: int(EventKind.COUPON_REDEEMED)}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What deliveries need. `busy` tells whether many callers wait: they go first."""

    database: Database
    poster: Poster
    seal: Seal
    clock: Clock
    holder: str
    patience: timedelta
    busy: Callable[[], bool]


@dataclass(slots=True)
class Delivery:
    """The deliveries of one webhook, which this server holds as long as it goes on."""

    around: Surroundings
    webhook: StoredWebhook
    _position: Position | None = None
    _held_until_ms: int = 0
    _noted: Position | None = None
    _noted_at_ms: int = 0
    _delivered: int = 0
    _complained_at_ms: int = -_COMPLAINT_MS

    async def run(self) -> bool:
        """Delivers what there is to deliver; whether there may be more at once.

        Does nothing while another server holds the webhook, or it is not yet time to try again.
        """
        position = await self._hold()
        if position is None:
            return False
        if position.next_attempt_at_ms > self._now_ms():
            return False
        org_id = self.webhook.key.org_id
        events = await self.around.database.read(load_events, org_id, position.sequence, _PAGE)
        if events and events[0].sequence > position.sequence + 1:
            missed = events[0].sequence - position.sequence - 1
            _log.error("webhook missed events, pruned", webhook=self.webhook.key, events=missed)
        try:
            more = await self._deliver(events)
        except UnsealError:
            self._complain_of_key()
            more = False
        if not more:
            await self._note_in_time()
        return more

    def follow(self, webhook: StoredWebhook) -> None:
        """Goes on with the webhook as it now is, at once if it was changed."""
        if webhook != self.webhook and self._position:
            self._position = self._position._replace(next_attempt_at_ms=0)
        self.webhook = webhook

    async def leave(self) -> None:
        """Notes how far the webhook has come, and lets another server go on."""
        if self._position:
            await self._note(hold_seconds=0)

    async def _hold(self) -> Position | None:
        if self._position and self._held_until_ms - self._now_ms() > _HOLD_LEFT_SECONDS * 1_000:
            return self._position
        if self._position and not await self._note():
            self._position = None
        if self._position is None:
            now_ms = self._now_ms()
            hold = Hold(self.webhook.key, self.around.holder, now_ms, HOLD_SECONDS)
            self._position = self._noted = await self.around.database.transact(hold)
            self._held_until_ms = now_ms + int(HOLD_SECONDS * 1_000)
        return self._position

    async def _deliver(self, events: list[FoundEvent]) -> bool:
        for event in events:
            if self._is_wanted(event):
                error = await self._post(event)
                if error:
                    await self._fail(event, error)
                    return False
                self._delivered += 1
            self._position = Position(event.sequence)
            if not await self._note_in_time():
                return False
        return len(events) == _PAGE

    def _complain_of_key(self) -> None:
        now_ms = self._now_ms()
        if now_ms - self._complained_at_ms >= _COMPLAINT_MS:
            self._complained_at_ms = now_ms
            _log.error("webhook secret is sealed with an unknown key", webhook=self.webhook.key)

    async def _note_in_time(self) -> bool:
        """Notes the position when enough has happened since; whether the webhook is still held."""
        if self._position == self._noted:
            return True
        late = self._now_ms() - self._noted_at_ms > _NOTE_SECONDS * 1_000
        if self._delivered < _NOTE_AFTER and not late:
            return True
        return await self._note()

    async def _post(self, event: FoundEvent) -> str:
        """Why the event was not taken; empty when it was. Raises UnsealError."""
        around, org_id = self.around, self.webhook.key.org_id
        if around.busy():
            await asyncio.sleep(_BUSY_PAUSE_SECONDS)
        body = message_body(org_id, event)
        # Both of one moment: the webhook may be changed meanwhile.
        url, secret = self.webhook.url, around.seal.unseal(self.webhook.sealed_secret)
        try:
            await around.poster.post(
                url, secret, message_id(org_id, event.sequence), body, around.clock()
            )
        except DeliveryError as error:
            return str(error)
        return ""

    async def _fail(self, event: FoundEvent, error: str) -> None:
        """Waits before the event is tried again, or parks it when it was tried for long enough."""
        position = self._position
        assert position is not None
        now_ms = self._now_ms()
        # What was delivered before it in this run ended the failures before that.
        repeated = position.sequence == event.sequence - 1 and position.attempts
        attempts = position.attempts + 1 if repeated else 1
        since_ms = position.failing_since_ms if repeated else None
        since_ms = now_ms if since_ms is None else since_ms
        _log.info("webhook failed", webhook=self.webhook.key, attempts=attempts, error=error)
        if now_ms - since_ms >= self.around.patience / timedelta(milliseconds=1):
            _log.warning(
                "webhook delivery parked", webhook=self.webhook.key, sequence=event.sequence
            )
            self._position = Position(event.sequence)
            await self._note(
                ParkedDelivery(self.webhook.key, event.sequence, attempts, error, now_ms)
            )
            return
        wait = min(_BACKOFF_SECONDS_FIRST * 2 ** min(attempts - 1, 20), _BACKOFF_SECONDS_MAX)
        # Many webhooks of one receiver must not come back at once.
        wait *= random.uniform(0.8, 1.2)  # noqa: S311
        next_ms = now_ms + int(wait * 1_000)
        self._position = Position(event.sequence - 1, attempts, since_ms, next_ms)
        await self._note()

    async def _note(
        self, parked: ParkedDelivery | None = None, hold_seconds: float = HOLD_SECONDS
    ) -> bool:
        assert self._position is not None
        position, now_ms = self._position, self._now_ms()
        until_ms = now_ms + int(hold_seconds * 1_000)
        advance = Advance(self.webhook.key, self.around.holder, position, until_ms, parked)
        held = await self.around.database.transact(advance)
        self._noted, self._noted_at_ms, self._delivered = position, now_ms, 0
        self._held_until_ms = until_ms if held else 0
        if not held:
            self._position = None
        return held

    def _now_ms(self) -> int:
        return to_ms(self.around.clock())

    def _is_wanted(self, event: FoundEvent) -> bool:
        if event.kind is EventKind.COUPON_REDEEMED_AMONG_OTHERS and not self.webhook.every_coupon:
            return False
        return _NUMBER.get(event.kind, int(event.kind)) in self.webhook.events
