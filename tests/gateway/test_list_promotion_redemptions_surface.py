"""Surface B: what `GET …/promotions/redemptions` reads and what it answers."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from redemption.v1 import catalog_service_pb2

from tests.gateway.door import DATE_MS, TILLLESS, line, organizations, promotions, texts
from tests.support import catalogs
from tests.support.service import REDEMPTIONS, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

CART_KEYS = [
    "id",
    "orgId",
    "promotionId",
    "promoCode",
    "customerId",
    "redemptionDate",
    "redemptionDateISO",
    "transactionIdentifier",
    "transactionNumber",
    "promotionName",
    "transactionEntityIdentifier",
    "redemptionTill",
    "discount",
    "redemptionCount",
    "amount",
    "redemptionType",
]


async def look_up(door: Service, codes: str, mode: str = "DISCOUNT", **more: str) -> httpx.Response:
    query = {"codes": codes, "mode": mode, "includeRedemptions": "true", **more}
    return await door.http.get(REDEMPTIONS, params=query)


async def newest(door: Service, code: str, mode: str = "DISCOUNT") -> dict[str, Any]:
    response = await look_up(door, code, mode)
    assert response.status_code == 200, response.text
    record: dict[str, Any] = response.json()["data"][0]
    return record


async def redeem(door: Service, *, headers: dict[str, str] | None = None, **changes: Any) -> str:
    body = promotions(**changes)
    response = await door.post(REDEMPTIONS, body, **(headers or {}))
    assert response.status_code == 200, response.text
    return str(body["transactionIdentifier"])


async def test_a_cart_record_has_the_documented_fields_and_no_others(door: Service) -> None:
    transaction = await redeem(door, amount=100, redemptions=[line("coded", promoCode="Code-1")])
    record = await newest(door, "Code-1")
    assert list(record) == CART_KEYS
    assert record.pop("id")
    assert record == {
        "orgId": catalogs.ORG,
        "promotionId": "coded",
        "promoCode": "Code-1",
        "customerId": catalogs.CUSTOMER,
        "redemptionDate": DATE_MS,
        "redemptionDateISO": "2025-04-01T15:31:48Z",
        "transactionIdentifier": transaction,
        "transactionNumber": "bill-1",
        "promotionName": "Promotion coded",
        "transactionEntityIdentifier": f"REGULAR_b_{transaction}",
        "redemptionTill": catalogs.TILL,
        "discount": "10.000000",
        "redemptionCount": 1,
        "amount": "100.000000",
        "redemptionType": "CART",
    }


async def test_a_line_record_has_what_is_known_of_its_line(door: Service) -> None:
    earned = {"earnedPromotionId": "earned-1", "sku": "SKU-1", "amount": 70}
    await redeem(
        door, cartEvaluationId="cart-1", redemptions=None, lineItems=[line("coded", **earned)]
    )
    record = await newest(door, "Code-1")
    keys = [key for key in CART_KEYS if key not in ("amount", "redemptionType")]
    keys.insert(keys.index("customerId"), "earnedPromotionId")
    keys.insert(keys.index("redemptionTill"), "cartEvaluationId")
    keys += ["discountAppliedQuantity", "promotionAppliedQuantity", "amount", "sku"]
    assert list(record) == [*keys, "redemptionType", "productId"]
    assert record["transactionEntityIdentifier"].startswith("REGULAR_l_")
    assert record["transactionEntityIdentifier"].removeprefix("REGULAR_l_").isdigit()
    assert record["amount"] == "70.000000"
    assert record["discountAppliedQuantity"] == "1.000000"
    assert record["redemptionType"] == "LINEITEM"
    assert record["productId"] == 901


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        pytest.param({}, {"sku", "productId", "earnedPromotionId"}, id="nothing"),
        pytest.param({"sku": "unknown"}, {"productId", "earnedPromotionId"}, id="unknown sku"),
    ],
)
async def test_a_line_record_leaves_out_what_its_line_did_not_say(
    door: Service, changes: dict[str, Any], absent: set[str]
) -> None:
    await redeem(door, redemptions=None, lineItems=[line("coded", **changes)])
    record = await newest(door, "Code-1")
    assert not absent & set(record)
    assert record.get("sku") == changes.get("sku")


async def test_the_amount_of_a_line_without_one_is_its_discount(door: Service) -> None:
    await redeem(door, amount=900, redemptions=None, lineItems=[line("coded", discount="7.5")])
    assert (await newest(door, "Code-1"))["amount"] == "7.500000"


async def test_a_cart_record_never_has_the_fields_of_a_line(door: Service) -> None:
    await redeem(door, redemptions=[line("coded", sku="SKU-1", amount=70)])
    record = await newest(door, "Code-1")
    assert list(record) == CART_KEYS
    assert record["amount"] == "100.000000"


async def test_a_caller_without_a_till_leaves_none_on_the_record(door: Service) -> None:
    await redeem(door, headers=TILLLESS, redemptions=[line("coded")])
    assert "redemptionTill" not in await newest(door, "Code-1")


async def test_a_till_named_by_the_caller_is_on_the_record(door: Service) -> None:
    await redeem(
        door, headers={"X-CAP-API-ATTRIBUTION-TILL-CODE": "till-2"}, redemptions=[line("coded")]
    )
    assert (await newest(door, "Code-1"))["redemptionTill"] == catalogs.TILL + 1


async def test_an_empty_message_label_is_shown(door: Service) -> None:
    await redeem(door, redemptions=[line("labelled")])
    record = await newest(door, "LABELLED")
    keys = list(CART_KEYS)
    keys.insert(keys.index("promotionName") + 1, "promotionMessageLabel")
    assert list(record) == keys
    assert record["promotionMessageLabel"] == ""


async def test_a_payment_voucher_says_so_and_its_line_keeps_its_fields(door: Service) -> None:
    await redeem(door, lineItems=[line("voucher", sku="SKU-1")], redemptions=[line("voucher")])
    response = await look_up(door, "VOUCHER", "PAYMENT_VOUCHER")
    cart, on_line = response.json()["data"][:2]
    assert {cart["redemptionType"], on_line["redemptionType"]} == {"PAYMENT_VOUCHER"}
    assert "sku" not in cart
    assert (on_line["sku"], on_line["productId"]) == ("SKU-1", 901)
    assert on_line["promotionAppliedQuantity"] == "1.000000"


async def test_records_come_latest_recorded_first_whatever_their_date(door: Service) -> None:
    first = await redeem(door, redemptions=[line("coded")])
    second = await redeem(door, transactionDate=DATE_MS - 86_400_000, redemptions=[line("second")])
    third = await redeem(door, redemptions=[line("coded")])
    records = (await look_up(door, "SECOND,Code-1")).json()["data"]
    assert [r["transactionIdentifier"] for r in records[:3]] == [third, second, first]


async def test_codes_match_in_any_case_and_are_shown_as_the_catalog_has_them(
    door: Service,
) -> None:
    await redeem(door, redemptions=[line("coded", promoCode="cOdE-1")])
    response = await look_up(door, " CODE-1 ,,code-1")
    assert response.json()["errors"] == []
    assert {record["promoCode"] for record in response.json()["data"]} == {"Code-1"}


async def test_without_include_redemptions_each_code_is_summed_up(
    door: Service,
) -> None:
    for count, discount in ((1, "0.5"), (2, 10)):
        uses = [line("labelled", redemptionCount=count, discount=discount)]
        await redeem(door, redemptions=uses, lineItems=uses)
    expected = (await look_up(door, "LABELLED")).json()["data"]
    for more in ({}, {"includeRedemptions": "false"}):
        query = {"codes": "labelled", "mode": "DISCOUNT", **more}
        response = await door.http.get(REDEMPTIONS, params=query)
        assert response.json()["errors"] == []
        (summary,) = response.json()["data"]
        assert list(summary.items()) == [
            ("id", "c-labelled"),
            ("orgId", catalogs.ORG),
            ("promotionId", "labelled"),
            ("promotionName", "Promotion labelled"),
            ("promoCode", "LABELLED"),
            ("mode", "DISCOUNT"),
            ("redemptionCount", sum(record["redemptionCount"] for record in expected)),
            ("discount", f"{sum(Decimal(record['discount']) for record in expected):.6f}"),
        ]


@pytest.mark.parametrize("include", ["true", "false"])
@pytest.mark.parametrize(
    "code",
    [
        pytest.param("NOBODY", id="unknown"),
        pytest.param("UNUSED", id="never redeemed"),
        pytest.param("VOUCHER", id="of the other mode"),
    ],
)
async def test_codes_without_redemptions_are_errors_and_404_when_nothing_is_left(
    door: Service, code: str, include: str
) -> None:
    await redeem(door, redemptions=[line("coded"), line("voucher")])
    alone = await look_up(door, f"{code},Other", includeRedemptions=include)
    assert alone.status_code == 404
    missing = texts(alone, "B")
    assert [code in missing[0], "Other" in missing[1], len(missing)] == [True, True, 2]
    both = await look_up(door, f"{code},Code-1", includeRedemptions=include)
    assert both.status_code == 200
    assert both.json()["data"]
    (error,) = both.json()["errors"]
    assert list(error) == ["code", "message"]
    assert error["code"] == 404
    assert code in error["message"]


async def test_names_and_modes_are_the_catalogs_present_ones(door: Service, tmp_path: Path) -> None:
    await redeem(door, redemptions=[line("changing")])
    main, _ = organizations()
    renamed = {"name": "Renamed", "mode": "PAYMENT_VOUCHER", "message_label": "Hello"}
    codes = [{"id": "c-changing", "code": "CHANGING"}]
    main |= {"promotions": [catalogs.promotion("changing", codes=codes, **renamed)]}
    main |= {"earned_promotions": [], "coupon_series": []}
    catalog = catalogs.read(tmp_path, main)
    request = catalog_service_pb2.ApplyCatalogRequest(catalog=catalog)
    await door.catalog.ApplyCatalog(request, metadata=door.metadata)
    record = await newest(door, "CHANGING", "PAYMENT_VOUCHER")
    shown = [record[k] for k in ("promotionName", "promotionMessageLabel", "redemptionType")]
    assert shown == ["Renamed", "Hello", "PAYMENT_VOUCHER"]
    assert (await look_up(door, "CHANGING")).status_code == 404
