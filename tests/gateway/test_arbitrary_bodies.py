"""Whatever the body holds: never a 5xx, always JSON in the form of the surface."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.gateway.door import assert_common_headers, coupon, line, promotions, recorded, texts
from tests.support.service import COUPONS, REDEMPTIONS, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORMS = {REDEMPTIONS: "A", COUPONS: "C"}
POSTS = pytest.mark.parametrize("path", [REDEMPTIONS, COUPONS], ids=["A", "C"])
PROPERTY = settings(
    max_examples=50,
    deadline=None,
    # Shrinking a failure would send thousands of requests.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    # The service is shared on purpose: each example must leave it as good as it was.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# Lone surrogates included: json.dumps escapes them.
TEXT = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(
    ["", "501", "p1", "mobile", "Many-1", "\0", "-1", "1e400", "NaN", "\ud800", "x" * 251]
)
# NaN and infinities would make every body that holds one malformed.
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.integers() | FLOATS | st.sampled_from([2**63, -(2**63), 10**400, 501, -1, 0])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


def altered(good: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The good object with some of its values replaced by whatever."""
    changes = st.dictionaries(st.sampled_from(sorted(good)), ODD | VALUES, max_size=2)
    return changes.map(lambda changed: good | changed)


ODD: st.SearchStrategy[Any] = st.sampled_from(
    ["\ud800", "a\0", "", "x" * 251, "1e400", 2**63, -1, True, None, [], {}]
)
USE = altered(line(sku="s", promoCode="c", earnedPromotionId="e", amount=1))
CUSTOMER = altered({"id": 501, "mobile": "9999988881", "email": "a@b.c", "card_number": "C"})
FIELD = altered({"name": "a", "value": "b"})
COUPON = st.builds(
    lambda item, customer, field: item | {"customer": customer, "custom_fields": {"field": field}},
    altered(coupon(validation_code="v", transaction={"number": "n", "amount": 1})),
    CUSTOMER | VALUES,
    FIELD | VALUES,
)
BODIES = {
    REDEMPTIONS: st.builds(
        lambda body, lines, uses: promotions() | body | {"lineItems": lines, "redemptions": uses},
        altered(promotions(customerIdentifierType="id", customerIdentifierValue="501")),
        st.lists(USE, max_size=3),
        st.lists(USE, max_size=3) | VALUES,
    ),
    COUPONS: st.builds(
        lambda items: {"root": {"coupon": items}}, st.lists(COUPON, max_size=3) | VALUES
    ),
}


def assert_in_form(response: httpx.Response, path: str) -> None:
    assert response.status_code < 500, response.text
    assert_common_headers(response)
    if response.status_code != 200:
        assert texts(response, FORMS[path])
    elif path == REDEMPTIONS:
        assert list(response.json()) == ["data"]
    else:
        assert list(response.json()["response"]) == ["status", "coupons"]


async def assert_answered_in_form(door: Service, path: str, body: bytes) -> None:
    before = recorded(door)
    response = await door.post(path, body)
    assert_in_form(response, path)
    if response.status_code >= 400:
        assert recorded(door) == before


@POSTS
@PROPERTY
@given(body=st.binary(max_size=200))
@example(body=b'{"root":{"coupon":[{"code":"\xf0\x9f\x98"}]}}')
async def test_arbitrary_bytes(door: Service, path: str, body: bytes) -> None:
    await assert_answered_in_form(door, path, body)


@POSTS
@PROPERTY
@given(value=VALUES)
async def test_arbitrary_json(door: Service, path: str, value: Any) -> None:
    await assert_answered_in_form(door, path, json.dumps(value).encode())


@POSTS
@PROPERTY
@given(data=st.data())
async def test_almost_good_bodies(door: Service, path: str, data: st.DataObject) -> None:
    value = data.draw(BODIES[path])
    await assert_answered_in_form(door, path, json.dumps(value).encode())


@PROPERTY
@given(
    query=st.dictionaries(
        st.sampled_from(["codes", "mode", "includeRedemptions", "pageToken", "x"]),
        st.sampled_from(["DISCOUNT", "true", "Code-1", ","]) | st.text(max_size=20),
    )
)
async def test_arbitrary_queries(door: Service, query: dict[str, str]) -> None:
    response = await door.http.get(REDEMPTIONS, params=_encodable(query))
    assert response.status_code in (200, 400, 404)
    assert_common_headers(response)
    assert list(response.json()) == ["data", "errors"]


@PROPERTY
@given(
    key=st.binary(max_size=40).filter(lambda raw: b"\x7f" not in raw and min(raw, default=32) > 31)
)
@example(key=b'""')
@example(key=b"\xff")
async def test_arbitrary_idempotency_keys(door: Service, key: bytes) -> None:
    headers = [(b"Content-Type", b"application/json"), (b"Idempotency-Key", b"k" + key + b"k")]
    body = json.dumps({"root": {"coupon": {"code": "none"}}}).encode()
    response = await door.http.post(COUPONS, content=body, headers=headers)
    assert_in_form(response, COUPONS)


def _encodable(query: dict[str, str]) -> dict[str, str]:
    return {name: value.encode(errors="replace").decode() for name, value in query.items()}
