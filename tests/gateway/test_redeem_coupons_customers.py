"""Surface C: how an answer shows the customer."""

from typing import Any

import pytest

from tests.gateway.door import coupon, coupons
from tests.support import catalogs
from tests.support.service import COUPONS, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUSTOMER = {"mobile": "919999988881", "email": "One@example.com", "external_id": "E1"}


async def item(door: Service, body: Any, query: str = "") -> dict[str, Any]:
    response = await door.post(COUPONS + query, body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["response"]["coupons"]["coupon"]
    return found


@pytest.mark.provokes("CUSTOMER_NOT_FOUND")
async def test_an_unknown_customer_is_shown_as_sent(door: Service) -> None:
    sent = {"mobile": "9000000000", "email": "Nobody@example.com", "card_number": "C0"}
    shown = await item(door, coupons(coupon(customer=sent)), "?user_id=true")
    assert shown["customer"] == sent
    assert shown["item_status"]["code"] == 701


@pytest.mark.provokes("CUSTOMER_REQUIRED")
async def test_no_customer_is_shown_empty(door: Service) -> None:
    shown = await item(door, coupons({"code": "Many-1"}))
    assert shown["customer"] == {}
    assert shown["item_status"] == {
        "success": "false",
        "code": 701,
        "message": "The customer could not be found. Please check mobile, email, external id "
        "passed",
    }


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        pytest.param("?user_id=true", True, id="true"),
        pytest.param("?user_id=false", False, id="false"),
        pytest.param("", False, id="absent"),
    ],
)
@pytest.mark.parametrize("code", ["Many-1", "Nope"])
async def test_user_id_true_adds_the_id_of_a_known_customer_as_the_last_key(
    door: Service, code: str, query: str, shown: bool
) -> None:
    customer = (await item(door, coupons(coupon(code)), query))["customer"]
    expected = {**CUSTOMER, **({"user_id": str(catalogs.CUSTOMER)} if shown else {})}
    assert list(customer.items()) == list(expected.items())


async def test_only_what_is_known_of_a_customer_is_shown(door: Service) -> None:
    known = await item(door, coupons(coupon(customer={"card_number": "C2"})))
    assert known["customer"] == {"mobile": "919999988882"}


@pytest.mark.provokes("CUSTOMER_NOT_FOUND")
@pytest.mark.parametrize("nobody", ["0", 0, "-5"])
async def test_an_id_that_is_nobodys_counts_before_other_identifiers(
    door: Service, nobody: str | int
) -> None:
    sent = {"id": nobody, "mobile": "919999988881"}
    shown = await item(door, coupons(coupon(customer=sent)))
    assert shown["item_status"]["code"] == 701
