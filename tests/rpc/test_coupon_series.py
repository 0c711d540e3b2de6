"""Coupon series over real gRPC: created, read and changed, and their counters with them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.decimal_pb2 import Decimal
from redemption.v1 import catalog_pb2, coupon_redemption_pb2, reversal_pb2

from tests.rpc.coupon_calls import a_use, redeem
from tests.rpc.coupon_service_calls import (
    CLERK,
    THEIR_SERIES,
    THEIRS,
    Coupon,
    assert_clean,
    call,
    create,
    instant,
    invalid,
    on_sqlite,
    open_service,
    refusal,
    series,
)
from tests.support import catalogs
from tests.support.clock import ODD_DATE, FakeClock
from tests.support.service import Service, error_info

OTHER = coupon_redemption_pb2.CouponCustomer(customer_id=catalogs.OTHER_CUSTOMER)
NAMES = ("CreateCouponSeries", "UpdateCouponSeries")
FULL: dict[str, Any] = {
    "description": "Everything",
    "discount_code": "D1",
    "discount_type": coupon_redemption_pb2.DISCOUNT_TYPE_PERC,
    "discount_value": Decimal(value="12.5"),
    "discount_up_to": Decimal(value="100"),
    "valid_from": instant(ODD_DATE),
    "valid_until": instant(ODD_DATE.replace(year=2035)),
    "any_user": True,
    "validation_required": True,
    "transaction_number_required": True,
    "min_amount": Decimal(value="1"),
    "max_amount": Decimal(value="1000.5"),
    "max_redemptions": 9,
    "max_redemptions_per_coupon": 8,
    "max_redemptions_per_customer": 7,
    "same_customer_may_repeat": True,
    "min_days_between_redemptions": 6,
    "redeemable_after_days": 5,
    "redeemable_days_of_week": [1, 7],
    "redeemable_days_of_month": [1, 31],
    "redeemable_hours": [0, 23],
    "tills": ["till-1"],
    "reversal_policies": [
        catalog_pb2.ReversalPolicy(
            reason=reversal_pb2.REVERSAL_REASON_FRAUD, code=True, budget=True
        )
    ],
}
WRONG = {
    "discount_type": 0,
    "discount_value": Decimal(value="ten"),
    "max_redemptions": -1,
    "redeemable_hours": [24],
    "tills": ["nowhere"],
    "valid_until": instant(ODD_DATE),
}


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with open_service(database_url, tmp_path, FakeClock()) as service:
        yield service


async def stored(service: Service, number: int = 2) -> catalog_pb2.CouponSeries:
    found: catalog_pb2.CouponSeries = (
        await call(service, "GetCouponSeries", CLERK, series_id=number)
    ).series
    return found


async def update(service: Service, *paths: str, **changes: Any) -> catalog_pb2.CouponSeries:
    """The series after a change of these paths; of all fields when none is named."""
    fields = changes if paths else {"series": series(**changes)}
    if paths:
        fields = {"series": catalog_pb2.CouponSeries(**{"id": 2, **changes})}
    answer = await call(service, "UpdateCouponSeries", update_mask=FieldMask(paths=paths), **fields)
    assert answer.series == await stored(service)
    found: catalog_pb2.CouponSeries = answer.series
    return found


@pytest.mark.provokes("SERIES_EXISTS", "SERIES_NOT_FOUND")
async def test_a_series_is_stored_with_all_that_it_says(service: Service) -> None:
    made = series(**FULL)
    answer = await call(service, "CreateCouponSeries", series=made)
    assert answer.series == made
    assert await stored(service) == made
    assert await refusal(service, "CreateCouponSeries", series=series()) == "SERIES_EXISTS"
    assert await stored(service) == made
    assert await refusal(service, "GetCouponSeries", series_id=3) == "SERIES_NOT_FOUND"
    assert await refusal(service, "UpdateCouponSeries", series=series(3)) == "SERIES_NOT_FOUND"


@on_sqlite
@pytest.mark.provokes("FIELD_INVALID")
async def test_whatever_is_wrong_with_a_series_is_named_and_nothing_is_stored(
    service: Service,
) -> None:
    await create(service)
    before = await stored(service)
    for name, number in zip(NAMES, (3, 2), strict=True):
        for field, value in WRONG.items():
            changed = series(number, **{"valid_from": instant(ODD_DATE), field: value})
            fields = await invalid(service, name, series=changed)
            assert len(fields) == 1, (name, field)
            assert fields[0].startswith(f"series.{field}"), (name, field)
        with_coupons = series(number, coupons=[Coupon(code="A")])
        assert await invalid(service, name, series=with_coupons) == ["series.coupons"]
        several = series(number, **{**WRONG, "tills": []})
        assert len(await invalid(service, name, series=several)) >= 4
    for number in (0, -1):
        assert await invalid(service, "CreateCouponSeries", series=series(number)) == ["series.id"]
    assert await refusal(service, "GetCouponSeries", series_id=3) == "SERIES_NOT_FOUND"
    assert await stored(service) == before


@on_sqlite
async def test_an_update_changes_what_its_mask_names_and_nothing_else(service: Service) -> None:
    await create(service, **FULL)
    expected = series(**FULL)
    # Set one, several and none; what is named and not set falls back to its default.
    expected.description = "Changed"
    assert await update(service, "description", description="Changed", any_user=False) == expected
    expected.max_redemptions = 3
    del expected.tills[:]
    changed = await update(
        service,
        "max_redemptions",
        "tills",
        "valid_until",
        "max_redemptions_per_coupon",
        max_redemptions=3,
    )
    expected.ClearField("valid_until")
    expected.max_redemptions_per_coupon = 1
    assert changed == expected
    expected.redeemable_hours[:] = [7]
    assert await update(service, "redeemable_hours", redeemable_hours=[7]) == expected
    expected.max_redemptions_per_coupon = 0
    changed = await update(service, "max_redemptions_per_coupon", max_redemptions_per_coupon=0)
    assert changed == expected
    expected.ClearField("reversal_policies")
    assert await update(service, "reversal_policies") == expected
    # Without a mask all is replaced.
    bare = series(discount_code="NO_VALUE", max_redemptions=0, max_redemptions_per_coupon=1)
    bare.max_redemptions_per_customer = 0
    assert await update(service) == bare


@on_sqlite
@pytest.mark.provokes("FIELD_INVALID")
async def test_a_mask_names_fields_that_can_be_changed(service: Service) -> None:
    await create(service, **FULL)
    for paths in (["id"], ["coupons"], ["nothing"], ["discount_value.value"], [""], ["tills[0]"]):
        mask = FieldMask(paths=["description", *paths])
        wrong = await invalid(service, "UpdateCouponSeries", series=series(), update_mask=mask)
        assert wrong == ["update_mask.paths[1]"]
    mask = FieldMask(paths=["discount_value"])
    lacking = catalog_pb2.CouponSeries(id=2)
    wrong = await invalid(service, "UpdateCouponSeries", series=lacking, update_mask=mask)
    assert wrong == ["series.discount_value"]
    assert await stored(service) == series(**FULL)


@pytest.mark.provokes("LIMIT_REACHED", "COUPON_REPEATED")
async def test_counters_follow_limits_that_come_and_go(service: Service, database_url: str) -> None:
    free = {"max_redemptions_per_coupon": 0, "same_customer_may_repeat": True}
    await create(service, "A", "B", **free)
    redeemed = [await redeem(service, a_use("A")) for _ in range(2)]
    await redeem(service, a_use("B", customer=OTHER))
    assert all(answer.results[0].HasField("redemption") for answer in redeemed)

    async def refused(code: str) -> dict[str, str]:
        info = error_info((await redeem(service, a_use(code))).results[0].error)
        scope = {"scope": info.metadata["scope"]} if info.metadata["scope"] else {}
        return {"reason": info.reason, **scope, "used": info.metadata["used"]}

    for field, limit, code, expected in (
        ("max_redemptions", 3, "B", {"reason": "LIMIT_REACHED", "scope": "series", "used": "3"}),
        ("max_redemptions", 1, "B", {"reason": "LIMIT_REACHED", "scope": "series", "used": "3"}),
        (
            "max_redemptions_per_coupon",
            2,
            "A",
            {"reason": "LIMIT_REACHED", "scope": "coupon", "used": "2"},
        ),
        (
            "max_redemptions_per_customer",
            2,
            "B",
            {"reason": "LIMIT_REACHED", "scope": "customer", "used": "2"},
        ),
        ("same_customer_may_repeat", False, "A", {"reason": "COUPON_REPEATED", "used": ""}),
    ):
        await update(service, field, **{field: limit})
        await assert_clean(database_url)
        assert await refused(code) == expected, field
        await update(service, field, **{field: free.get(field, 0)})
        await assert_clean(database_url)
    (result,) = (await redeem(service, a_use("A"))).results
    assert result.HasField("redemption")
    await assert_clean(database_url)


@on_sqlite
@pytest.mark.provokes("SERIES_NOT_FOUND", "PERMISSION_DENIED")
async def test_series_are_those_of_the_organisation_and_change_for_administrators(
    service: Service,
) -> None:
    theirs = {"series_id": THEIR_SERIES}
    assert await refusal(service, "GetCouponSeries", **theirs) == "SERIES_NOT_FOUND"
    changed = series(THEIR_SERIES, description="Ours")
    assert await refusal(service, "UpdateCouponSeries", series=changed) == "SERIES_NOT_FOUND"
    # The same id is free for us, and theirs stays as it is.
    await create(service, number=THEIR_SERIES, description="Ours")
    (theirs_now,) = [(await call(service, "GetCouponSeries", THEIRS, **theirs)).series]
    assert theirs_now.description == ""
    for name in NAMES:
        assert await refusal(service, name, CLERK, series=series()) == "PERMISSION_DENIED"
    assert (await stored(service, 1)).id == 1
