"""Webhooks and how far each has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, or_, select

from redemption_server.storage.catalog_tables import WebhookRow
from redemption_server.storage.dialect import insert_rows, table_of
from redemption_server.storage.feed_events import last_sequence
from redemption_server.storage.record_tables import ParkedDeliveryRow, WebhookDeliveryRow

_webhook = table_of(WebhookRow)
_delivery = table_of(WebhookDeliveryRow)
_parked = table_of(ParkedDeliveryRow)
PARKED_MAX = 1_000


class WebhookKey(NamedTuple):
    """Names a webhook."""

    org_id: int
    id: str


class StoredWebhook(NamedTuple):
    """A webhook that is active. `events` are the numbers of `redemption.v1.WebhookEvent`."""

    key: WebhookKey
    url: str
    sealed_secret: bytes
    events: frozenset[int]
    every_coupon: bool


class Position(NamedTuple):
    """How far a webhook has come: events through `sequence` are dealt with.

    The next one was tried `attempts` times, the first time at `failing_since_ms`.
    """

    sequence: int
    attempts: int = 0
    failing_since_ms: int | None = None
    next_attempt_at_ms: int = 0


class ParkedDelivery(NamedTuple):
    """An event that could not be delivered."""

    webhook: WebhookKey
    sequence: int
    attempts: int
    error: str
    parked_at_ms: int


def load_webhooks(connection: Connection) -> list[StoredWebhook]:
    """The active webhooks of all organisations."""
    rows = connection.execute(select(_webhook).where(_webhook.c.active))
    return [
        StoredWebhook(
            WebhookKey(row.org_id, row.id),
            row.url,
            row.sealed_secret,
            frozenset(orjson.loads(row.events)),
            row.every_coupon,
        )
        for row in rows
    ]


def begin_webhooks(connection: Connection, org_id: int, ids: Sequence[str]) -> None:
    """Has those that are new begin with the organisation's next event."""
    if ids:
        last = last_sequence(connection, org_id)
        rows = [(org_id, webhook_id, last, 0, None, 0, "", 0) for webhook_id in ids]
        insert_rows(connection, _delivery, rows, "ON CONFLICT DO NOTHING")


@dataclass(frozen=True, slots=True)
class Hold:
    """The work of holding a webhook for one server, for a while."""

    webhook: WebhookKey
    holder: str
    now_ms: int
    seconds: float

    def __call__(self, connection: Connection) -> Position | None:
        """How far it has come; None when another server holds it."""
        where = (
            _delivery.c.org_id == self.webhook.org_id,
            _delivery.c.webhook_id == self.webhook.id,
        )
        held = connection.execute(
            _delivery.update()
            .where(
                *where,
                or_(_delivery.c.held_until_ms < self.now_ms, _delivery.c.held_by == self.holder),
            )
            .values(held_by=self.holder, held_until_ms=self.now_ms + int(self.seconds * 1_000))
        )
        if not held.rowcount:
            return None
        row = connection.execute(select(_delivery).where(*where)).one()
        return Position(row.sequence, row.attempts, row.failing_since_ms, row.next_attempt_at_ms)


@dataclass(frozen=True, slots=True)
class Advance:
    """The work of noting how far a held webhook has come, and parking what it gives up on."""

    webhook: WebhookKey
    holder: str
    position: Position
    until_ms: int
    parked: ParkedDelivery | None = None

    def __call__(self, connection: Connection) -> bool:
        """Whether the webhook was still held."""
        advanced = connection.execute(
            _delivery.update()
            .where(
                _delivery.c.org_id == self.webhook.org_id,
                _delivery.c.webhook_id == self.webhook.id,
                _delivery.c.held_by == self.holder,
            )
            .values(
                sequence=self.position.sequence,
                attempts=self.position.attempts,
                failing_since_ms=self.position.failing_since_ms,
                next_attempt_at_ms=self.position.next_attempt_at_ms,
                held_until_ms=self.until_ms,
            )
        )
        if advanced.rowcount and self.parked:
            parked = self.parked
            row = (
                *self.webhook,
                parked.sequence,
                parked.attempts,
                parked.error,
                parked.parked_at_ms,
            )
            insert_rows(connection, _parked, [row], "ON CONFLICT DO NOTHING")
        return bool(advanced.rowcount)


def load_parked(connection: Connection) -> list[ParkedDelivery]:
    """The oldest parked deliveries of all organisations, at most PARKED_MAX."""
    rows = connection.execute(
        select(_parked)
        .order_by(_parked.c.org_id, _parked.c.webhook_id, _parked.c.sequence)
        .limit(PARKED_MAX)
    )
    return [
        ParkedDelivery(
            WebhookKey(row.org_id, row.webhook_id),
            row.sequence,
            row.attempts,
            row.error,
            row.parked_at_ms,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class ForgetParked:
    """The work of taking a delivery off the list: it was delivered after all."""

    parked: ParkedDelivery

    def __call__(self, connection: Connection) -> None:
        """Takes it off."""
        connection.execute(
            _parked.delete().where(
                _parked.c.org_id == self.parked.webhook.org_id,
                _parked.c.webhook_id == self.parked.webhook.id,
                _parked.c.sequence == self.parked.sequence,
            )
        )
