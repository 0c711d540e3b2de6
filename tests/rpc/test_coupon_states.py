"""Single coupons over real gRPC: issued, revoked, and told apart by how they stand."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redemption.v1 import coupon_redemption_pb2, reversal_pb2, reversal_service_pb2
from redemption.v1.reversal_service_pb2_grpc import ReversalServiceStub
from redemption_server.storage.issued_codes import ALPHABET

from tests.rpc.coupon_calls import a_use, redeem
from tests.rpc.coupon_service_calls import (
    CLERK,
    THEIR_CODE,
    THEIR_SERIES,
    Coupon,
    assert_clean,
    call,
    create,
    exported,
    instant,
    invalid,
    on_sqlite,
    open_service,
    pb,
    refusal,
)
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER
from tests.support.clock import ODD_DATE, FakeClock
from tests.support.service import Service, error_info

OTHER = coupon_redemption_pb2.CouponCustomer(customer_id=OTHER_CUSTOMER)
MILLISECOND = timedelta(milliseconds=1)
NOW, NEXT = instant(ODD_DATE), instant(ODD_DATE + MILLISECOND)
UNLIMITED = {"max_redemptions_per_coupon": 0, "same_customer_may_repeat": True}
# What a series and a coupon say, and how the coupon stands at this very millisecond.
STATES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("nothing", {}, {}, "REDEEMABLE"),
    ("the series starts now", {"valid_from": NOW}, {}, "REDEEMABLE"),
    ("the series starts next", {"valid_from": NEXT}, {}, "NOT_STARTED"),
    ("the series ends now", {"valid_until": NOW}, {}, "EXPIRED"),
    ("the series ends next", {"valid_until": NEXT}, {}, "REDEEMABLE"),
    ("the coupon ends now", {}, {"valid_until": NOW}, "EXPIRED"),
    ("the coupon ends next", {}, {"valid_until": NEXT}, "REDEEMABLE"),
    ("the coupon ends before", {"valid_until": NEXT}, {"valid_until": NOW}, "EXPIRED"),
    ("revoked", {}, {"revoked": True}, "REVOKED"),
    ("revoked and over", {"valid_until": NOW}, {"revoked": True}, "REVOKED"),
    ("nobody's", {"any_user": False}, {}, "NOT_ISSUED"),
    ("somebody's", {"any_user": False}, {"customer": CUSTOMER}, "REDEEMABLE"),
    ("nobody's and not started", {"any_user": False, "valid_from": NEXT}, {}, "NOT_STARTED"),
]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Service]:
    async with open_service(database_url, tmp_path, clock) as service:
        yield service


async def get(service: Service, code: str, metadata: Any = None) -> Any:
    return await call(service, "GetCoupon", metadata or CLERK, code=code)


async def stands(service: Service, code: str) -> tuple[str, int, int]:
    """How a coupon stands, how often it was redeemed, and how often it may be."""
    found = await get(service, code)
    state = pb.CouponState.Name(found.state).removeprefix("COUPON_STATE_")
    return state, found.redemption_count, found.redemption_limit


async def redeemed(service: Service, code: str, **fields: Any) -> int:
    """The id of a redemption that is granted."""
    (result,) = (await redeem(service, a_use(code, **fields))).results
    assert result.HasField("redemption"), result
    return int(result.redemption.redemption_id)


async def reverse(service: Service, redemption_id: int, reason: str) -> None:
    stub: Any = ReversalServiceStub(service.channel)  # type: ignore[no-untyped-call]
    request = reversal_service_pb2.ReverseRedemptionRequest(
        coupon_redemptions={"redemption_ids": [redemption_id]},
        reason=f"REVERSAL_REASON_{reason}",
        request_id=f"back-{redemption_id}",
    )
    await stub.ReverseRedemption(request, metadata=service.metadata)


@on_sqlite
async def test_a_coupon_stands_as_its_dates_and_its_owner_say(service: Service) -> None:
    found = {}
    for number, (name, rules, fields, _) in enumerate(STATES, 10):
        await create(service, Coupon(code=f"S{number}", **fields), number=number, **rules)
        found[name] = (await stands(service, f"s{number}"))[0]
    assert found == {name: state for name, _, _, state in STATES}


@on_sqlite
async def test_a_coupon_expires_and_starts_at_the_millisecond(
    service: Service, clock: FakeClock
) -> None:
    end = instant(ODD_DATE + 2 * MILLISECOND)
    await create(service, "A", valid_from=NEXT, valid_until=end)
    found = []
    for _ in range(3):
        answer = await get(service, "A")
        assert answer.read_at == instant(clock.now)
        (result,) = (await redeem(service, a_use("A"), validate_only=True)).results
        redeemable = answer.state == pb.COUPON_STATE_REDEEMABLE
        assert redeemable == result.HasField("redemption")
        found.append((await stands(service, "A"))[0])
        clock.advance(MILLISECOND)
    assert found == ["NOT_STARTED", "REDEEMABLE", "EXPIRED"]


async def test_what_is_used_up_is_so_until_a_reversal_gives_it_back(
    service: Service, database_url: str
) -> None:
    await create(service, "A", "B", max_redemptions=2, max_redemptions_per_coupon=1)
    assert await stands(service, "A") == ("REDEEMABLE", 0, 1)
    first = await redeemed(service, "A")
    assert await stands(service, "A") == ("USED_UP", 1, 1)
    await reverse(service, first, "CANCEL")
    assert await stands(service, "A") == ("REDEEMABLE", 0, 1)
    second = await redeemed(service, "A", customer=OTHER)
    # What is reversed as a fraud does not come back.
    await reverse(service, second, "FRAUD")
    assert await stands(service, "A") == ("USED_UP", 1, 1)
    assert await stands(service, "B") == ("REDEEMABLE", 0, 1)
    await create(service, "C", "D", number=3, max_redemptions=1, max_redemptions_per_coupon=2)
    third = await redeemed(service, "C")
    assert await stands(service, "C") == ("SERIES_USED_UP", 1, 2)
    assert await stands(service, "D") == ("SERIES_USED_UP", 0, 2)
    await reverse(service, third, "CANCEL")
    assert await stands(service, "D") == ("REDEEMABLE", 0, 2)
    await assert_clean(database_url)


async def test_without_a_limit_a_coupon_counts_what_was_redeemed_and_not_given_back(
    service: Service,
) -> None:
    await create(service, "A", **UNLIMITED)
    ids = [await redeemed(service, "A") for _ in range(3)]
    await reverse(service, ids[0], "CANCEL")
    assert await stands(service, "A") == ("REDEEMABLE", 2, 0)
    await reverse(service, ids[1], "FRAUD")
    assert await stands(service, "A") == ("REDEEMABLE", 2, 0)


@on_sqlite
async def test_the_newest_100_redemptions_are_shown_and_all_are_counted(service: Service) -> None:
    await create(service, "A", **UNLIMITED)
    ids = sorted(await asyncio.gather(*(redeemed(service, "A") for _ in range(103))))
    found = await get(service, "A")
    assert [usage.redemption.redemption_id for usage in found.usages] == ids[:2:-1]
    assert (found.redemption_count, found.redemption_limit) == (103, 0)


async def test_a_coupon_is_shown_with_its_redemptions_and_without_its_validation_code(
    service: Service, clock: FakeClock
) -> None:
    await create(
        service,
        Coupon(code="Aa", customer=CUSTOMER, validation_code="secret"),
        validation_required=True,
        max_redemptions_per_coupon=2,
        same_customer_may_repeat=True,
    )
    bill = coupon_redemption_pb2.CouponTransaction(number="bill-1")
    first = await redeemed(service, "aa", validation_code="secret", transaction=bill)
    clock.advance(MILLISECOND)
    second = await redeemed(service, "AA", validation_code="secret", customer=OTHER)
    await reverse(service, first, "RETURN")
    found = await get(service, "aA")
    assert found.coupon == Coupon(code="Aa", customer=CUSTOMER)
    assert (found.series_id, found.read_at) == (2, instant(clock.now))
    newest, oldest = found.usages
    assert (newest.redemption.redemption_id, newest.customer_id) == (second, OTHER_CUSTOMER)
    assert not newest.HasField("reversal")
    assert newest.redemption.redeemed_at == NEXT
    assert (oldest.redemption.redemption_id, oldest.customer_id) == (first, CUSTOMER)
    assert oldest.transaction_number == "bill-1"
    assert oldest.redemption.discount_value.value == "50"
    assert oldest.reversal.reason == reversal_pb2.REVERSAL_REASON_RETURN
    assert oldest.reversal.reversed_at == NEXT


@pytest.mark.provokes("COUPON_ISSUED", "COUPON_REVOKED", "CUSTOMER_NOT_FOUND")
async def test_a_coupon_is_issued_once_and_to_one_customer(
    service: Service, clock: FakeClock
) -> None:
    await create(service, "A", "B", any_user=False)
    mine = {"code": "a", "customer_id": CUSTOMER}
    issued = (await call(service, "IssueCoupon", **mine)).coupon
    assert issued == Coupon(code="A", customer=CUSTOMER, issued_at=NOW)
    clock.advance(timedelta(days=1))
    assert (await call(service, "IssueCoupon", **mine)).coupon == issued
    theirs = {"code": "A", "customer_id": OTHER_CUSTOMER}
    assert await refusal(service, "IssueCoupon", **theirs) == "COUPON_ISSUED"
    nobody = {"code": "B", "customer_id": 999}
    assert await refusal(service, "IssueCoupon", **nobody) == "CUSTOMER_NOT_FOUND"
    assert (await stands(service, "B"))[0] == "NOT_ISSUED"
    await call(service, "RevokeCoupon", code="A")
    assert await refusal(service, "IssueCoupon", **mine) == "COUPON_REVOKED"
    assert await exported(service, 2) == [
        Coupon(code="A", customer=CUSTOMER, issued_at=NOW, revoked=True),
        Coupon(code="B"),
    ]


async def test_a_coupon_that_is_made_for_a_customer_is_the_same_each_time(
    service: Service, clock: FakeClock
) -> None:
    await create(service, any_user=False)
    asked = {"series_id": 2, "customer_id": CUSTOMER, "request_id": "r1"}
    made = (await call(service, "IssueCoupon", **asked)).coupon
    assert len(made.code) == 16
    assert set(made.code) <= set(ALPHABET)
    assert (made.customer, made.issued_at) == (CUSTOMER, NOW)
    clock.advance(timedelta(days=1))
    assert (await call(service, "IssueCoupon", **asked)).coupon == made
    for_other = {**asked, "customer_id": OTHER_CUSTOMER}
    assert await refusal(service, "IssueCoupon", **for_other) == "COUPON_ISSUED"
    another = (await call(service, "IssueCoupon", **{**asked, "request_id": "r2"})).coupon
    assert another.code != made.code
    assert await exported(service, 2) == sorted([made, another], key=lambda c: c.code.lower())
    assert await redeemed(service, made.code.lower())


async def test_a_revoked_coupon_is_redeemed_no_more_and_revoking_again_changes_nothing(
    service: Service,
) -> None:
    await create(service, "A", max_redemptions_per_coupon=2, same_customer_may_repeat=True)
    await redeemed(service, "A")
    for code in ("A", "a"):
        revoked = (await call(service, "RevokeCoupon", code=code)).coupon
        assert revoked == Coupon(code="A", revoked=True)
    (result,) = (await redeem(service, a_use("A"))).results
    assert error_info(result.error).reason == "COUPON_REVOKED"
    assert await stands(service, "A") == ("REVOKED", 1, 2)


@on_sqlite
@pytest.mark.provokes("CODE_NOT_FOUND", "SERIES_NOT_FOUND", "FIELD_INVALID", "PERMISSION_DENIED")
async def test_what_is_missing_unknown_or_somebody_elses_is_refused(service: Service) -> None:
    mine = {"customer_id": CUSTOMER}
    for code in ("GONE", THEIR_CODE):
        assert await refusal(service, "GetCoupon", code=code) == "CODE_NOT_FOUND"
        assert await refusal(service, "RevokeCoupon", code=code) == "CODE_NOT_FOUND"
        assert await refusal(service, "IssueCoupon", code=code, **mine) == "CODE_NOT_FOUND"
    for number in (99, THEIR_SERIES):
        made = {"series_id": number, "request_id": "r", **mine}
        assert await refusal(service, "IssueCoupon", **made) == "SERIES_NOT_FOUND"
    for fields, wrong in (
        ({"code": "COUPON1"}, ["customer_id"]),
        ({"code": "COUPON1", "customer_id": -1}, ["customer_id"]),
        (mine, ["code"]),
        ({"series_id": 1, **mine}, ["request_id"]),
        ({"series_id": 1, "request_id": "é", **mine}, ["request_id"]),
        ({"code": "x" * 251}, ["code", "customer_id"]),
    ):
        assert await invalid(service, "IssueCoupon", **fields) == wrong, fields
    for name in ("GetCoupon", "RevokeCoupon"):
        for code in ("", "x" * 251, "a\0"):
            assert await invalid(service, name, code=code) == ["code"]
    for name, fields in (
        ("IssueCoupon", {"code": "COUPON1", **mine}),
        ("RevokeCoupon", {"code": "COUPON1"}),
    ):
        assert await refusal(service, name, CLERK, **fields) == "PERMISSION_DENIED"
    assert (await get(service, "COUPON1")).coupon == Coupon(code="COUPON1")
