"""Which events a webhook is told of, in which order, and from when on."""

import asyncio
from typing import Any

import pytest
from redemption_server.storage.feed_events import load_events
from redemption_server.storage.records import EventKind
from redemption_server.webhooks import delivery as delivery_module

from tests.support import catalogs
from tests.support.receiver import OTHER_SECRET, Receiver, running_receiver, waits_for
from tests.webhooks.office import ALL_EVENTS, Office, organization, webhook

OTHER = catalogs.OTHER_ORG


def kinds(receiver: Receiver) -> list[str]:
    return [message.event["type"].rpartition(".")[2] for message in receiver.taken]


async def test_events_come_one_by_one_in_order_and_once(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "_PAGE", 10)
    await office.apply(organization(webhook(receiver)))
    await office.redeem(13)
    delivery = await office.delivery()
    # More than a page: it says that there may be more, and then that there is none.
    assert [await delivery.run(), await delivery.run()] == [True, False]
    assert receiver.sequences == list(range(1, 14))
    await office.redeem(2)
    assert not await delivery.run()
    assert not await delivery.run()
    assert receiver.sequences == list(range(1, 16))
    await delivery.leave()
    assert await office.positions() == [("w1", 15, 0)]


@pytest.mark.parametrize("every_coupon", [False, True])
async def test_a_coupon_among_others_is_told_only_to_who_asked_for_every_one(
    office: Office, receiver: Receiver, every_coupon: bool
) -> None:
    await office.apply(organization(webhook(receiver, every_coupon=every_coupon)))
    await office.redeem_coupons("COUPON1")
    await office.redeem_coupons("COUPON2", "COUPON3")
    await office.redeem_coupons("COUPON4")
    await (await office.delivery()).run()
    codes = [message.event["data"]["code"] for message in receiver.taken]
    alone = ["COUPON1", "COUPON4"]
    assert codes == (["COUPON1", "COUPON2", "COUPON3", "COUPON4"] if every_coupon else alone)
    assert set(kinds(receiver)) == {"CouponRedeemed"}
    # Whoever watches the feed is told of all of them.
    events = await office.database.read(load_events, catalogs.ORG, 0, 10)
    among = EventKind.COUPON_REDEEMED_AMONG_OTHERS
    single = EventKind.COUPON_REDEEMED
    assert [event.kind for event in events] == [single, among, among, single]


async def test_a_request_for_several_coupons_of_which_one_is_granted_is_not_one_for_it_alone(
    one_office: Office, receiver: Receiver
) -> None:
    await one_office.apply(organization(webhook(receiver)))
    await one_office.redeem_coupons("COUPON1", "NO-SUCH-COUPON")
    await (await one_office.delivery()).run()
    assert receiver.messages == []


@pytest.mark.parametrize("wanted", ALL_EVENTS)
async def test_only_events_that_were_asked_for_are_told(
    one_office: Office, receiver: Receiver, wanted: str
) -> None:
    await one_office.apply(organization(webhook(receiver, events=[wanted], every_coupon=True)))
    await one_office.redeem()
    await one_office.redeem_coupons("COUPON1", "COUPON2")
    await one_office.reverse_all()
    delivery = await one_office.delivery()
    await delivery.run()
    times = 2 if wanted.startswith("COUPON") else 1
    assert kinds(receiver) == [wanted.title().replace("_", "")] * times
    # Those that were not wanted are dealt with all the same.
    await delivery.leave()
    assert await one_office.positions() == [("w1", 6, 0)]


async def test_it_begins_at_the_moment_it_is_first_applied(
    office: Office, receiver: Receiver
) -> None:
    await office.apply(organization())
    await office.redeem(2)
    await office.apply(organization(webhook(receiver)))
    # No server has looked at the catalog yet.
    await office.redeem()
    delivery = await office.delivery()
    await delivery.run()
    assert receiver.sequences == [3]
    await office.apply(organization(webhook(receiver)))
    await office.redeem()
    await delivery.run()
    assert receiver.sequences == [3, 4]


async def test_one_that_is_not_active_is_held_back_from_when_it_is_applied(
    office: Office, receiver: Receiver
) -> None:
    await office.apply(organization(webhook(receiver, active=False)))
    await office.redeem()
    assert await office.webhooks() == {}
    await office.apply(organization(webhook(receiver)))
    await (await office.delivery()).run()
    assert receiver.sequences == [1]


async def test_another_begins_where_it_is_applied_and_goes_its_own_way(
    office: Office, receiver: Receiver
) -> None:
    async with running_receiver(OTHER_SECRET) as other:
        await office.apply(organization(webhook(receiver)))
        await office.redeem()
        await office.apply(organization(webhook(receiver), webhook(other, "w2")))
        await office.redeem()
        first, second = await office.delivery(), await office.delivery("w2")
        await asyncio.gather(first.run(), second.run())
        assert (receiver.sequences, other.sequences) == ([1, 2], [2])
        for delivery in (first, second):
            await delivery.leave()
    assert await office.positions() == [("w1", 2, 0), ("w2", 2, 0)]


async def test_one_that_does_not_answer_does_not_hold_up_another(
    office: Office, receiver: Receiver
) -> None:
    answers = asyncio.Event()
    async with running_receiver() as slow:
        slow.manner = waits_for(answers)
        await office.apply(organization(webhook(slow), webhook(receiver, "w2")))
        await office.redeem(3)
        waiting = asyncio.create_task((await office.delivery()).run())
        await slow.got(1)
        await (await office.delivery("w2")).run()
        assert receiver.sequences == [1, 2, 3]
        # Nor are callers held up.
        await office.redeem()
        assert slow.sequences == [1]
        answers.set()
        await waiting
        assert slow.sequences == [1, 2, 3]


async def test_organisations_are_told_of_their_own_alone(
    office: Office, receiver: Receiver
) -> None:
    async with running_receiver(OTHER_SECRET) as other:
        # Of the same name, and one of which is told of all the other is not.
        await office.apply(
            organization(webhook(receiver)),
            organization(webhook(other), id=OTHER),
        )
        await office.redeem(2)
        await office.redeem_of(OTHER)
        for org_id in (catalogs.ORG, OTHER):
            await (await office.delivery(org_id=org_id)).run()
        assert [m.id for m in receiver.taken] == [f"{catalogs.ORG}-1", f"{catalogs.ORG}-2"]
        assert [m.id for m in other.taken] == [f"{OTHER}-1"]
        (told,) = other.taken
        assert told.event["source"] == f"/organizations/{OTHER}"
        assert told.event["data"]["orgId"] == OTHER


def changes(receiver: Receiver) -> dict[str, Any]:
    return {"url": receiver.url + "?new=1", "secret": OTHER_SECRET}


async def test_a_change_of_url_and_secret_is_followed_in_the_middle_of_a_page(
    one_office: Office, receiver: Receiver
) -> None:
    answers = asyncio.Event()
    async with running_receiver(OTHER_SECRET) as other:
        receiver.manner = waits_for(answers)
        await one_office.apply(organization(webhook(receiver)))
        await one_office.redeem(3)
        delivery = await one_office.delivery()
        running = asyncio.create_task(delivery.run())
        await receiver.got(1)
        await one_office.apply(organization(webhook(receiver, **changes(other))))
        (delivery.webhook,) = (await one_office.webhooks()).values()
        answers.set()
        await running
        assert (receiver.sequences, other.sequences) == ([1], [2, 3])
        assert {message.path for message in other.taken} == {"/hook?new=1"}
