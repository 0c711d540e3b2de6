"""A desk: a database, a commit queue and a clock, without the wire. Commands in, outcomes out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from redemption_server.catalog.apply import apply_catalog
from redemption_server.commit.queue import CommitQueue
from redemption_server.ids import TimeOrderedIds
from redemption_server.rules.commands import (
    Caller,
    CouponCustomer,
    CouponUse,
    PromotionUse,
    RedeemCoupons,
    RedeemPromotions,
    ReverseRedemption,
)
from redemption_server.rules.decimals import DecimalError, parse_micros
from redemption_server.rules.facts import Operation, RequestKey
from redemption_server.rules.identity import coupon_identifier, promotion_identifier
from redemption_server.rules.normal import fold
from redemption_server.rules.outcomes import Outcome
from redemption_server.rules.reversal_policy import ReversalReason
from redemption_server.storage.database import Database, open_database
from sqlalchemy import text

from tests.support import catalogs
from tests.support.clock import FakeClock

CALLER = Caller(catalogs.ORG, catalogs.KEY, catalogs.TILL, "till-1")


class Desk:
    def __init__(
        self, database: Database, queue: CommitQueue, clock: FakeClock, folder: Path
    ) -> None:
        self.database = database
        self.queue = queue
        self.clock = clock
        self.ids = TimeOrderedIds()
        self._folder = folder

    async def apply(self, *organizations: dict[str, Any]) -> None:
        """Applies organisations as a catalog file would."""
        catalog = catalogs.read(self._folder, *organizations)
        await apply_catalog(self.database, catalog, foreign_secrets_fixed=False)

    async def redeem(self, *uses: PromotionUse, **changes: Any) -> Outcome:
        """Submits a promotion request with `uses` as redemptions; see `promotions`."""
        return await self.queue.submit(promotions(self.clock.now, *uses, **changes))

    async def redeem_coupons(self, *uses: CouponUse, **changes: Any) -> Outcome:
        """Submits a coupon request; see `coupons`."""
        return await self.queue.submit(coupons(self.ids.record_id(), *uses, **changes))

    async def reverse(self, *record_ids: str | int, **changes: Any) -> Outcome:
        """Submits a reversal under a request id of its own; see `reversal`."""
        changes.setdefault("request_id", self.ids.record_id())
        return await self.queue.submit(reversal(*record_ids, **changes))

    async def rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """What a statement finds in the database."""
        return await rows_of(self.database, statement, **parameters)


async def rows_of(database: Database, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """What a statement finds in a database."""
    return await database.read(
        lambda connection: [tuple(row) for row in connection.execute(text(statement), parameters)]
    )


@asynccontextmanager
async def open_desk(url: str, folder: Path, *, writers: int = 1) -> AsyncIterator[Desk]:
    clock = FakeClock()
    database = open_database(url)
    queue = CommitQueue(database, clock, TimeOrderedIds(), writers=writers, waiting_max=100_000)
    try:
        yield Desk(database, queue, clock, folder)
    finally:
        await queue.close()
        await database.close()


def use(promotion_id: str = "p1", **changes: Any) -> PromotionUse:
    """A use of a promotion once, for a discount of 10."""
    fields: dict[str, Any] = {
        "sku": "",
        "promotion_id": promotion_id,
        "earned_promotion_id": "",
        "promo_code": "",
        "redemption_count": 1,
        "discount": 10_000_000,
        "discount_applied_on_quantity": 1_000_000,
        "promotion_applied_on_quantity": 1_000_000,
        "amount": None,
        **changes,
    }
    return PromotionUse(**fields)


def promotions(at: datetime, *uses: PromotionUse, **changes: Any) -> RedeemPromotions:
    """A command with `uses` as redemptions on the whole cart; `changes` replace its fields.

    `customer_id` is CUSTOMER unless `identifier_pair` (type, value) or another id is given.
    """
    kind, value = changes.pop("identifier_pair", ("", ""))
    customer_id = changes.pop("customer_id", None if kind else catalogs.CUSTOMER)
    fields: dict[str, Any] = {
        "caller": CALLER,
        "customer_id": customer_id,
        "customer_identifier_type": kind,
        "customer_identifier_value": value,
        "identifier": promotion_identifier(customer_id, kind, value, "IN"),
        "transaction_identifier": "t1",
        "transaction_number": "bill-1",
        "transaction_date": at,
        "amount": 100_000_000,
        "cart_evaluation_id": "",
        "line_items": (),
        "redemptions": uses,
        **changes,
    }
    return RedeemPromotions(**fields)


def coupon(code: str = "COUPON1", **changes: Any) -> CouponUse:
    """A coupon for CUSTOMER; `amount` is the text as sent."""
    customer = changes.pop("customer", CouponCustomer(customer_id=catalogs.CUSTOMER))
    amount_text = changes.pop("amount", "")
    try:
        amount = parse_micros(amount_text)
    except DecimalError:
        amount = None
    fields: dict[str, Any] = {
        "code": code,
        "code_key": fold(code),
        "customer": customer,
        "identifier": coupon_identifier(customer, "IN"),
        "validation_code": "",
        "transaction_number": "",
        "amount_text": amount_text,
        "amount": amount,
        "custom_fields": (),
        **changes,
    }
    return CouponUse(**fields)


def coupons(
    unkeyed: str,
    *uses: CouponUse,
    request_id: str = "",
    atomic: bool = False,
    caller: Caller = CALLER,
    content: bytes | None = None,
) -> RedeemCoupons:
    """A command; without `request_id` its key is `unkeyed`, which nobody sends again."""
    key = RequestKey(Operation.REDEEM_COUPONS_ONCE, unkeyed)
    if request_id:
        key = RequestKey(Operation.REDEEM_COUPONS, request_id)
    content = repr((atomic, uses)).encode() if content is None else content
    return RedeemCoupons(caller, key, content, atomic, uses)


def reversal(
    *record_ids: str | int,
    request_id: str,
    transaction_identifier: str = "",
    reason: ReversalReason = ReversalReason.CANCEL,
    note: str = "",
    caller: Caller = CALLER,
) -> ReverseRedemption:
    """A command: of coupon redemptions, unless there is a transaction identifier."""
    named = tuple(map(str, record_ids))
    return ReverseRedemption(
        caller=caller,
        key=RequestKey(Operation.REVERSE_REDEMPTION, request_id),
        content=repr((transaction_identifier, named, reason, note)).encode(),
        reason=reason,
        note=note,
        transaction_identifier=transaction_identifier,
        record_ids=named,
    )
