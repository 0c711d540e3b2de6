"""What a webhook is sent: CloudEvents 1.0, signed by the Standard Webhooks convention."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.support import catalogs
from tests.support.desk import coupon, use
from tests.support.receiver import FAILS, Message, Receiver, status
from tests.webhooks.office import Office, organization, webhook

SOURCE = f"/organizations/{catalogs.ORG}"
CUSTOMER = catalogs.CUSTOMER


def assert_is_cloud_event(message: Message) -> None:
    """Structured mode: all attributes that are required, in the form that is required."""
    media_type, _, parameters = message.headers["content-type"].partition(";")
    assert (media_type, parameters.strip()) == ("application/cloudevents+json", "charset=utf-8")
    event = message.event
    data = event.pop("data")
    assert isinstance(data, dict)
    assert event["specversion"] == "1.0"
    assert event["datacontenttype"] == "application/json"
    assert {"id", "source", "type", "subject", "time", "sequence"} < set(event)
    for name, value in event.items():
        assert re.fullmatch("[a-z0-9]{1,20}", name)
        assert isinstance(value, str), name
        assert value, name
    assert datetime.fromisoformat(event["time"]).utcoffset() == timedelta(0)


async def rows(office: Office, statement: str) -> list[Any]:
    return [row for (row,) in await office.desk.rows(statement)]


@pytest.fixture
async def told(office: Office, receiver: Receiver) -> list[Message]:
    """A promotion and a coupon are redeemed, then both are reversed."""
    await office.apply(organization(webhook(receiver)))
    delivery = await office.delivery()
    await delivery.run()
    outcome = await office.desk.redeem(use(promo_code=""), transaction_identifier="t-1")
    assert hasattr(outcome, "answer"), outcome
    outcome = await office.desk.redeem_coupons(
        coupon(" coupon1", amount="12.5", transaction_number="bill-7")
    )
    assert hasattr(outcome, "answer"), outcome
    # Not so late that a receiver would find it too new.
    office.clock.advance(timedelta(seconds=90))
    await office.reverse_all()
    await delivery.run()
    return receiver.taken


async def test_each_kind_of_event_is_told_whole(office: Office, told: list[Message]) -> None:
    for message in told:
        assert_is_cloud_event(message)
    (use_id,) = await rows(office, "SELECT id FROM promotion_redemption")
    (coupon_id,) = await rows(office, "SELECT id FROM coupon_redemption")
    reversals = await rows(office, "SELECT id FROM reversal ORDER BY recorded_at_ms, id")
    later = office.clock.now.isoformat()
    earlier = (office.clock.now - timedelta(seconds=90)).isoformat()
    promotion = {
        "orgId": catalogs.ORG,
        "id": use_id,
        "promotionId": "p1",
        "promotionName": "Promotion p1",
        "promoCode": "",
        "earnedPromotionId": "",
        "customerId": CUSTOMER,
        "transactionIdentifier": "t-1",
        "transactionNumber": "bill-1",
        "transactionDate": told[0].event["data"]["transactionDate"],
        "redemptionCount": 1,
        "discount": "10",
        "redemptionTill": catalogs.TILL,
    }
    a_coupon = {
        "orgId": catalogs.ORG,
        "redemptionId": str(coupon_id),
        "code": "COUPON1",
        "seriesId": 1,
        "customerId": CUSTOMER,
        "discountCode": told[1].event["data"]["discountCode"],
        "discountType": "ABS",
        "discountValue": "50",
        "transactionNumber": "bill-7",
        "amount": "12.5",
        "redeemedAt": earlier,
        "redemptionTill": catalogs.TILL,
    }

    def event(sequence: int, kind: str, about: str, time: str, data: dict[str, Any]) -> Any:
        return {
            "specversion": "1.0",
            "id": f"{catalogs.ORG}-{sequence}",
            "source": SOURCE,
            "type": f"redemption.v1.{kind}",
            "subject": about,
            "time": time,
            "datacontenttype": "application/json",
            "sequence": str(sequence),
            "data": data,
        }

    def reversed_(reversal_id: str) -> dict[str, Any]:
        return {"reversal": {"id": reversal_id, "reason": "RETURN", "reversedAt": later}}

    of_promotion, of_coupon = f"promotionRedemptions/{use_id}", f"couponRedemptions/{coupon_id}"
    first, second = reversals
    if told[2].event["data"]["reversal"]["id"] != first:
        first, second = second, first
    assert [message.event for message in told] == [
        event(1, "PromotionRedeemed", of_promotion, earlier, promotion),
        event(2, "CouponRedeemed", of_coupon, earlier, a_coupon),
        event(3, "PromotionReversed", of_promotion, later, promotion | reversed_(first)),
        event(4, "CouponReversed", of_coupon, later, a_coupon | reversed_(second)),
    ]


async def test_a_message_is_signed_by_the_convention(
    office: Office, told: list[Message], receiver: Receiver
) -> None:
    for message in told:
        # The library that receivers use; it has an opinion of the time, too.
        event = Webhook(receiver.secret).verify(message.body, dict(message.headers))
        assert event == message.event
        assert message.id == event["id"]
        assert message.headers["webhook-timestamp"] == str(int(office.clock.now.timestamp()))
        assert re.fullmatch(r"v1,[A-Za-z0-9+/]{43}=", message.headers["webhook-signature"])
        assert message.path == "/hook"
        assert message.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert "authorization" not in message.headers
        assert "cookie" not in message.headers


async def test_a_repeat_has_the_id_of_the_first_and_a_time_of_its_own(
    office: Office, receiver: Receiver
) -> None:
    await office.apply(organization(webhook(receiver)))
    delivery = await office.delivery()
    await delivery.run()
    await office.redeem()
    receiver.manners = [FAILS]
    await delivery.run()
    office.clock.advance(timedelta(seconds=2))
    await delivery.run()
    first, second = receiver.messages
    assert (first.id, first.body) == (second.id, second.body)
    times = [int(message.headers["webhook-timestamp"]) for message in (first, second)]
    assert times[1] - times[0] == 2
    assert receiver.taken == [second]


async def test_what_a_receiver_answers_does_not_change_what_it_is_sent(
    one_office: Office, receiver: Receiver
) -> None:
    await one_office.apply(organization(webhook(receiver)))
    delivery = await one_office.delivery()
    await delivery.run()
    await one_office.redeem(2)
    receiver.manner = status(200, "Set-Cookie: seen=1", "WWW-Authenticate: Basic realm=x")
    await delivery.run()
    first, second = receiver.taken
    changing = {"webhook-id", "webhook-signature", "content-length"}
    kept = [{k: v for k, v in m.headers.items() if k not in changing} for m in (first, second)]
    assert kept[0] == kept[1]
    assert "cookie" not in second.headers
