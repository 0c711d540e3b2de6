"""Errors that the server gives, in the form and in the names of each surface."""

import json
from typing import Any

import pytest

from tests.gateway.door import coupon, coupons, line, promotions, recorded, refused
from tests.support.service import COUPONS, REDEMPTIONS, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINE = ("promotionId", "redemptionCount", "discount")
QUANTITIES = ("discountAppliedOnQuantity", "promotionAppliedOnQuantity")


async def error_body(door: Service, body: Any, status: int) -> dict[str, Any]:
    before = recorded(door)
    response = await door.post(REDEMPTIONS, body)
    assert response.status_code == status, response.text
    assert recorded(door) == before
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.provokes("USES_REQUIRED", "CUSTOMER_REQUIRED", "FIELD_INVALID")
async def test_an_empty_body_lists_all_that_is_missing_with_the_documented_sentences_first(
    door: Service,
) -> None:
    body = await error_body(door, {}, 400)
    assert body["message"] == "Validation Failed"
    uses, customer = body["errorDetails"][:2]
    assert uses == "At least lineItems or redemptions must be specified"
    assert customer == (
        "CustomerIdentifierType and CustomerIdentifierValue is mandatory when customerId is not "
        "specified."
    )
    named = ["transactionIdentifier", "transactionNumber", "transactionDate", "amount"]
    assert sorted(body["errorDetails"][2:]) == sorted(f"{name} is required" for name in named)


@pytest.mark.provokes("FIELD_INVALID")
@pytest.mark.parametrize("where", ["lineItems", "redemptions"])
@pytest.mark.parametrize("name", [*LINE, *QUANTITIES])
async def test_a_line_without_a_required_field_is_400_and_names_it(
    door: Service, where: str, name: str
) -> None:
    uses = [line(), line() | {name: None}]
    body = promotions(redemptions=None) | {where: uses}
    found = await refused(door, REDEMPTIONS, body, 400, "A")
    assert len(found) == 1
    assert found[0].startswith(f"{where}[1].{name} ")


@pytest.mark.provokes("FIELD_INVALID")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"redemptionCount": 0}, id="count of zero"),
        pytest.param({"redemptionCount": -1}, id="negative count"),
        pytest.param({"redemptionCount": 1_000_001}, id="count above a million"),
        pytest.param({"discount": "0.0000001"}, id="seven decimals"),
        pytest.param({"discountAppliedOnQuantity": -1}, id="negative quantity"),
        pytest.param({"promotionAppliedOnQuantity": 10**10}, id="eleven digits"),
        pytest.param({"amount": "much"}, id="no amount"),
        pytest.param({"sku": "x" * 251}, id="251 characters"),
        pytest.param({"promoCode": "a\0"}, id="NUL"),
        pytest.param({"earnedPromotionId": "x" * 251}, id="251 characters of an id"),
    ],
)
async def test_a_value_of_a_line_out_of_bounds_is_400_and_named(
    door: Service, changes: dict[str, Any]
) -> None:
    (name,) = changes
    (text,) = await refused(door, REDEMPTIONS, promotions(redemptions=[line(**changes)]), 400, "A")
    assert text.startswith(f"redemptions[0].{name} ")


@pytest.mark.provokes(
    "CUSTOMER_NOT_FOUND", "PROMOTION_NOT_FOUND", "CODE_NOT_FOUND", "EARNED_PROMOTION_NOT_FOUND"
)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"customerId": 999}, "customer", id="customer"),
        pytest.param(
            {"redemptions": [line("A"), line(), line("B")]},
            "Promotion with ids : A, B not found for org : 100 .",
            id="promotions",
        ),
        pytest.param({"redemptions": [line(promoCode="none")]}, "none", id="code"),
        pytest.param(
            {"redemptions": [line("p1", promoCode="Code-1")]},
            "Code-1",
            id="another promotion's code",
        ),
        pytest.param({"redemptions": [line(earnedPromotionId="e9")]}, "e9", id="earned promotion"),
    ],
)
async def test_what_does_not_exist_is_404_with_a_sentence(
    door: Service, changes: dict[str, Any], said: str
) -> None:
    body = await error_body(door, promotions(**changes), 404)
    assert body["errorCode"] == 404
    assert body["message"] != "Validation Failed"
    assert body["message"] == body["errorDetails"][0]
    assert said in body["message"]


@pytest.mark.provokes("PROMOTION_INACTIVE", "CUSTOMER_FRAUD", "CUSTOMER_BLOCKED", "LIMIT_REACHED")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"redemptions": [line("inactive")]}, ["inactive"], id="promotion inactive"),
        pytest.param({"customerId": 503}, ["fraud"], id="fraud"),
        pytest.param({"customerId": 504}, ["blocked"], id="blocked"),
        pytest.param(
            {"customerId": 504, "redemptions": [line("inactive")]},
            ["inactive", "blocked"],
            id="several",
        ),
        pytest.param({"redemptions": [line("full"), line("full")]}, ["Limit"], id="limit"),
    ],
)
async def test_what_is_not_allowed_is_400_with_a_sentence_for_each_violation(
    door: Service, changes: dict[str, Any], said: list[str]
) -> None:
    body = await error_body(door, promotions(**changes), 400)
    assert body["message"] == body["errorDetails"][0]
    assert len(body["errorDetails"]) == len(said)
    for word, sentence in zip(said, body["errorDetails"], strict=True):
        assert word in sentence


@pytest.mark.provokes("TRANSACTION_CONFLICT")
async def test_other_content_under_a_recorded_identifier_is_409(door: Service) -> None:
    body = promotions()
    assert (await door.post(REDEMPTIONS, body)).status_code == 200
    answer = await error_body(door, body | {"amount": 101}, 409)
    assert answer["errorDetails"] == [answer["message"]]
    assert "amount" in answer["message"]


@pytest.mark.provokes("TRANSACTION_CONFLICT")
async def test_a_conflict_names_the_field_as_the_json_does(door: Service) -> None:
    body = promotions(lineItems=[line()])
    assert (await door.post(REDEMPTIONS, body)).status_code == 200
    answer = await error_body(door, body | {"lineItems": [line(discount=11)]}, 409)
    assert "lineItems" in answer["errorDetails"][0]


@pytest.mark.provokes("FIELD_INVALID")
@pytest.mark.parametrize("lines", [50, 51, 500])
async def test_at_most_50_violations_and_then_how_many_more(door: Service, lines: int) -> None:
    # Wrong types are counted by the gateway, values out of bounds by the server.
    wrong: Any
    for wrong in ([], -1):
        uses = [line(discount=wrong) for _ in range(lines)]
        found = await refused(door, REDEMPTIONS, promotions(redemptions=uses), 400, "A")
        assert len(found) <= 51
        shown = [text for text in found if text.startswith("redemptions[")]
        assert shown[0].startswith("redemptions[0].discount ")
        if lines > len(shown):
            assert found == [*shown, f"and {lines - len(shown)} more"]
        else:
            assert found == shown


@pytest.mark.provokes("FIELD_INVALID")
async def test_at_most_50_violations_on_surface_c_too(door: Service) -> None:
    wrong: Any
    for wrong in (7, "x" * 251):
        items = [coupon(validation_code=wrong) for _ in range(100)]
        (text,) = await refused(door, COUPONS, coupons(*items), 400, "C")
        shown = text.count("validation_code")
        assert 1 <= shown <= 50
        assert text.endswith(f"and {100 - shown} more")


@pytest.mark.provokes("PROMOTION_NOT_FOUND")
async def test_500_unknown_promotions_are_one_sendable_error(door: Service) -> None:
    uses = [line("x" * 249 + str(n % 10)) for n in range(500)]
    body = await error_body(door, promotions(redemptions=uses), 404)
    assert len(json.dumps(body)) < 8_192
    assert "more" in body["message"]
