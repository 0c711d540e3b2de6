"""What the tests of pruning share: requests, what is left, and that all of it agrees."""

from datetime import datetime, timedelta
from typing import Any

from redemption_server.commit.pruner import Pruner
from redemption_server.rules.commands import RedeemPromotions, ReverseRedemption
from redemption_server.rules.facts import Operation, RequestKey
from redemption_server.rules.outcomes import Granted, Outcome
from redemption_server.rules.reversal_policy import ReversalReason
from redemption_server.storage import retention
from redemption_server.storage.instants import to_ms
from redemption_server.storage.retention import PruneEvents
from redemption_server.storage.schema import METADATA

from tests.storage.ledger import find
from tests.support import catalogs
from tests.support.desk import CALLER, Desk, promotions, use

ORG, OTHER_ORG = catalogs.ORG, catalogs.OTHER_ORG
DAY = timedelta(days=1)
UNLIMITED: dict[str, Any] = {
    "max_redemptions_per_coupon": "unlimited",
    "same_customer_may_repeat": True,
}
# What pruning may touch, and no other table.
PRUNED_TABLES = {"event", "claim", "retention"}


async def prepare(desk: Desk) -> None:
    """Two organisations with a promotion, coupons without limits and coupons for one use."""
    for org_id in (ORG, OTHER_ORG):
        await desk.apply(
            catalogs.organization(
                id=org_id,
                credentials=[],
                promotions=[catalogs.promotion(limits={"redemptions_total": 9_999})],
                coupon_series=[
                    catalogs.series(1, **UNLIMITED),
                    catalogs.series(2, coupons=[{"code": f"ONCE{n}"} for n in range(9)]),
                ],
            )
        )


def sale(desk: Desk, identifier: str, **changes: Any) -> RedeemPromotions:
    return promotions(desk.clock.now, use(), transaction_identifier=identifier, **changes)


async def sell(desk: Desk, *identifiers: str, org_id: int = ORG) -> None:
    for identifier in identifiers:
        command = sale(desk, identifier, caller=CALLER._replace(org_id=org_id))
        assert isinstance(await desk.queue.submit(command), Granted)


async def reverse(desk: Desk, request_id: str, identifier: str) -> Outcome:
    return await desk.queue.submit(
        ReverseRedemption(
            caller=CALLER,
            key=RequestKey(Operation.REVERSE_REDEMPTION, request_id),
            content=identifier.encode(),
            reason=ReversalReason.CANCEL,
            note="",
            transaction_identifier=identifier,
            record_ids=(),
        )
    )


async def numbers(desk: Desk, org_id: int = ORG) -> list[int]:
    statement = "SELECT sequence FROM event WHERE org_id = :org_id ORDER BY sequence"
    return [number for (number,) in await desk.rows(statement, org_id=org_id)]


async def through(desk: Desk, org_id: int = ORG) -> int:
    return (await desk.database.read(retention.pruned, org_id)).events_through


async def is_healthy(desk: Desk) -> bool:
    """What `redemption verify` says."""
    async with desk.database.snapshot() as connection:
        for org_id in (ORG, OTHER_ORG):
            assert await connection.run_sync(find, org_id) == []
    return True


async def state(desk: Desk) -> dict[str, list[Any]]:
    """All that pruning must not touch."""
    return {
        name: sorted(await desk.rows(f'SELECT * FROM "{name}"'), key=repr)
        for name in METADATA.tables
        if name not in PRUNED_TABLES
    }


def prune_events(before: datetime) -> PruneEvents:
    return PruneEvents(ORG, to_ms(before))


async def prune(desk: Desk, *, events: int | None = None, answers: int | None = None) -> None:
    """Prunes what is older than so many days, as the server does."""
    await Pruner(
        desk.database,
        desk.clock,
        None if events is None else timedelta(days=events),
        None if answers is None else timedelta(days=answers),
    ).prune()
