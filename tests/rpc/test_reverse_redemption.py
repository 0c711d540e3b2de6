"""`ReverseRedemption` over real gRPC: answers, repeats, what stays, and whose redemptions it is."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redemption.v1 import outcome_service_pb2, reversal_pb2
from redemption_server.storage.database import open_database

from tests.rpc.promotion_calls import failure, look_up, reason, redeem, request, use
from tests.rpc.reversal_calls import (
    READER,
    THEIRS,
    outcome,
    redeem_coupons,
    reversal,
    reverse,
    write_catalog,
)
from tests.support.books import books
from tests.support.clock import ODD_DATE, FakeClock
from tests.support.service import FINAL, Service, error_info, run_service

RETURN, FRAUD = "REVERSAL_REASON_RETURN", "REVERSAL_REASON_FRAUD"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Service]:
    """Two organisations with the same promotions and coupons; afterwards nothing is amiss."""
    async with run_service(database_url, write_catalog(tmp_path), clock=clock) as service:
        yield service
    assert (await state(database_url))["findings"] == []


async def state(url: str) -> Any:
    """All that redemptions and reversals left behind."""
    database = open_database(url)
    try:
        return await books(database)
    finally:
        await database.close()


async def records(service: Service) -> list[Any]:
    """What a lookup shows, oldest first."""
    return list(reversed((await look_up(service, codes=["CODE"])).redemptions))


def returned(reversal: Any) -> tuple[bool, bool, bool]:
    return reversal.code_returned, reversal.customer_returned, reversal.budget_returned


async def test_a_transaction_is_reversed_whole(service: Service, clock: FakeClock) -> None:
    await redeem(service, request(line_items=[use(promo_code="CODE")], redemptions=[use()]))
    clock.advance(timedelta(hours=1))
    answer = await reverse(service, reversal("t1", note="wrong size"))
    on_line, on_cart = await records(service)
    assert [r.promotion_redemption_id for r in answer.redemptions] == [on_line.id, on_cart.id]
    assert {r.reversal.SerializeToString() for r in answer.redemptions} == {
        on_line.reversal.SerializeToString()
    }
    shown = on_line.reversal
    assert (answer.reversal_id, answer.replayed) == (shown.id, False)
    assert answer.reversed_at == shown.reversed_at
    instant = shown.reversed_at.ToDatetime(ODD_DATE.tzinfo)
    assert instant == ODD_DATE + timedelta(hours=1)
    assert shown.reason == reversal_pb2.REVERSAL_REASON_CANCEL
    assert returned(shown) == (True, True, True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CANCEL", (True, True, True)),
        ("RETURN", (False, False, True)),
        ("FRAUD", (False, False, False)),
        ("CHARGEBACK", (False, False, False)),
        ("TEST", (True, True, True)),
    ],
)
@on_sqlite
async def test_each_reason_says_what_came_back(
    service: Service, name: str, expected: tuple[bool, bool, bool]
) -> None:
    await redeem(service, request())
    answer = await reverse(service, reversal("t1", reason=f"REVERSAL_REASON_{name}"))
    [one] = answer.redemptions
    assert one.reversal.reason == reversal_pb2.ReversalReason.Value(f"REVERSAL_REASON_{name}")
    assert returned(one.reversal) == expected
    assert one.reversal == (await records(service))[0].reversal


@on_sqlite
async def test_a_policy_of_the_catalog_is_what_counts(service: Service) -> None:
    await redeem(service, request(redemptions=[use(), use(promotion_id="kept")]))
    answer = await reverse(service, reversal("t1"))
    assert [returned(one.reversal) for one in answer.redemptions] == [
        (True, True, True),
        (False, False, False),
    ]


@pytest.mark.provokes("REDEMPTION_REVERSED")
async def test_single_uses_then_the_rest_then_nothing(service: Service) -> None:
    await redeem(service, request(redemptions=[use(), use(), use()]))
    first, second, third = [record.id for record in await records(service)]
    one = await reverse(service, reversal("t1", redemption_ids=[second], reason=RETURN))
    assert [r.promotion_redemption_id for r in one.redemptions] == [second]
    rest = await reverse(service, reversal("t1"))
    assert [r.promotion_redemption_id for r in rest.redemptions] == [first, third]
    shown = [record.reversal.id for record in await records(service)]
    assert shown == [rest.reversal_id, one.reversal_id, rest.reversal_id]
    for again in (reversal("t1"), reversal("t1", redemption_ids=[third])):
        status = await failure(reverse(service, again))
        info = error_info(status)
        assert info.reason == "REDEMPTION_REVERSED"
        assert info.metadata["redemption"] in (first, third)


@pytest.mark.provokes("REDEMPTION_REVERSED", "REDEMPTION_NOT_FOUND")
async def test_coupons_are_reversed_by_their_ids(service: Service) -> None:
    first, second = await redeem_coupons(service, "C0", "C1")
    [third] = await redeem_coupons(service, "C2")
    answer = await reverse(service, reversal(None, third, first, reason=RETURN))
    assert [r.coupon_redemption_id for r in answer.redemptions] == [third, first]
    assert [returned(r.reversal) for r in answer.redemptions] == [(False, False, True)] * 2
    for ids, expected, named in (
        ((second, first), "REDEMPTION_REVERSED", first),
        ((second, 7), "REDEMPTION_NOT_FOUND", 7),
    ):
        info = error_info(await failure(reverse(service, reversal(None, *ids))))
        assert (info.reason, info.metadata["redemption"]) == (expected, str(named))
    await reverse(service, reversal(None, second))
    await redeem_coupons(service, "C1")


async def test_a_repeat_is_the_recorded_answer_flagged(
    service: Service, database_url: str, clock: FakeClock
) -> None:
    await redeem(service, request(redemptions=[use(), use()]))
    [coupon] = await redeem_coupons(service, "C0")
    for message in (reversal("t1", note="n"), reversal(None, coupon)):
        first = await reverse(service, message)
        before = await state(database_url)
        clock.advance(timedelta(days=1))
        again = await reverse(service, message)
        assert (first.replayed, again.replayed) == (False, True)
        again.replayed = False
        assert again == first
        assert await state(database_url) == before


@pytest.mark.provokes("REQUEST_CONFLICT")
async def test_other_content_under_the_same_request_id_is_a_conflict(
    service: Service, database_url: str
) -> None:
    await redeem(service, request(redemptions=[use(), use()]))
    await redeem(service, request(transaction_identifier="t2"))
    coupons = await redeem_coupons(service, "C0", "C1")
    first, second, _ = [record.id for record in await records(service)]
    key = {"request_id": "r1"}
    recorded = reversal("t1", redemption_ids=[first], **key)
    await reverse(service, recorded)
    await reverse(service, reversal("t2", request_id="whole"))
    before = await state(database_url)
    info = error_info(await failure(reverse(service, reversal("t1", request_id="whole"))))
    assert info.reason == "REQUEST_CONFLICT"
    for other in (
        reversal("t2", **key),
        reversal("t1", **key),
        reversal("t1", redemption_ids=[second], **key),
        reversal("t1", redemption_ids=[first, second], **key),
        reversal("t1", redemption_ids=[first], reason=RETURN, **key),
        reversal("t1", redemption_ids=[first], note="other", **key),
        reversal("unknown", **key),
        reversal(None, *coupons, **key),
    ):
        info = error_info(await failure(reverse(service, other)))
        assert info.reason == "REQUEST_CONFLICT"
        assert dict(info.metadata) == {"request_id": "r1", **FINAL}
    assert await state(database_url) == before
    assert (await reverse(service, recorded)).replayed


async def test_a_refused_reversal_leaves_its_key_free(service: Service, database_url: str) -> None:
    before = await state(database_url)
    await failure(reverse(service, reversal("t1", request_id="r1")))
    assert await state(database_url) == before
    await redeem(service, request())
    assert not (await reverse(service, reversal("t1", request_id="r1"))).replayed


async def test_the_key_of_a_coupon_request_is_another_ones(service: Service) -> None:
    await redeem(service, request(transaction_identifier="key"))
    answer = await reverse(service, reversal("key", request_id="key"))
    assert not answer.replayed
    assert (await redeem(service, request(transaction_identifier="key"))).replayed


async def test_the_record_stays_and_its_repeat_is_still_answered(
    service: Service, database_url: str
) -> None:
    first = await redeem(service, request())
    await reverse(service, reversal("t1"))
    before = await state(database_url)
    again = await redeem(service, request())
    assert again.replayed
    again.replayed = False
    assert again == first
    status = await failure(redeem(service, request(amount={"value": "7"})))
    assert reason(status) == "TRANSACTION_CONFLICT"
    assert await state(database_url) == before


async def test_what_came_back_is_room_for_others(service: Service) -> None:
    for number in range(3):
        await redeem(service, request(transaction_identifier=f"t{number}"))
    assert reason(await failure(redeem(service, request(transaction_identifier="more"))))
    await reverse(service, reversal("t1"))
    await redeem(service, request(transaction_identifier="more"))
    status = await failure(redeem(service, request(transaction_identifier="most")))
    assert reason(status) == "LIMIT_REACHED"


@pytest.mark.provokes("REDEMPTION_NOT_FOUND")
async def test_redemptions_of_another_organisation_do_not_exist(
    service: Service, database_url: str
) -> None:
    await redeem(service, request())
    [coupon] = await redeem_coupons(service, "C0")
    [record] = await records(service)
    before = await state(database_url)
    for message, named in (
        (reversal("t1"), "t1"),
        (reversal("t1", redemption_ids=[record.id]), "t1"),
        (reversal(None, coupon), str(coupon)),
    ):
        info = error_info(await failure(reverse(service, message, THEIRS)))
        assert info.reason == "REDEMPTION_NOT_FOUND"
        assert dict(info.metadata) == {"redemption": named, **FINAL}
    assert await state(database_url) == before


async def test_each_organisation_has_its_own_keys_and_redemptions(service: Service) -> None:
    for metadata in (None, THEIRS):
        await service.promotions.RedeemPromotions(request(), metadata=metadata or service.metadata)
    mine = await reverse(service, reversal("t1", request_id="r1"))
    theirs = await reverse(service, reversal("t1", request_id="r1", reason=FRAUD), THEIRS)
    assert not theirs.replayed
    assert mine.reversal_id != theirs.reversal_id
    assert (await outcome(service, "r1")).reverse_redemption.reversal_id == mine.reversal_id
    found = await outcome(service, "r1", THEIRS)
    assert found.reverse_redemption.reversal_id == theirs.reversal_id


@on_sqlite
@pytest.mark.provokes("PERMISSION_DENIED")
async def test_it_needs_write_access_to_customers(service: Service, database_url: str) -> None:
    await redeem(service, request())
    before = await state(database_url)
    status = await failure(reverse(service, reversal("t1"), READER))
    assert reason(status) == "PERMISSION_DENIED"
    assert await state(database_url) == before


async def test_the_outcome_of_a_reversal_is_its_repeat(service: Service, clock: FakeClock) -> None:
    await redeem(service, request(redemptions=[use(), use()]))
    coupons = await redeem_coupons(service, "C0", "C1")
    for message in (reversal("t1"), reversal(None, *coupons)):
        nothing = await outcome(service, message.request_id)
        assert nothing.state == outcome_service_pb2.OUTCOME_STATE_NOT_RECORDED
        answer = await reverse(service, message)
        clock.advance(timedelta(minutes=1))
        found = await outcome(service, message.request_id)
        assert found.state == outcome_service_pb2.OUTCOME_STATE_RECORDED
        assert found.recorded_at == answer.reversed_at
        assert found.reverse_redemption == await reverse(service, message)
        assert found.reverse_redemption.replayed
