"""Surface A: what `POST …/promotions/redemptions` reads and what it answers."""

import json
from typing import Any

import pytest

from tests.gateway.door import DATE_MS, coupons, fresh, line, promotions, recorded, refused
from tests.support import catalogs
from tests.support.service import COUPONS, REDEMPTIONS, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUIRED_KEYS = [
    "orgId",
    "customerId",
    "transactionIdentifier",
    "transactionNumber",
    "transactionDate",
    "transactionDateISO",
    "amount",
]
USE_KEYS = [
    "promotionId",
    "redemptionCount",
    "discount",
    "discountAppliedOnQuantity",
    "promotionAppliedOnQuantity",
]


async def redeemed(door: Service, body: Any) -> dict[str, Any]:
    response = await door.post(REDEMPTIONS, body)
    assert response.status_code == 200, response.text
    answer = json.loads(response.text, parse_float=str)
    assert list(answer) == ["data"]
    data: dict[str, Any] = answer["data"]
    return data


async def test_a_minimal_request_is_answered_without_what_was_not_sent(door: Service) -> None:
    body = promotions()
    data = await redeemed(door, body)
    assert list(data) == [*REQUIRED_KEYS, "redemptions"]
    assert [list(use) for use in data["redemptions"]] == [USE_KEYS]
    assert data == {
        "orgId": catalogs.ORG,
        "customerId": catalogs.CUSTOMER,
        "transactionIdentifier": body["transactionIdentifier"],
        "transactionNumber": "bill-1",
        "transactionDate": DATE_MS,
        "transactionDateISO": "2025-04-01T15:31:48Z",
        "amount": "100.0",
        "redemptions": [
            {
                "promotionId": "p1",
                "redemptionCount": 1,
                "discount": "10.000000",
                "discountAppliedOnQuantity": "1.000000",
                "promotionAppliedOnQuantity": "1.000000",
            }
        ],
    }


async def test_a_full_request_is_echoed_in_order_without_skus_of_redemptions_and_extensions(
    door: Service,
) -> None:
    body = promotions(
        customerIdentifierType="mobile",
        customerIdentifierValue="9999988881",
        cartEvaluationId="cart-1",
        lineItems=[
            line("coded", sku="SKU-1", earnedPromotionId="earned-1", promoCode="Code-1", amount=70)
        ],
        redemptions=[line("coded", sku="SKU-1", promoCode="Code-1", amount=30)],
    )
    data = await redeemed(door, body)
    pair = ["customerIdentifierValue", "customerIdentifierType"]
    assert list(data) == ["orgId", *pair, *REQUIRED_KEYS[1:], "redemptions", "lineItems"]
    assert list(data["redemptions"][0]) == USE_KEYS
    assert list(data["lineItems"][0]) == [
        "sku",
        "promotionId",
        "earnedPromotionId",
        *USE_KEYS[1:],
    ]


async def test_line_items_alone_leave_redemptions_out(door: Service) -> None:
    data = await redeemed(door, promotions(redemptions=None, lineItems=[line()]))
    assert list(data) == [*REQUIRED_KEYS, "lineItems"]


async def test_an_empty_list_is_left_out_like_one_that_was_not_sent(door: Service) -> None:
    data = await redeemed(door, promotions(lineItems=[]))
    assert "lineItems" not in data


async def test_every_number_may_come_as_a_string_of_it(door: Service) -> None:
    numbers = promotions(customerId=501, amount=1000, redemptions=[line(amount=5)])
    strings = promotions(
        transactionIdentifier=numbers["transactionIdentifier"],
        customerId="501",
        transactionDate=str(DATE_MS),
        amount="1000",
        redemptions=[
            line(
                amount="5",
                redemptionCount="1",
                discount="10",
                discountAppliedOnQuantity="1",
                promotionAppliedOnQuantity="1",
            )
        ],
    )
    first = await door.post(REDEMPTIONS, strings)
    again = await door.post(REDEMPTIONS, numbers)
    assert first.status_code == 200, first.text
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param("1000", "1000.0", id="whole"),
        pytest.param('"1000"', "1000.0", id="string"),
        pytest.param("1000.00", "1000.0", id="padded"),
        pytest.param("0.50", "0.5", id="half"),
        pytest.param("1e3", "1000.0", id="exponent"),
        pytest.param("0", "0.0", id="zero"),
        pytest.param("0.000001", "0.000001", id="smallest"),
        pytest.param("9999999999.999999", "9999999999.999999", id="largest"),
        pytest.param("0.1", "0.1", id="no binary fraction"),
        pytest.param("4503599627.370497", "4503599627.370497", id="beyond a float"),
    ],
)
async def test_the_amount_is_an_exact_number_with_at_least_one_decimal(
    door: Service, sent: str, shown: str
) -> None:
    body = json.dumps(promotions(amount=-1)).replace('"amount": -1', f'"amount": {sent}')
    response = await door.post(REDEMPTIONS, body.encode())
    assert response.status_code == 200, response.text
    assert f'"amount":{shown},' in response.text


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param(500, "500.000000", id="whole"),
        pytest.param("0.1", "0.100000", id="string"),
        pytest.param("9999999999.999999", "9999999999.999999", id="largest"),
        pytest.param(0, "0.000000", id="zero"),
    ],
)
async def test_discounts_and_quantities_are_strings_with_six_decimals(
    door: Service, sent: Any, shown: str
) -> None:
    names = ("discount", "discountAppliedOnQuantity", "promotionAppliedOnQuantity")
    data = await redeemed(door, promotions(redemptions=[line(**dict.fromkeys(names, sent))]))
    assert {data["redemptions"][0][name] for name in names} == {shown}


async def test_the_customer_id_wins_over_the_pair_which_is_echoed(door: Service) -> None:
    pair = {"customerIdentifierType": "externalId", "customerIdentifierValue": "E1"}
    data = await redeemed(door, promotions(customerId=catalogs.OTHER_CUSTOMER, **pair))
    assert data["customerId"] == catalogs.OTHER_CUSTOMER
    assert {name: data[name] for name in pair} == pair


@pytest.mark.parametrize(
    ("kind", "value", "customer"),
    [
        pytest.param("mobile", "9999988881", 501, id="mobile without country code"),
        pytest.param("MOBILE", "+919999988881", 501, id="type in another case"),
        pytest.param("email", "ONE@example.COM", 501, id="e-mail in another case"),
        pytest.param("externalId", "E1", 501, id="external id"),
        pytest.param("cardNumber", "C2", 502, id="card number"),
        pytest.param("cardExternalId", "CARD-EXT-6", 615, id="external id of the card"),
        pytest.param("id", "502", 502, id="id"),
    ],
)
async def test_the_pair_is_echoed_as_sent_with_the_customer_it_names(
    door: Service, kind: str, value: str, customer: int
) -> None:
    pair = {"customerIdentifierType": kind, "customerIdentifierValue": value}
    data = await redeemed(door, promotions(customerId=None, **pair))
    assert data["customerId"] == customer
    assert {name: data[name] for name in pair} == pair


async def test_the_anonymous_customer_is_minus_one(door: Service) -> None:
    assert (await redeemed(door, promotions(customerId="-1")))["customerId"] == -1


@pytest.mark.provokes("TRANSACTION_CONFLICT")
async def test_evaluation_id_is_another_name_of_cart_evaluation_id(door: Service) -> None:
    body = promotions(evaluationId="cart-7")
    await redeemed(door, body)
    renamed = {**body, "cartEvaluationId": "cart-7", "evaluationId": "ignored"}
    again = await door.post(REDEMPTIONS, renamed)
    assert again.headers["Idempotent-Replayed"] == "true"
    await refused(door, REDEMPTIONS, {**body, "evaluationId": "cart-8"}, 409, "A")


async def test_null_means_absent(door: Service) -> None:
    body = promotions()
    nulls = {
        "customerIdentifierType": None,
        "cartEvaluationId": None,
        "lineItems": None,
        "redemptions": [line(sku=None, promoCode=None, earnedPromotionId=None, amount=None)],
    }
    response = await door.post(REDEMPTIONS, {**body, **nulls})
    assert response.content == (await door.post(REDEMPTIONS, body)).content


async def test_milliseconds_are_kept_in_the_date_and_cut_in_its_iso_form(door: Service) -> None:
    data = await redeemed(door, promotions(transactionDate=1_743_521_508_999))
    assert data["transactionDate"] == 1_743_521_508_999
    assert data["transactionDateISO"] == "2025-04-01T15:31:48Z"


async def test_a_replayed_answer_says_so_and_counts_nothing_again(door: Service) -> None:
    body = promotions()
    first = await door.post(REDEMPTIONS, body)
    before = recorded(door)
    again = await door.post(REDEMPTIONS, body)
    assert again.status_code == 200
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert recorded(door) == before


async def test_comments_are_not_tolerated_here(door: Service) -> None:
    body = b"// sold\n" + json.dumps(promotions()).encode()
    await refused(door, REDEMPTIONS, body, 400, "A")
    assert (await door.post(COUPONS, b"// sold\n" + json.dumps(coupons()).encode())).is_success


async def test_text_comes_back_as_it_was_sent(door: Service) -> None:
    number = 'büro "7" \\ \U0001f600 \u2028 </script>' + fresh()
    assert (await redeemed(door, promotions(transactionNumber=number)))[
        "transactionNumber"
    ] == number
