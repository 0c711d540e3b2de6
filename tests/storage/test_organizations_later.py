"""What comes after redemptions is an organisation's own: reversals, the feed, pruning, the audit.

Two organisations with the same promotions, codes, coupons and ids of records.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from redemption_server.commit.batch import Batch
from redemption_server.rules.commands import Caller, Command
from redemption_server.rules.facts import PromotionMode
from redemption_server.rules.outcomes import Granted
from redemption_server.rules.reversal_policy import ReversalReason
from redemption_server.storage import coupons as storage_coupons
from redemption_server.storage import lookups
from redemption_server.storage.coupons import load_coupon
from redemption_server.storage.credential_changes import membership_changes
from redemption_server.storage.feed_events import load_events
from redemption_server.storage.instants import to_ms
from redemption_server.storage.lookups import FoundReversal
from redemption_server.storage.retention import (
    AnswerKey,
    PruneAnswers,
    Pruned,
    PruneEvents,
    pruned,
)
from sqlalchemy import Connection, text

from tests.storage.ledger import find
from tests.storage.two_organizations import KEY, SECRET_HASH, CountingIds
from tests.support import catalogs
from tests.support.catalogs import ORG, OTHER_ORG, organization, promotion, series
from tests.support.desk import Desk, coupon, coupons, promotions, reversal, use

BOTH = (ORG, OTHER_ORG)


def catalog(org_id: int) -> dict[str, Any]:
    return organization(
        id=org_id,
        credentials=[
            {
                "key": KEY,
                "secret_hash": SECRET_HASH,
                "till": "till-1" if org_id == ORG else "till-2",
            }
        ],
        promotions=[promotion(codes=[{"id": "c1", "code": "CODE"}])],
        coupon_series=[
            series(max_redemptions_per_coupon="unlimited", same_customer_may_repeat=True)
        ],
    )


class Shop:
    """An organisation at a desk. Its ids are those of the other."""

    def __init__(self, desk: Desk, org_id: int) -> None:
        self.desk = desk
        self.org_id = org_id
        self._ids = CountingIds(0)
        self._caller = Caller(org_id, KEY, None, "")

    async def do(self, command: Command) -> Granted:
        work = Batch([command], self.desk.clock.now, self._ids)
        (outcome,) = await self.desk.database.transact(work)
        assert isinstance(outcome, Granted), outcome
        return outcome

    async def sell(self, number: int) -> None:
        """Redeems the code and the coupon."""
        used = use(promo_code="CODE")
        name = f"t{number}"
        at = self.desk.clock.now
        await self.do(
            promotions(at, used, caller=self._caller, transaction_identifier=name),
        )
        await self.do(coupons("", coupon(), request_id=f"r{number}", caller=self._caller))

    async def reverse(self, reason: ReversalReason) -> None:
        """Reverses what was sold first."""
        of_coupons = await self.desk.rows(
            "SELECT min(id) FROM coupon_redemption WHERE org_id = :org", org=self.org_id
        )
        more: dict[str, Any] = {"reason": reason, "caller": self._caller}
        await self.do(reversal(request_id="back", transaction_identifier="t1", **more))
        await self.do(reversal(of_coupons[0][0], request_id="coupon back", **more))

    async def reversals(self) -> dict[str, list[FoundReversal | None]]:
        """How each way of looking shows the reversals of what was sold first."""

        def look(connection: Connection) -> dict[str, list[FoundReversal | None]]:
            org_id = self.org_id
            codes = lookups.find_codes(connection, org_id, ["code"], PromotionMode.DISCOUNT)
            of_coupon = load_coupon(connection, org_id, "COUPON1")
            events = load_events(connection, org_id, 0, 100)
            return {
                "lookup": [
                    found.reversal
                    for found in lookups.find_redemptions(connection, org_id, codes, "", 100)
                ],
                "coupon": [found.reversal for found in of_coupon.redemptions],
                "events": [event.redemption.reversal for event in events],
            }

        return await self.desk.database.read(look)

    async def pruned(self) -> Pruned:
        return await self.desk.database.read(pruned, self.org_id)

    async def numbers(self) -> list[int]:
        """The numbers of its events."""
        statement = "SELECT sequence FROM event WHERE org_id = :org ORDER BY sequence"
        return [number for (number,) in await self.desk.rows(statement, org=self.org_id)]


@pytest.fixture
async def shops(desk: Desk) -> Sequence[Shop]:
    for org_id in BOTH:
        await desk.apply(catalog(org_id))
    found = [Shop(desk, org_id) for org_id in BOTH]
    for shop in found:
        await shop.sell(1)
    return found


async def test_a_reversal_is_shown_to_whose_it_is(shops: Sequence[Shop]) -> None:
    ours, theirs = shops
    await theirs.reverse(ReversalReason.FRAUD)
    assert await ours.reversals() == {"lookup": [None], "coupon": [None], "events": [None, None]}
    await ours.reverse(ReversalReason.RETURN)
    for shop, reason in ((ours, ReversalReason.RETURN), (theirs, ReversalReason.FRAUD)):
        shown = await shop.reversals()
        assert [len(found) for found in shown.values()] == [1, 1, 4]
        reasons = {found.reason for shown_by in shown.values() for found in shown_by if found}
        assert reasons == {reason}


async def test_the_newest_redemptions_of_a_coupon_are_those_of_its_organisation(
    shops: Sequence[Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = shops
    await theirs.sell(2)
    monkeypatch.setattr(storage_coupons, "REDEMPTIONS_MAX", 1)
    details = await ours.desk.database.read(load_coupon, ORG, "COUPON1")
    assert len(details.redemptions) == 1


async def test_events_are_pruned_from_whose_they_are(shops: Sequence[Shop]) -> None:
    ours, theirs = shops
    await theirs.sell(2)
    database, clock = ours.desk.database, ours.desk.clock
    clock.advance(timedelta(days=1))
    before_ms = to_ms(clock.now)
    assert not await database.transact(PruneEvents(ORG, before_ms))
    assert (await ours.numbers(), await ours.pruned()) == ([], Pruned(2, before_ms, 0))
    assert (await theirs.numbers(), await theirs.pruned()) == ([1, 2, 3, 4], Pruned())
    await database.transact(PruneEvents(OTHER_ORG, before_ms - 1))
    assert await ours.pruned() == Pruned(2, before_ms, 0)
    assert await theirs.pruned() == Pruned(4, before_ms - 1, 0)


async def test_answers_are_pruned_from_whose_they_are(desk: Desk) -> None:
    for org_id in BOTH:
        await desk.apply(catalog(org_id))
    ours, theirs = (Shop(desk, org_id) for org_id in BOTH)
    await theirs.sell(1)
    desk.clock.advance(timedelta(days=1))
    await ours.sell(2)
    before_ms = to_ms(desk.clock.now)
    await desk.database.transact(PruneAnswers(ORG, before_ms, AnswerKey()))
    assert (await ours.pruned(), await theirs.pruned()) == (Pruned(), Pruned())
    await desk.database.transact(PruneAnswers(OTHER_ORG, before_ms, AnswerKey()))
    assert (await ours.pruned(), await theirs.pruned()) == (Pruned(), Pruned(0, 0, before_ms))


async def test_a_credential_that_both_have_has_changed_in_neither(
    shops: Sequence[Shop], desk: Desk, tmp_path: Any
) -> None:
    for shop in shops:
        (message,) = catalogs.read(tmp_path, catalog(shop.org_id)).organizations
        assert await desk.database.read(membership_changes, message) == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO usage VALUES (:org, 99, 'p1', '', 0, 1, NULL, 1)",
        "UPDATE event SET kind = 99 WHERE org_id = :org AND sequence = 1",
    ],
)
async def test_what_is_wrong_with_one_is_not_found_in_the_other(
    shops: Sequence[Shop], desk: Desk, statement: str
) -> None:
    parameters = {"org": OTHER_ORG}
    await desk.database.transact(
        lambda connection: connection.execute(text(statement), parameters).rowcount
    )
    assert await desk.database.read(find, ORG) == []
    assert await desk.database.read(find, OTHER_ORG) != []


@pytest.mark.parametrize("table", ["promotion_redemption", "coupon_redemption"])
async def test_what_the_other_has_does_not_stand_for_what_is_gone(
    shops: Sequence[Shop], desk: Desk, table: str
) -> None:
    for shop in shops:
        await shop.reverse(ReversalReason.CANCEL)
    await desk.database.transact(
        lambda connection: (
            connection.execute(text(f"DELETE FROM {table} WHERE org_id = {ORG}")).rowcount
        )
    )
    subjects = [finding.subject for finding in await desk.database.read(find, ORG)]
    assert any(subject.startswith(f"reversals/{table}/") for subject in subjects), subjects
    assert await desk.database.read(find, OTHER_ORG) == []
