"""Bad bodies: each is a 400 in the form of its surface, names what is wrong, records nothing."""

import json
import time
from typing import Any

import pytest

from tests.gateway.door import coupon, coupons, line, promotions, refused
from tests.support.service import COUPONS, REDEMPTIONS, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

POSTS = [pytest.param(REDEMPTIONS, "A", id="A"), pytest.param(COUPONS, "C", id="C")]


def with_raw(name: str, raw: bytes) -> bytes:
    """A body of surface A with a value as it is written."""
    body = json.dumps(promotions(**{name: "?"}))
    return body.encode().replace(b'"?"', raw)


@pytest.mark.parametrize(("path", "form"), POSTS)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"  \n", id="blank"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"{}{}", id="two values"),
        pytest.param(b"{'a': 1}", id="single quotes"),
        pytest.param(b'{"a": 1,}', id="comma at the end"),
        pytest.param(b'{"a": 01}', id="leading zero"),
        pytest.param(b'{"a": "\n"}', id="line break in a string"),
        pytest.param(b'{"a": 1, "a": 1}', id="duplicate key"),
        pytest.param(b'{"a": [{"b": 1, "\\u0062": 2}]}', id="duplicate key inside, escaped"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": Infinity}', id="Infinity"),
        pytest.param(b'{"a": -Infinity}', id="minus Infinity"),
        pytest.param(b"\xff\xfe{}", id="no UTF-8"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', id="surrogate in UTF-8"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param("{}".encode("utf-16"), id="UTF-16"),
        pytest.param(b"[" * 100_000, id="arrays nested deeply"),
        pytest.param(b'{"a":' * 100_000, id="objects nested deeply"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="arrays nested deeply and closed"),
        pytest.param(b"\0", id="NUL"),
        *(
            pytest.param(text, id=text.decode())
            for text in (b"null", b"true", b"1", b"1e400", b'"text"', b"[]", b"[{}]")
        ),
    ],
)
async def test_what_is_no_json_object_is_400(
    door: Service, path: str, form: str, body: bytes
) -> None:
    assert len(await refused(door, path, body, 400, form)) == 1


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"customerId": True}, "customerId", id="boolean for a number"),
        pytest.param({"customerId": "five"}, "customerId", id="word for a number"),
        pytest.param({"customerId": 1.5}, "customerId", id="fraction for an integer"),
        pytest.param({"customerId": 2**63}, "customerId", id="beyond 64 bits"),
        pytest.param({"transactionDate": [1]}, "transactionDate", id="array for a number"),
        pytest.param({"transactionDate": 10**18}, "transactionDate", id="beyond the year 9999"),
        pytest.param({"transactionNumber": 7}, "transactionNumber", id="number for a string"),
        pytest.param({"transactionNumber": {}}, "transactionNumber", id="object for a string"),
        pytest.param({"amount": {"value": 1}}, "amount", id="object for a number"),
        pytest.param({"lineItems": line()}, "lineItems", id="object for an array"),
        pytest.param({"lineItems": "none"}, "lineItems", id="string for an array"),
        pytest.param({"lineItems": [line(), [line()]]}, "lineItems[1]", id="array for an object"),
        pytest.param({"lineItems": [None]}, "lineItems[0]", id="null for an object"),
        pytest.param(
            {"redemptions": [line(), line(discount=[])]}, "redemptions[1].discount", id="in a line"
        ),
        pytest.param({"transactionNumber": "\ud800"}, "transactionNumber", id="lone surrogate"),
        pytest.param({"amount": "\udfff"}, "amount", id="lone surrogate in a number"),
    ],
)
async def test_wrong_types_are_answered_by_the_gateway_alone(
    door: Service, changes: dict[str, Any], named: str
) -> None:
    # The server would have found more: the amount of the wrong line is missing too.
    found = await refused(
        door, REDEMPTIONS, promotions(transactionIdentifier="") | changes, 400, "A"
    )
    assert len(found) == 1
    assert found[0].startswith(f"{named} must be ")


@pytest.mark.parametrize(
    ("root", "named"),
    [
        pytest.param([], "root", id="array for root"),
        pytest.param({"coupon": "one"}, "root.coupon", id="string for the list"),
        pytest.param({"coupon": [[coupon()]]}, "root.coupon[0]", id="array for a coupon"),
        pytest.param({"coupon": coupon(7)}, "root.coupon[0].code", id="number for a code"),  # type: ignore[arg-type]
        pytest.param(
            {"coupon": coupon(customer=[])}, "root.coupon[0].customer", id="array for a customer"
        ),
        pytest.param(
            {"coupon": coupon(customer={"id": "x"})}, "root.coupon[0].customer.id", id="word for id"
        ),
        pytest.param(
            {"coupon": coupon(transaction=[{}, 7])},
            "root.coupon[0].transaction[1]",
            id="number for a transaction",
        ),
        pytest.param(
            {"coupon": coupon(custom_fields=[])},
            "root.coupon[0].custom_fields",
            id="array for custom fields",
        ),
        pytest.param(
            {"coupon": coupon(custom_fields={"field": {"name": 1}})},
            "root.coupon[0].custom_fields.field[0].name",
            id="number for a name",
        ),
        pytest.param({"coupon": coupon("\udc00")}, "root.coupon[0].code", id="lone surrogate"),
    ],
)
async def test_wrong_types_on_surface_c_are_named(door: Service, root: Any, named: str) -> None:
    (text,) = await refused(door, COUPONS, {"root": root}, 400, "C")
    assert text.startswith(f"{named} must be ")


@pytest.mark.provokes("FIELD_INVALID")
@pytest.mark.parametrize(
    ("name", "raw"),
    [
        pytest.param("amount", b"1e400", id="1e400"),
        pytest.param("amount", b"1e4000", id="1e4000"),
        pytest.param("amount", b"1e-400", id="1e-400"),
        pytest.param("amount", b"0.0000001", id="seven decimals"),
        pytest.param("amount", b'"0.1234567"', id="seven decimals as a string"),
        pytest.param("amount", b"10000000000", id="eleven digits"),
        pytest.param("amount", b"9" * 5_000, id="5,000 digits"),
        pytest.param("amount", b"-1", id="negative"),
        pytest.param("amount", b"-0.000001", id="just negative"),
        pytest.param("amount", b'"NaN"', id="NaN as a string"),
        pytest.param("amount", b'""', id="empty string"),
        pytest.param("amount", b"null", id="null"),
        pytest.param("transactionDate", b"null", id="no date"),
        pytest.param("transactionDate", b"-1", id="before 1970"),
        pytest.param("transactionDate", b"32503680000000", id="the year 3000"),
        pytest.param("transactionIdentifier", b'""', id="empty identifier"),
        pytest.param("transactionIdentifier", b'"' + b"x" * 251 + b'"', id="251 characters"),
        pytest.param("transactionNumber", b'"a\\u0000"', id="NUL escaped"),
        pytest.param("cartEvaluationId", b'"' + b"x" * 251 + b'"', id="251 characters, optional"),
        pytest.param("customerId", b"0", id="no customer"),
        pytest.param("customerId", b"-2", id="negative customer"),
        pytest.param("lineItems", b"[" + b"{}," * 499 + b"{}]", id="501 lines in two lists"),
    ],
)
async def test_a_value_out_of_bounds_is_400_and_named(door: Service, name: str, raw: bytes) -> None:
    found = await refused(door, REDEMPTIONS, with_raw(name, raw), 400, "A")
    assert len(found) == 1
    assert found[0].startswith(f"{name} ")


@pytest.mark.provokes("FIELD_INVALID", "CUSTOMER_REQUIRED")
@pytest.mark.parametrize(
    ("pair", "said"),
    [
        pytest.param({"Type": "fax", "Value": "1"}, "customerIdentifierType ", id="unknown type"),
        pytest.param({"Type": "mobile"}, "CustomerIdentifierType and ", id="type alone"),
        pytest.param({"Value": "1"}, "CustomerIdentifierType and ", id="value alone"),
        pytest.param({"Type": "mobile", "Value": ""}, "CustomerIdentifierType and ", id="empty"),
    ],
)
async def test_half_an_identifier_or_one_of_an_unknown_type_is_400(
    door: Service, pair: dict[str, str], said: str
) -> None:
    sent = {f"customerIdentifier{name}": value for name, value in pair.items()}
    (text,) = await refused(door, REDEMPTIONS, promotions(customerId=None, **sent), 400, "A")
    assert text.startswith(said)


async def test_250_characters_are_characters_and_not_bytes(door: Service) -> None:
    response = await door.post(REDEMPTIONS, promotions(transactionNumber="\U0001f600" * 250))
    assert response.status_code == 200


async def test_unknown_fields_of_any_kind_are_ignored(door: Service) -> None:
    more: dict[str, Any] = {
        "x": {"deep": [1e9, None]},
        "CustomerId": [],
        "": "",
        "\ud800": "\udfff",
        "amount ": -1,
    }
    body = promotions(**more, redemptions=[line(**more)])
    assert (await door.post(REDEMPTIONS + "?x=1&x", body)).status_code == 200
    use = coupon(**more, transaction={**more, "amount": 1}) | {"customer": {**more, "id": 501}}
    response = await door.post(COUPONS + "?x=1", coupons(use) | more)
    assert response.json()["response"]["status"]["code"] == 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'"' + b'\\"' * 30_000, id="string never closed"),
        pytest.param(b"/* " * 20_000, id="comment never closed"),
    ],
)
async def test_a_hostile_body_is_refused_without_holding_others_up(
    door: Service, body: bytes
) -> None:
    # 60 KB here, which took seconds when looking for comments was quadratic; a MiB takes half an
    # hour then, and no credential is verified before.
    begun = time.perf_counter()
    await refused(door, COUPONS, body, 400, "C")
    assert time.perf_counter() - begun < 1
