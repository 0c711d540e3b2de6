"""Tries parked deliveries once more."""

from collections.abc import AsyncIterator

from redemption_server.access.seal import Seal, UnsealError
from redemption_server.rules.commands import Clock
from redemption_server.storage.database import Database
from redemption_server.storage.feed_events import load_events
from redemption_server.storage.webhooks import (
    ForgetParked,
    ParkedDelivery,
    StoredWebhook,
    load_parked,
    load_webhooks,
)
from redemption_server.webhooks.message import message_body, message_id
from redemption_server.webhooks.posting import DeliveryError, Poster


async def redeliver_parked(
    database: Database, poster: Poster, seal: Seal, clock: Clock
) -> AsyncIterator[tuple[ParkedDelivery, str]]:
    """Each parked delivery with why it failed again; empty when it was taken, and is forgotten."""
    webhooks = {webhook.key: webhook for webhook in await database.read(load_webhooks)}
    for delivery in await database.read(load_parked):
        webhook = webhooks.get(delivery.webhook)
        if webhook is None:
            yield delivery, "the webhook is not active"
            continue
        error = await _post(database, poster, seal, clock, webhook, delivery)
        if not error:
            await database.transact(ForgetParked(delivery))
        yield delivery, error


async def _post(
    database: Database,
    poster: Poster,
    seal: Seal,
    clock: Clock,
    webhook: StoredWebhook,
    delivery: ParkedDelivery,
) -> str:
    org_id, sequence = webhook.key.org_id, delivery.sequence
    events = await database.read(load_events, org_id, sequence - 1, 1)
    if not events or events[0].sequence != sequence:
        return "the event has been pruned"
    body = message_body(org_id, events[0])
    try:
        secret = seal.unseal(webhook.sealed_secret)
        await poster.post(webhook.url, secret, message_id(org_id, sequence), body, clock())
    except UnsealError:
        return "the secret is sealed with an unknown key"
    except DeliveryError as failed:
        return str(failed)
    return ""
