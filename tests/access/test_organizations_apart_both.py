"""What two organisations have under the same ids is each one's own.

Both have promotions, codes, customers, series and coupons that are called the same, and send the
same requests under the same keys.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from redemption.v1.feed_service_pb2 import WatchRedemptionsRequest
from redemption.v1.ledger_service_pb2 import VerifyLedgerRequest
from redemption.v1.promotion_redemption_pb2 import PROMOTION_MODE_DISCOUNT
from redemption.v1.promotion_redemption_service_pb2 import ListPromotionRedemptionsRequest

from tests.access.apart.answers import (
    GRANTED,
    NOTHING,
    REFUSED,
    REPLAYED_TOO,
    Answer,
    Door,
)
from tests.access.apart.names import BOTHS, OUR_BUDGET, OURS, THEIR_BUDGET, THEIRS, USES
from tests.access.apart.requests import (
    COUPON,
    COUPONS,
    EXPORT,
    GENERATE,
    IMPORT,
    ISSUE,
    JOB,
    LIST,
    REDEEM,
    REVERSE,
    REVOKE,
    SERIES,
    UPDATE,
    VALIDATE,
    VERIFY,
    WATCH,
    export_coupons,
    generate_coupons,
    get_coupon,
    get_coupon_job,
    get_coupon_series,
    import_coupons,
    issue_coupon,
    issue_new_coupon,
    put,
    redeem_boths,
    redeem_coupons,
    redeem_promotions,
    reverse_redemption,
    revoke_coupon,
    update_coupon_series,
    validate_coupons,
)
from tests.access.apart.world import BOTHS_WORDS, World, nothing_checked_out

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _no_connection_stays_checked_out() -> AsyncIterator[None]:
    """In place of the one for all tests: the service lives on, and keeps probing its database."""
    yield
    await nothing_checked_out()


@pytest.mark.provokes("LIMIT_REACHED", "EARNED_PROMOTION_REDEEMED")
async def test_a_promotion_that_both_have_is_each_ones_own(world: World, door: Door) -> None:
    # They have recorded the very same, under the same key, and used what they had earned.
    message = redeem_boths(earned=True)
    answer = await door(world.us, REDEEM, message)
    assert answer.outcome in GRANTED, answer
    await world.assert_apart(answer, *BOTHS_WORDS)
    for who, org_id in ((world.us, OURS["org"]), (world.them, THEIRS["org"])):
        answer = await door(who, REDEEM, message)
        assert answer.outcome in REPLAYED_TOO, answer
        assert re.search(rf'"orgId": ?"?{org_id}\b', answer.text)
    answer = await door(world.us, REDEEM, redeem_boths("again", earned=True))
    assert answer.outcome in REFUSED
    assert BOTHS["earned"] in answer.text
    # Together, so that they meet in a batch, under the same keys.
    together = [
        door(who, REDEEM, redeem_boths(f"together-{number}"))
        for number in range(2)
        for who in (world.us, world.them)
    ]
    assert all(answer.outcome in GRANTED for answer in await asyncio.gather(*together))
    # That was all of theirs. We have room for one more.
    answer = await door(world.them, REDEEM, redeem_boths("last"))
    assert answer.outcome in REFUSED
    answer = await door(world.us, REDEEM, redeem_boths("last"))
    assert answer.outcome in GRANTED
    for who, budget in ((world.us, OUR_BUDGET), (world.them, THEIR_BUDGET)):
        answer = await world.ask(who, REDEEM, redeem_boths("too much"))
        assert answer.outcome == "LIMIT_REACHED"
        assert f'"limit": "{budget}"' in answer.text
        verified = await world.ask(who, VERIFY, VerifyLedgerRequest())
        assert "findings" not in verified.text


async def test_a_lookup_shows_each_what_is_its_own(world: World, door: Door) -> None:
    # Ours has that code alone, so that it needs no mention.
    message = by_identifier("mobile", BOTHS["mobile"])
    assert (await door(world.us, REDEEM, message)).outcome in GRANTED
    assert (await door(world.them, REDEEM, redeem_boths("later"))).outcome in GRANTED
    ours = {"promotionName": f"{OURS['name']} too", "orgId": str(OURS["org"])}
    there = str(OURS["org"] + 50)
    listing = ListPromotionRedemptionsRequest(codes=[BOTHS["code"]], mode=PROMOTION_MODE_DISCOUNT)
    answer = await world.ask(world.us, LIST, listing)
    world.assert_tells_nothing(answer.text, *BOTHS_WORDS)
    (summary,) = json.loads(answer.text)["codeSummaries"]
    assert ours.items() <= summary.items()
    assert summary["redemptionCount"] == str(USES)
    listing.include_redemptions = True
    # The cart's record, then the line's.
    for page_size, records in ((1, 1), (0, 2)):
        listing.page_size = page_size
        answer = await world.ask(world.us, LIST, listing)
        world.assert_tells_nothing(answer.text, *BOTHS_WORDS)
        found = json.loads(answer.text)["redemptions"]
        assert len(found) == records
        for record in found:
            assert {**ours, "redemptionTill": there, "customerId": there}.items() <= record.items()
    assert [r["productId"] for r in found if "productId" in r] == [there]


def by_identifier(kind: str, value: str) -> Message:
    """Redeems what both have for the customer who has an identifier, without naming a code."""
    message = redeem_promotions({**BOTHS, "transaction": "by identifier"})
    put(message, "customer_id", None)
    put(message, "customer_identifier_type", kind)
    put(message, "customer_identifier_value", value)
    return message


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("mobile", "mobile"),
        ("email", "email"),
        ("externalId", "external_id"),
        ("cardNumber", "card_number"),
        ("cardExternalId", "card_external_id"),
    ],
)
async def test_a_customer_whom_both_know_by_one_identifier_is_each_ones_own(
    world: World, door: Door, kind: str, thing: str
) -> None:
    for who, own in ((world.us, OURS), (world.them, THEIRS)):
        answer = await door(who, REDEEM, by_identifier(kind, BOTHS[thing]))
        assert answer.outcome in GRANTED
        assert re.search(rf'"customerId": ?"?{own["org"] + 50}\b', answer.text)


async def test_a_coupon_that_both_have_is_each_ones_own(world: World, door: Door) -> None:
    # It may be redeemed once, and they have done so, under the same key.
    answer = await door(world.us, COUPONS, redeem_coupons(BOTHS))
    assert answer.outcome in GRANTED, answer
    assert f"{OURS['discount_code']}-too" in answer.text
    await world.assert_apart(answer, *BOTHS_WORDS, BOTHS["series"])
    for who, own in ((world.us, OURS), (world.them, THEIRS)):
        answer = await door(who, COUPONS, redeem_coupons(BOTHS))
        assert answer.outcome in REPLAYED_TOO, answer
        assert f"{own['discount_code']}-too" in answer.text
        answer = await world.ask(who, COUPONS, redeem_coupons({**BOTHS, "request": "again"}))
        assert answer.outcome == "COUPON_REPEATED"


async def test_a_coupon_that_both_have_is_shown_and_changed_for_each_alone(world: World) -> None:
    ours, theirs = await ask_both(world, COUPON, get_coupon(BOTHS))
    # Only they have redeemed it.
    assert "usages" not in ours
    assert ours["state"] == "COUPON_STATE_REDEEMABLE"
    assert len(theirs["usages"]) == 1
    assert theirs["state"] == "COUPON_STATE_USED_UP"
    for rpc, message in (
        (VALIDATE, validate_coupons(BOTHS)),
        (ISSUE, issue_coupon(BOTHS)),
        (REVOKE, revoke_coupon(BOTHS)),
    ):
        answer = await world.ask(world.us, rpc, message)
        assert answer.outcome == "", answer
        await world.assert_apart(answer, *BOTHS_WORDS, BOTHS["series"])
    answer = await world.ask(world.us, VALIDATE, validate_coupons(BOTHS))
    assert answer.outcome == "COUPON_REVOKED"
    answer = await world.ask(world.them, VALIDATE, validate_coupons(BOTHS))
    assert answer.outcome == "COUPON_REPEATED"


async def test_a_series_that_both_have_is_shown_and_changed_for_each_alone(world: World) -> None:
    ours, theirs = await ask_both(world, SERIES, get_coupon_series(BOTHS))
    assert ours["series"]["discountCode"] == f"{OURS['discount_code']}-too"
    assert theirs["series"]["discountCode"] == f"{THEIRS['discount_code']}-too"
    ours, theirs = await ask_both(world, EXPORT, export_coupons(BOTHS))
    # The one that both have, and one that was made for a customer of each.
    ours_to, theirs_to = (
        {coupon["code"]: coupon.get("customer") for coupon in exported["coupons"]}
        for exported in (ours, theirs)
    )
    assert sorted(map(str, ours_to.values())) == sorted([str(OURS["org"] + 50), "None"])
    assert sorted(map(str, theirs_to.values())) == sorted([str(THEIRS["org"] + 50), "None"])
    assert ours_to.keys() & theirs_to.keys() == {BOTHS["coupon"]}
    changed = update_coupon_series({**OURS, "series": BOTHS["series"]})
    imported = import_coupons({**world.us, "series": BOTHS["series"]})
    for rpc, message in ((UPDATE, changed), (IMPORT, imported)):
        answer = await world.ask(world.us, rpc, message)
        assert answer.outcome == "", answer
        await world.assert_apart(answer, *BOTHS_WORDS, BOTHS["series"])


async def test_codes_that_both_have_made_under_one_key_are_each_ones_own(world: World) -> None:
    making, issuing = generate_coupons(BOTHS), issue_new_coupon(BOTHS)
    codes = set()
    # They come second, so that ours is there to be found.
    for who in (world.us, world.them):
        answer = await world.ask(who, JOB, get_coupon_job({**BOTHS, "begun": BOTHS["job"]}))
        assert answer.outcome == "JOB_NOT_FOUND"
        begun = await world.ask(who, GENERATE, making)
        assert begun.outcome == "", begun
        assert (await world.ask(who, GENERATE, making)).outcome == "DONE"
        issued = await world.ask(who, ISSUE, issuing)
        assert issued.outcome == "", issued
        again = await world.ask(who, ISSUE, issuing)
        assert again == issued
        codes.add(json.loads(issued.text)["coupon"]["code"])
        if who is world.us:
            world.assert_tells_nothing(begun.text + issued.text, *BOTHS_WORDS, BOTHS["series"])
            mark = (await world.state()).ours
    assert len(codes) == 2
    assert (await world.state()).ours == mark


async def test_what_both_have_redeemed_is_reversed_for_each_alone(world: World) -> None:
    assert (await world.ask(world.us, REDEEM, redeem_boths(earned=True))).outcome == ""
    assert (await world.ask(world.us, COUPONS, redeem_coupons(BOTHS))).outcome == ""
    message = reverse_redemption(BOTHS)
    reversed_by_us = await world.ask(world.us, REVERSE, message)
    assert reversed_by_us.outcome == ""
    await world.assert_apart(reversed_by_us, *BOTHS_WORDS)
    # What came back to us did not come back to them: they have used what they had earned.
    answer = await world.ask(world.us, REDEEM, redeem_boths("again", earned=True))
    assert answer.outcome == ""
    answer = await world.ask(world.them, REDEEM, redeem_boths("again", earned=True))
    assert answer.outcome == "EARNED_PROMOTION_REDEEMED"
    mark = (await world.state()).ours
    reversed_by_them = await world.ask(world.them, REVERSE, message)
    assert reversed_by_them.outcome == ""
    assert (await world.state()).ours == mark
    for who, told in ((world.us, reversed_by_us), (world.them, reversed_by_them)):
        answer = await world.ask(who, REVERSE, message)
        assert answer.outcome == "REPLAYED"
        assert json.loads(answer.text)["reversalId"] == json.loads(told.text)["reversalId"]
        verified = await world.ask(who, VERIFY, VerifyLedgerRequest())
        assert "findings" not in verified.text


@pytest.mark.parametrize(
    ("field", "thing"),
    [
        ("promotion_ids", "promotion"),
        ("codes", "code"),
        ("codes", "coupon"),
        ("customer_ids", "customer"),
    ],
)
async def test_a_watch_for_what_both_have_tells_each_of_its_own(
    world: World, field: str, thing: str
) -> None:
    message = WatchRedemptionsRequest(after_sequence=0, **{field: [BOTHS[thing]]})

    async def told() -> list[Answer]:
        # Both at once, so that whatever the server shares among watches is shared here.
        watches = (world.ask(who, WATCH, message) for who in (world.us, world.them))
        return await asyncio.gather(*watches)

    # Only they have redeemed any of it yet.
    ours, theirs = await told()
    assert (ours.outcome, theirs.outcome) == (NOTHING, "")
    await world.assert_apart(ours)
    assert (await world.ask(world.us, REDEEM, redeem_boths(earned=True))).outcome == ""
    assert (await world.ask(world.us, COUPONS, redeem_coupons(BOTHS))).outcome == ""
    ours, theirs = await told()
    await world.assert_apart(ours, *BOTHS_WORDS, BOTHS["series"])
    for answer, own in ((ours, OURS), (theirs, THEIRS)):
        assert answer.outcome == ""
        assert set(re.findall(r'"orgId": "(\d+)"', answer.text)) == {str(own["org"])}


async def test_a_trial_of_what_both_have_looks_at_what_is_ones_own(world: World) -> None:
    # They have recorded all of it under these keys; we have not.
    trying, trying_coupons = redeem_boths(earned=True), redeem_coupons(BOTHS)
    for rpc, message in ((REDEEM, trying), (COUPONS, trying_coupons)):
        put(message, "validate_only", True)
        answer = await world.ask(world.us, rpc, message)
        assert answer.outcome == "", answer
        assert await world.assert_apart(answer, *BOTHS_WORDS, BOTHS["series"]) == world.start
        answer = await world.ask(world.them, rpc, message)
        assert answer.outcome == "REPLAYED", answer
        assert await world.state() == world.start


async def ask_both(world: World, rpc: str, message: Message) -> list[Any]:
    """What each is told; we are told nothing of them."""
    answers = [await world.ask(who, rpc, message) for who in (world.us, world.them)]
    assert {answer.outcome for answer in answers} == {""}
    await world.assert_apart(answers[0], *BOTHS_WORDS, BOTHS["series"])
    return [json.loads(answer.text) for answer in answers]
