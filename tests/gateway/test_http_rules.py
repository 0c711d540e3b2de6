"""Rules of HTTP that hold on every surface: order of refusals, paths, verbs, sizes, headers."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.gateway.door import (
    OTHER,
    READER,
    SEVERAL,
    TILLLESS,
    assert_common_headers,
    coupons,
    promotions,
    recorded,
    refused,
    texts,
)
from tests.support import catalogs
from tests.support.service import COUPONS, REDEMPTIONS, Service, basic

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
JSON = {"Content-Type": "application/json"}
SURFACES = [
    pytest.param("POST", REDEMPTIONS, "A", id="A"),
    pytest.param("GET", REDEMPTIONS, "B", id="B"),
    pytest.param("POST", COUPONS, "C", id="C"),
]
POSTS = [pytest.param(REDEMPTIONS, "A", id="A"), pytest.param(COUPONS, "C", id="C")]


def padded(path: str, size: int) -> bytes:
    body = json.dumps(promotions() if path == REDEMPTIONS else coupons())
    return body.encode().ljust(size)


@pytest.mark.provokes("UNAUTHENTICATED")
@pytest.mark.parametrize(("verb", "path", "form"), SURFACES)
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({}, b"{}", id="acceptable otherwise"),
        pytest.param({}, b"{", id="body unreadable"),
        pytest.param({"Content-Type": "text/plain"}, b"{}", id="wrong content type"),
        pytest.param({}, b" " * (MIB + 1), id="body too large"),
        pytest.param({"X-CAP-API-AUTH-ORG-ID": "abc"}, b"{}", id="organisation malformed"),
        pytest.param({"Authorization": ""}, b"{}", id="credential empty"),
    ],
)
async def test_no_credential_is_401_before_anything_else(
    door: Service, verb: str, path: str, form: str, headers: dict[str, str], body: bytes
) -> None:
    before = recorded(door)
    async with httpx.AsyncClient(base_url=door.http.base_url) as client:
        response = await client.request(
            verb, path + "?codes=%FF", content=body, headers=JSON | headers
        )
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"]
    assert texts(response, form)
    assert recorded(door) == before


WRONG_CREDENTIALS = [
    pytest.param({"Authorization": basic(catalogs.KEY, "wrong")}, id="wrong secret"),
    pytest.param({"Authorization": basic("nobody", "secret")}, id="unknown key"),
    pytest.param({"Authorization": basic(catalogs.KEY, "")}, id="empty secret"),
    pytest.param({"Authorization": "Basic %%%"}, id="no base64"),
    pytest.param({"Authorization": "Basic"}, id="scheme alone"),
    pytest.param({"Authorization": "Digest a"}, id="unknown scheme"),
    pytest.param({"Authorization": "Bearer forged"}, id="forged token"),
    pytest.param({"Authorization": "Basic \x80"}, id="not ASCII"),
]


@pytest.mark.provokes("UNAUTHENTICATED")
@pytest.mark.parametrize(("verb", "path", "form"), SURFACES)
@pytest.mark.parametrize("headers", WRONG_CREDENTIALS)
async def test_a_wrong_credential_is_401(
    door: Service, verb: str, path: str, form: str, headers: dict[str, str]
) -> None:
    before = recorded(door)
    body = json.dumps(promotions() if form == "A" else coupons()).encode()
    raw = [(name.encode(), value.encode("latin-1")) for name, value in (JSON | headers).items()]
    response = await door.http.request(
        verb, path + "?codes=A&mode=DISCOUNT", content=body, headers=raw
    )
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"]
    assert texts(response, form)
    assert recorded(door) == before


@pytest.mark.parametrize(("path", "form"), POSTS)
@pytest.mark.parametrize(
    "headers",
    [
        *WRONG_CREDENTIALS[:-1],
        pytest.param({"Authorization": "", "X-CAP-API-OAUTH-TOKEN": "forged"}, id="token alone"),
    ],
)
async def test_a_body_that_cannot_be_read_is_400_before_the_credential_is_verified(
    door: Service, path: str, form: str, headers: dict[str, str]
) -> None:
    assert await refused(door, path, b'{"a": ', 400, form, **headers)


@pytest.mark.provokes("PERMISSION_DENIED", "FIELD_INVALID", "ORGANIZATION_NOT_ENABLED")
@pytest.mark.parametrize(
    ("verb", "path", "form", "headers", "status"),
    [
        pytest.param("POST", REDEMPTIONS, "A", READER, 403, id="A without customer: write"),
        pytest.param("GET", REDEMPTIONS, "B", READER, 403, id="B without default"),
        pytest.param("POST", COUPONS, "C", READER, 403, id="C without default"),
        *(
            pytest.param(verb, path, form, {name: value}, status, id=f"{form} {what}")
            for verb, path, form in [
                ("POST", REDEMPTIONS, "A"),
                ("GET", REDEMPTIONS, "B"),
                ("POST", COUPONS, "C"),
            ]
            for name, value, status, what in [
                ("X-CAP-API-AUTH-ORG-ID", "200", 403, "of another organisation"),
                ("X-CAP-API-AUTH-ORG-ID", "abc", 400, "with no organisation id"),
                ("X-CAP-API-AUTH-ORG-ID", "-100", 400, "with a negative organisation id"),
                ("X-CAP-API-ATTRIBUTION-TILL-CODE", "none", 400, "at an unknown till"),
                ("Authorization", SEVERAL["Authorization"], 400, "of several organisations"),
            ]
        ),
        pytest.param("POST", REDEMPTIONS, "A", OTHER, 405, id="A in an organisation not enabled"),
        pytest.param("GET", REDEMPTIONS, "B", OTHER, 405, id="B in an organisation not enabled"),
    ],
)
async def test_what_a_caller_may_not_do_is_refused_in_the_form_of_the_surface(
    door: Service, verb: str, path: str, form: str, headers: dict[str, str], status: int
) -> None:
    before = recorded(door)
    body = json.dumps(promotions() if form == "A" else coupons()).encode()
    response = await door.http.request(
        verb, path + "?codes=A&mode=DISCOUNT", content=body, headers=JSON | headers
    )
    assert response.status_code == status, response.text
    (text,) = texts(response, form)
    if status == 405:
        assert response.headers["Allow"] == "GET, POST"
        assert text == "Org not enabled for redemption without cart evaluation"
    assert recorded(door) == before


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-CAP-API-AUTH-ORG-ID": "100"}, id="own organisation"),
        pytest.param(SEVERAL | {"X-CAP-API-AUTH-ORG-ID": "100"}, id="one of several"),
        pytest.param({"X-CAP-API-ATTRIBUTION-TILL-CODE": "till-2"}, id="another till"),
        pytest.param(TILLLESS, id="no till"),
        pytest.param({"Content-Type": "application/json; charset=utf-8"}, id="charset"),
        pytest.param({"Content-Type": "APPLICATION/JSON"}, id="content type in capitals"),
        pytest.param({"Content-Type": ""}, id="empty content type"),
        pytest.param({"Accept": "text/html"}, id="other answers preferred"),
    ],
)
@pytest.mark.parametrize(("path", "form"), POSTS)
async def test_headers_that_are_in_order_pass(
    door: Service, path: str, form: str, headers: dict[str, str]
) -> None:
    response = await door.post(path, padded(path, 0), **headers)
    assert response.status_code == 200, response.text
    assert_common_headers(response)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", "text/json"],
)
@pytest.mark.parametrize(("path", "form"), POSTS)
async def test_a_body_declared_as_something_else_is_415(
    door: Service, path: str, form: str, content_type: str
) -> None:
    await refused(door, path, padded(path, 0), 415, form, **{"Content-Type": content_type})


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 65_536):
        await asyncio.sleep(0)
        yield body[start : start + 65_536]


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize(("path", "form"), POSTS)
async def test_a_body_of_one_mib_passes_and_one_more_byte_is_413(
    door: Service, path: str, form: str, chunked: bool
) -> None:
    for size, status in ((MIB, 200), (MIB + 1, 413)):
        before = recorded(door)
        body = padded(path, size)
        content = in_chunks(body) if chunked else body
        response = await door.http.post(path, content=content, headers=JSON)
        assert response.status_code == status
        assert_common_headers(response)
        if status == 413:
            assert texts(response, form)
            assert recorded(door) == before
