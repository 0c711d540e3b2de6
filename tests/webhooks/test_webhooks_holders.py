"""Several servers on one database: one of them delivers, and another when it is gone."""

import asyncio
from datetime import timedelta

from redemption_server.webhooks.delivery import HOLD_SECONDS

from tests.support.receiver import Receiver, status, waits_for
from tests.webhooks.office import Office, organization, webhook

MOMENT = timedelta(milliseconds=1)


async def test_of_two_servers_one_delivers_and_the_other_follows_when_it_is_dead(
    office: Office, receiver: Receiver
) -> None:
    await office.apply(organization(webhook(receiver)))
    await office.redeem(3)
    first, second = await office.delivery(holder="a"), await office.delivery(holder="b")
    await first.run()
    assert not await second.run()
    assert receiver.sequences == [1, 2, 3]
    # The first dies here. As long as it might live, nobody takes its place.
    await office.redeem(2)
    office.clock.advance(timedelta(seconds=HOLD_SECONDS))
    assert not await second.run()
    assert receiver.sequences == [1, 2, 3]
    office.clock.advance(MOMENT)
    await second.run()
    # What the first had not noted comes twice; nothing is left out.
    assert receiver.sequences == [1, 2, 3, 2, 3, 4, 5]
    assert receiver.taken[1] == receiver.taken[3]._replace(headers=receiver.taken[1].headers)


async def test_who_was_thought_dead_delivers_no_more_than_what_was_under_way(
    office: Office, receiver: Receiver
) -> None:
    await office.apply(organization(webhook(receiver)))
    await office.redeem(3)
    first, second = await office.delivery(holder="a"), await office.delivery(holder="b")
    answers = asyncio.Event()
    receiver.manners = [status(200), waits_for(answers)]
    frozen = asyncio.create_task(first.run())
    await receiver.got(2)
    office.clock.advance(timedelta(seconds=HOLD_SECONDS) + MOMENT)
    await second.run()
    assert receiver.sequences == [1, 2, 2, 3]
    answers.set()
    assert not await frozen
    assert not await first.run()
    assert receiver.sequences == [1, 2, 2, 3]
    await second.leave()
    # Nor does it take back how far the other has come.
    await first.leave()
    assert await office.positions() == [("w1", 3, 0)]


async def test_who_leaves_lets_another_go_on_at_once(office: Office, receiver: Receiver) -> None:
    await office.apply(organization(webhook(receiver)))
    await office.redeem(2)
    first, second = await office.delivery(holder="a"), await office.delivery(holder="b")
    await first.run()
    await first.leave()
    await office.redeem()
    office.clock.advance(MOMENT)
    await second.run()
    assert receiver.sequences == [1, 2, 3]


async def test_a_holder_keeps_hold_for_as_long_as_it_lives(
    office: Office, stranger: Receiver
) -> None:
    await office.apply(organization(webhook(stranger)))
    first, second = await office.delivery(holder="a"), await office.delivery(holder="b")

    async def time_passes() -> None:
        for _ in range(5):
            office.clock.advance(timedelta(seconds=HOLD_SECONDS / 2))
            await first.run()
            await second.run()

    await first.run()
    # Whether there is anything to deliver or not.
    for sequence in (1, 2):
        await time_passes()
        await office.redeem()
        await second.run()
        assert len(stranger.taken) == sequence - 1
        await first.run()
        assert len(stranger.taken) == sequence
