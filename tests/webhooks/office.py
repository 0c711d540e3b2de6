"""Deliveries on a real database by a clock that is told to move, without a service around them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from redemption.v1 import catalog_pb2
from redemption_server.access.seal import Seal, new_key
from redemption_server.app import system_clock
from redemption_server.catalog.apply import apply_catalog
from redemption_server.rules.commands import Caller, ReverseRedemption
from redemption_server.rules.facts import Operation, RequestKey
from redemption_server.rules.reversal_policy import ReversalReason
from redemption_server.storage.webhooks import (
    ParkedDelivery,
    StoredWebhook,
    WebhookKey,
    load_parked,
    load_webhooks,
)
from redemption_server.webhooks.delivery import Delivery, Surroundings
from redemption_server.webhooks.posting import Poster
from sqlalchemy import text

from tests.support import catalogs
from tests.support.desk import CALLER, Desk, coupon, open_desk, use
from tests.support.receiver import Receiver

PATIENCE = timedelta(hours=1)
ALL_EVENTS = ["PROMOTION_REDEEMED", "COUPON_REDEEMED", "PROMOTION_REVERSED", "COUPON_REVERSED"]


def webhook(receiver: Receiver, id: str = "w1", **changes: Any) -> dict[str, Any]:  # noqa: A002
    """A webhook that tells the receiver of everything; `changes` replace its keys."""
    return {
        "id": id,
        "url": receiver.url,
        "secret": receiver.secret,
        "events": ALL_EVENTS,
        **changes,
    }


def organization(*webhooks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The test organisation with one promotion, coupons and webhooks."""
    coupons = [{"code": f"COUPON{number}"} for number in range(1, 6)]
    return catalogs.organization(
        **{
            "credentials": [],
            "promotions": [catalogs.promotion()],
            "coupon_series": [catalogs.series(coupons=coupons, max_redemptions_per_coupon=5)],
            "webhooks": list(webhooks),
            **changes,
        }
    )


class Office:
    """A desk whose events are delivered, by whom and when the test says."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        self.database = desk.database
        self.clock = desk.clock
        self.key = new_key()
        self.seal = Seal(self.key)
        self.poster = Poster(private_addresses=True)
        self._folder = folder
        self._numbers = count(1)

    async def apply(self, *organizations: dict[str, Any]) -> None:
        """Applies organisations as a catalog file would."""
        await self.apply_message(catalogs.read(self._folder, *organizations))

    async def apply_message(self, catalog: catalog_pb2.Catalog) -> None:
        """Applies a catalog."""
        await apply_catalog(
            self.database, catalog, foreign_secrets_fixed=False, seal=self.seal, by="test"
        )

    async def redeem(self, times: int = 1, **changes: Any) -> None:
        """Redeems the promotion, each time in a transaction of its own."""
        for _ in range(times):
            number = f"t{next(self._numbers)}"
            outcome = await self.desk.redeem(use(), transaction_identifier=number, **changes)
            assert hasattr(outcome, "answer"), outcome

    async def redeem_of(self, org_id: int) -> None:
        """Redeems the promotion of another organisation."""
        await self.redeem(caller=Caller(org_id, "other", None, ""))

    async def redeem_coupons(self, *codes: str) -> None:
        """Redeems coupons in one request."""
        outcome = await self.desk.redeem_coupons(*map(coupon, codes))
        assert hasattr(outcome, "answer"), outcome

    async def reverse(self, transaction: str, *record_ids: str) -> None:
        """Reverses a transaction, or coupon redemptions."""
        key = RequestKey(Operation.REVERSE_REDEMPTION, self.desk.ids.record_id())
        outcome = await self.desk.queue.submit(
            ReverseRedemption(
                CALLER, key, b"content", ReversalReason.RETURN, "a note", transaction, record_ids
            )
        )
        assert hasattr(outcome, "answer"), outcome

    async def reverse_all(self) -> None:
        """Reverses every redemption, those of promotions first."""
        for (number,) in await self.desk.rows(
            "SELECT transaction_identifier FROM promotion_transaction"
        ):
            await self.reverse(number)
        ids = await self.desk.rows("SELECT id FROM coupon_redemption ORDER BY id")
        await self.reverse("", *(str(record_id) for (record_id,) in ids))

    async def webhooks(self) -> dict[WebhookKey, StoredWebhook]:
        """The active ones."""
        return {w.key: w for w in await self.database.read(load_webhooks)}

    async def parked(self) -> list[ParkedDelivery]:
        """What was given up."""
        return await self.database.read(load_parked)

    async def delivery(
        self,
        id: str = "w1",  # noqa: A002
        org_id: int = catalogs.ORG,
        holder: str = "server",
        busy: Callable[[], bool] = lambda: False,
    ) -> Delivery:
        """The deliveries of a webhook by a server."""
        around = Surroundings(
            self.database, self.poster, self.seal, self.clock, holder, PATIENCE, busy
        )
        return Delivery(around, (await self.webhooks())[WebhookKey(org_id, id)])

    async def execute(self, statement: str, **parameters: Any) -> None:
        """Changes the database."""
        await self.database.transact(lambda c: c.execute(text(statement), parameters) and None)

    async def positions(self) -> list[tuple[Any, ...]]:
        """How far each webhook has come, and how often the next event was tried."""
        return await self.desk.rows(
            "SELECT webhook_id, sequence, attempts FROM webhook_delivery ORDER BY 1, org_id"
        )


@asynccontextmanager
async def open_office(url: str, folder: Path) -> AsyncIterator[Office]:
    async with open_desk(url, folder) as desk:
        # Now, since receivers do not take messages of another time.
        desk.clock.now = system_clock()
        office = Office(desk, folder)
        try:
            yield office
        finally:
            await office.poster.close()
