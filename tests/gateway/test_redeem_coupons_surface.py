"""Surface C: what `POST /v1.1/coupon/redeem` answers."""

import json
from typing import Any

import pytest

from tests.gateway.door import assert_common_headers, coupon, coupons, recorded
from tests.support.service import COUPONS, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUCCESS_KEYS = [
    "customer",
    "redemption_id",
    "code",
    "discount_code",
    "series_code",
    "series_info",
    "is_absolute",
    "coupon_value",
    "transaction",
    "side_effects",
    "item_status",
]
FAILURE_KEYS = ["customer", "code", "is_absolute", "transaction", "side_effects", "item_status"]
CUSTOMER = {"mobile": "919999988881", "email": "One@example.com", "external_id": "E1"}


async def answered(door: Service, body: Any, query: str = "", **headers: str) -> dict[str, Any]:
    response = await door.post(COUPONS + query, body, **headers)
    assert response.status_code == 200, response.text
    assert_common_headers(response)
    answer: dict[str, Any] = response.json()
    assert list(answer) == ["response"]
    assert list(answer["response"]) == ["status", "coupons"]
    assert list(answer["response"]["coupons"]) == ["coupon"]
    inner: dict[str, Any] = answer["response"]
    return inner


async def item(door: Service, body: Any, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = (await answered(door, body, query))["coupons"]["coupon"]
    return found


async def test_a_redeemed_coupon_is_shown_with_its_series_and_the_stored_customer(
    door: Service,
) -> None:
    sent = coupon("many-1", transaction={"amount": "5000", "number": "bill-7"})
    shown = await item(door, coupons(sent))
    assert list(shown) == SUCCESS_KEYS
    redemption_id = shown.pop("redemption_id")
    assert isinstance(redemption_id, str)
    assert redemption_id.isdigit()
    assert shown == {
        "customer": CUSTOMER,
        "code": "many-1",
        "discount_code": "MANY",
        "series_code": "1",
        "series_info": [],
        "is_absolute": "true",
        "coupon_value": "46389",
        "transaction": {"amount": "5000.00", "number": "bill-7"},
        "side_effects": [],
        "item_status": {
            "success": "true",
            "code": 700,
            "message": "Coupon processing successful",
        },
    }
    assert list(shown["customer"]) == ["mobile", "email", "external_id"]
    assert list(shown["transaction"]) == ["amount", "number"]
    assert list(shown["item_status"]) == ["success", "code", "message"]


async def test_a_percentage_is_not_absolute_and_has_no_padding(door: Service) -> None:
    shown = await item(door, coupons(coupon("HALF-1")))
    assert (shown["is_absolute"], shown["coupon_value"]) == ("false", "12.5")
    assert shown["discount_code"] == "NO_VALUE"


@pytest.mark.provokes("CODE_NOT_FOUND")
async def test_a_failed_coupon_keeps_only_the_documented_fields(door: Service) -> None:
    before = recorded(door)
    sent = coupon("Nope", transaction={"amount": 10})
    shown = await item(door, coupons(sent))
    assert list(shown) == FAILURE_KEYS
    assert shown == {
        "customer": CUSTOMER,
        "code": "Nope",
        "is_absolute": "false",
        "transaction": {"amount": "10.00", "number": ""},
        "side_effects": [],
        "item_status": {"success": "false", "code": 719, "message": "Coupon code does not exist"},
    }
    assert recorded(door) == before


@pytest.mark.provokes("CODE_NOT_FOUND")
@pytest.mark.parametrize(
    ("codes", "status"),
    [
        pytest.param(["Many-1"], {"success": "true", "code": 200, "message": "Success"}, id="one"),
        pytest.param(
            ["Many-1", "Many-2"],
            {"success": "true", "code": 200, "message": "Success"},
            id="all of several",
        ),
        pytest.param(
            ["Nope", "Many-2", "Many-3"],
            {
                "success": "true",
                "code": 201,
                "message": "Some requests have failed due to errors",
            },
            id="some",
        ),
        pytest.param(
            ["Nope"],
            {
                "success": "false",
                "code": 500,
                "message": "All requests have failed due to errors",
            },
            id="none of one",
        ),
        pytest.param(
            ["Nope", "Neither"],
            {
                "success": "false",
                "code": 500,
                "message": "All requests have failed due to errors",
            },
            id="none of several",
        ),
    ],
)
async def test_the_status_block_tells_whether_all_some_or_none_succeeded(
    door: Service, codes: list[str], status: dict[str, Any]
) -> None:
    answer = await answered(door, coupons(*map(coupon, codes)))
    assert list(answer["status"].items()) == list(status.items())
    shown = answer["coupons"]["coupon"]
    assert isinstance(shown, dict if len(codes) == 1 else list)
    items = [shown] if isinstance(shown, dict) else list(shown)
    assert [one["code"] for one in items] == codes


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param('"5000"', "5000.00", id="whole string"),
        pytest.param("5000", "5000.00", id="whole number"),
        pytest.param("1000.5", "1000.50", id="one decimal"),
        pytest.param("0.125", "0.13", id="half up"),
        pytest.param("0.124999", "0.12", id="below half"),
        pytest.param("2.675", "2.68", id="half up where a float would not"),
        pytest.param("9999999999.999999", "10000000000.00", id="largest"),
        pytest.param("1e3", "1000.00", id="exponent"),
        pytest.param("0", "0.00", id="zero"),
        pytest.param("0e20", "0.00", id="zero with an exponent"),
        pytest.param("-0", "0.00", id="minus zero"),
        pytest.param('""', "", id="empty"),
        pytest.param("null", "", id="null"),
    ],
)
async def test_amounts_are_shown_with_two_decimals_rounded_half_up(
    door: Service, sent: str, shown: str
) -> None:
    body = json.dumps(coupons(coupon(transaction={"amount": "?"}))).replace('"?"', sent)
    answer = await item(door, body.encode())
    assert answer["item_status"]["code"] == 700
    assert answer["transaction"] == {"amount": shown, "number": ""}


@pytest.mark.provokes("AMOUNT_INVALID")
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("abc", id="no number"),
        pytest.param("-1", id="negative"),
        pytest.param("0.0000001", id="seven decimals"),
        pytest.param("12345678901", id="eleven digits"),
        pytest.param("1e400", id="huge"),
        pytest.param("NaN", id="NaN"),
        pytest.param("Infinity", id="infinite"),
        pytest.param("1,000.00", id="thousands"),
        pytest.param("1_000", id="underscore"),
        pytest.param("\u0661\u0662", id="other digits"),
        pytest.param("1" * 65, id="65 characters"),
        pytest.param(" 5 ", id="blanks"),
        pytest.param("1e+0001", id="long exponent"),
    ],
)
async def test_a_malformed_amount_is_echoed_as_sent(door: Service, sent: str) -> None:
    before = recorded(door)
    shown = await item(door, coupons(coupon(transaction={"amount": sent})))
    assert shown["item_status"]["code"] == 733
    assert shown["item_status"]["message"] == "Invalid transaction amount"
    assert recorded(door) == before
    assert shown["transaction"]["amount"] == sent
