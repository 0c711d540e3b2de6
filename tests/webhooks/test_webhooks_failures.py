"""Messages that are not taken: tried ever later, given up in the end, and never out of order."""

from datetime import timedelta

from redemption_server.access.seal import Seal, new_key
from redemption_server.storage.webhooks import ParkedDelivery, WebhookKey
from redemption_server.webhooks.redelivery import redeliver_parked
from structlog.testing import capture_logs

from tests.support import catalogs
from tests.support.receiver import FAILS, Receiver, running_receiver, status
from tests.webhooks.office import PATIENCE, Office, organization, webhook

W1 = WebhookKey(catalogs.ORG, "w1")
MOMENT = timedelta(milliseconds=1)


async def waiting_ms(office: Office) -> int:
    """How long until the next attempt."""
    ((at,),) = await office.desk.rows("SELECT next_attempt_at_ms FROM webhook_delivery")
    return int(at - office.clock.now.timestamp() * 1_000)


async def test_each_wait_is_twice_as_long_until_the_event_is_parked(
    office: Office, stranger: Receiver
) -> None:
    stranger.manner = FAILS
    await office.apply(organization(webhook(stranger)))
    await office.redeem()
    delivery = await office.delivery()
    begun = office.clock.now
    waits = []
    while not await office.parked():
        tried = len(stranger.messages)
        assert not await delivery.run()
        assert len(stranger.messages) == tried + 1
        assert tried < 20
        if not await office.parked():
            wait = await waiting_ms(office)
            waits.append(wait / 1_000)
            assert await office.positions() == [("w1", 0, tried + 1)]
            # A moment too soon it is left in peace.
            office.clock.advance(timedelta(milliseconds=wait) - MOMENT)
            assert not await delivery.run()
            assert len(stranger.messages) == tried + 1
            office.clock.advance(MOMENT)
    for number, seconds in enumerate(waits):
        assert 0.8 * 2**number <= seconds <= 1.2 * 2**number
    lasted = office.clock.now - begun
    assert lasted >= PATIENCE
    assert lasted - timedelta(seconds=waits[-1]) < PATIENCE
    attempts = len(stranger.messages)
    at = int(office.clock.now.timestamp() * 1_000)
    assert await office.parked() == [ParkedDelivery(W1, 1, attempts, "answered 500", at)]
    assert {message.id for message in stranger.messages} == {f"{catalogs.ORG}-1"}
    assert await office.positions() == [("w1", 1, 0)]


async def test_no_wait_is_longer_than_an_hour(one_office: Office) -> None:
    async with running_receiver(clock=one_office.clock) as receiver:
        receiver.manner = FAILS
        await one_office.apply(organization(webhook(receiver)))
        await one_office.redeem()
        since = int(one_office.clock.now.timestamp() * 1_000)
        await one_office.execute(
            "UPDATE webhook_delivery SET attempts = 500, failing_since_ms = :since", since=since
        )
        await (await one_office.delivery()).run()
        assert 0.8 * 3_600_000 <= await waiting_ms(one_office) <= 1.2 * 3_600_000


async def test_many_webhooks_do_not_come_back_at_the_same_time(one_office: Office) -> None:
    async with running_receiver() as receiver:
        receiver.manner = FAILS
        names = [f"w{number}" for number in range(10)]
        await one_office.apply(organization(*(webhook(receiver, name) for name in names)))
        await one_office.redeem()
        for name in names:
            await (await one_office.delivery(name)).run()
    times = await one_office.desk.rows("SELECT DISTINCT next_attempt_at_ms FROM webhook_delivery")
    assert len(times) > 1


async def test_what_failed_comes_before_what_happened_later(
    office: Office, receiver: Receiver
) -> None:
    receiver.manners = [FAILS, FAILS]
    await office.apply(organization(webhook(receiver)))
    await office.redeem(2)
    delivery = await office.delivery()
    await delivery.run()
    office.clock.advance(timedelta(seconds=2))
    await delivery.run()
    await office.redeem()
    office.clock.advance(timedelta(seconds=3))
    await delivery.run()
    assert [message.sequence for message in receiver.messages] == [1, 1, 1, 2, 3]
    assert receiver.sequences == [1, 2, 3]


async def test_after_a_success_the_next_failure_is_a_first_one(
    office: Office, receiver: Receiver
) -> None:
    receiver.manners = [FAILS, FAILS, FAILS]
    await office.apply(organization(webhook(receiver)))
    await office.redeem(2)
    delivery = await office.delivery()
    for _ in range(3):
        await delivery.run()
        office.clock.advance(timedelta(seconds=10))
    await office.redeem()
    receiver.manners = [status(200), FAILS]
    await delivery.run()
    assert receiver.sequences == [1]
    assert await office.positions() == [("w1", 1, 1)]
    assert 800 <= await waiting_ms(office) <= 1_200


async def test_the_next_events_go_on_after_one_was_parked(
    office: Office, stranger: Receiver
) -> None:
    stranger.manner = FAILS
    await office.apply(organization(webhook(stranger)))
    await office.redeem(3)
    delivery = await office.delivery()
    await delivery.run()
    office.clock.advance(PATIENCE)
    await delivery.run()
    stranger.manner = status(202)
    await delivery.run()
    assert stranger.sequences == [2, 3]
    assert [parked.sequence for parked in await office.parked()] == [1]


async def test_a_webhook_that_was_changed_does_not_wait_out_its_failures(
    office: Office, stranger: Receiver
) -> None:
    stranger.manner = FAILS
    await office.apply(organization(webhook(stranger)))
    await office.redeem()
    delivery = await office.delivery()
    await delivery.run()
    async with running_receiver(clock=office.clock) as mended:
        delivery.follow((await office.webhooks())[W1])
        await delivery.run()
        assert len(stranger.messages) == 1
        await office.apply(organization(webhook(mended)))
        delivery.follow((await office.webhooks())[W1])
        await delivery.run()
        assert mended.sequences == [1]


async def test_events_that_were_pruned_before_they_were_delivered_are_missed_aloud(
    office: Office, stranger: Receiver
) -> None:
    await office.apply(organization(webhook(stranger)))
    await office.redeem(4)
    await office.execute("DELETE FROM event WHERE sequence <= 3")
    with capture_logs() as log:
        await (await office.delivery()).run()
    assert [(line["event"], line["events"]) for line in log] == [
        ("webhook missed events, pruned", 3)
    ]
    assert stranger.sequences == [4]


async def redeliver(office: Office) -> list[tuple[int, str]]:
    tried = redeliver_parked(office.database, office.poster, office.seal, office.clock)
    return [(parked.sequence, error) async for parked, error in tried]


async def park(office: Office, receiver: Receiver, count: int) -> None:
    """As many events, all of which are parked."""
    receiver.manner = FAILS
    await office.apply(organization(webhook(receiver)))
    await office.redeem(count)
    delivery = await office.delivery()
    for number in range(1, count + 1):
        await delivery.run()
        office.clock.advance(PATIENCE)
        await delivery.run()
        assert len(await office.parked()) == number
    await delivery.leave()


async def test_what_was_parked_is_delivered_again_on_request_and_forgotten(
    office: Office, stranger: Receiver
) -> None:
    await park(office, stranger, 3)
    first = stranger.messages[0]
    stranger.manner = status(200)
    stranger.manners = [status(200), status(410)]
    assert await redeliver(office) == [(1, ""), (2, "answered 410"), (3, "")]
    assert stranger.sequences == [1, 3]
    assert (stranger.taken[0].id, stranger.taken[0].body) == (first.id, first.body)
    assert [parked.sequence for parked in await office.parked()] == [2]
    assert await redeliver(office) == [(2, "")]
    assert await redeliver(office) == []
    assert await office.positions() == [("w1", 3, 0)]


async def test_what_cannot_be_delivered_again_says_why(office: Office, stranger: Receiver) -> None:
    await park(office, stranger, 1)
    stranger.manner = status(200)
    seal, office.seal = office.seal, Seal(new_key())
    assert await redeliver(office) == [(1, "the secret is sealed with an unknown key")]
    office.seal = seal
    await office.apply(organization(webhook(stranger, active=False)))
    assert await redeliver(office) == [(1, "the webhook is not active")]
    await office.apply(organization(webhook(stranger)))
    await office.execute("DELETE FROM event")
    assert await redeliver(office) == [(1, "the event has been pruned")]
    assert len(await office.parked()) == 1
    assert stranger.taken == []


async def test_without_the_key_nothing_is_sent_and_nothing_is_given_up(
    office: Office, stranger: Receiver
) -> None:
    await office.apply(organization(webhook(stranger)))
    await office.redeem(2)
    delivery = await office.delivery()
    seal, office.seal = office.seal, Seal(new_key())
    without = await office.delivery()
    for _ in range(3):
        with capture_logs() as log:
            assert not await without.run()
        assert [(line["log_level"], line["event"], line["webhook"]) for line in log] == [
            ("error", "webhook secret is sealed with an unknown key", W1)
        ]
        office.clock.advance(PATIENCE)
    assert (stranger.messages, await office.parked()) == ([], [])
    office.seal = seal
    await delivery.run()
    assert stranger.sequences == [1, 2]
