"""Paths, verbs and headers of answers: nothing here depends on a body."""

import asyncio

import httpx
import pytest

from tests.gateway.door import assert_common_headers, coupons, recorded, texts
from tests.support.service import COUPONS, REDEMPTIONS, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/", id="root"),
        pytest.param(REDEMPTIONS + "/", id="trailing slash on A and B"),
        pytest.param(COUPONS + "/", id="trailing slash on C"),
        pytest.param("/" + COUPONS, id="two slashes"),
        pytest.param(COUPONS.upper(), id="capitals"),
        pytest.param("/api_gateway/v1/promotions", id="parent"),
        pytest.param(COUPONS + "/1", id="child"),
        pytest.param(COUPONS.replace("redeem", "%72edeem"), id="percent-encoded"),
        pytest.param("/healthz/", id="health with a slash"),
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE"])
async def test_an_unknown_path_is_404_in_form_b(door: Service, verb: str, path: str) -> None:
    before = recorded(door)
    url = str(door.http.base_url).rstrip("/") + path
    response = await door.http.request(verb, url, json=coupons())
    assert response.status_code == 404
    assert len(texts(response, "B")) == 1
    assert recorded(door) == before


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        pytest.param(verb, path, ", ".join(allowed), id=f"{verb} on {name}")
        for name, path, allowed in [
            ("A and B", REDEMPTIONS, ["GET", "POST"]),
            ("C", COUPONS, ["POST"]),
            ("healthz", "/healthz", ["GET"]),
            ("readyz", "/readyz", ["GET"]),
        ]
        for verb in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
        if verb not in allowed
    ],
)
async def test_another_verb_is_405_in_form_b_and_names_those_allowed(
    door: Service, verb: str, path: str, allowed: str
) -> None:
    before = recorded(door)
    response = await door.http.request(verb, path, json=coupons())
    assert response.status_code == 405
    assert response.headers["Allow"] == allowed
    assert len(texts(response, "B")) == 1
    assert recorded(door) == before


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(REDEMPTIONS, id="B, refused"),
        pytest.param(f"{REDEMPTIONS}?codes=Code-1&mode=DISCOUNT", id="B"),
        pytest.param("/healthz", id="health"),
        pytest.param("/openapi.json", id="description"),
        pytest.param(COUPONS, id="no such verb"),
        pytest.param("/nothing", id="no such path"),
    ],
)
async def test_head_is_get_without_the_body(door: Service, path: str) -> None:
    head, get = await door.http.head(path), await door.http.get(path)
    assert head.status_code == get.status_code
    assert head.headers.get("Allow") == get.headers.get("Allow")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert head.content == b""
    assert_common_headers(head)


@pytest.mark.parametrize(
    ("path", "status"),
    [pytest.param("/healthz", "ALIVE", id="alive"), pytest.param("/readyz", "SERVING", id="ready")],
)
async def test_health_needs_no_credential(door: Service, path: str, status: str) -> None:
    async with httpx.AsyncClient(base_url=door.http.base_url) as client:
        response = await client.get(path)
    assert response.status_code == 200
    assert response.json() == {"status": status}
    assert_common_headers(response)


REQUESTS = [
    pytest.param("POST", REDEMPTIONS, {}, id="A"),
    pytest.param("GET", REDEMPTIONS, {}, id="B"),
    pytest.param("POST", COUPONS, coupons(), id="C"),
    pytest.param("GET", "/nothing", {}, id="unknown path"),
    pytest.param("PUT", COUPONS, {}, id="other verb"),
    pytest.param("GET", "/readyz", {}, id="health"),
]
WELL_FORMED = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(("verb", "path", "body"), REQUESTS)
async def test_the_request_id_is_taken_from_a_well_formed_header(
    door: Service, verb: str, path: str, body: object
) -> None:
    response = await door.http.request(verb, path, json=body, headers={"X-Request-Id": WELL_FORMED})
    assert response.headers["X-Cap-RequestID"] == WELL_FORMED


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("", id="empty"),
        pytest.param(WELL_FORMED[:-1], id="31 digits"),
        pytest.param(WELL_FORMED + "0", id="33 digits"),
        pytest.param(WELL_FORMED[:-1] + "g", id="no hex digit"),
        pytest.param("x" * 1_000, id="long"),
        pytest.param("\u0660".encode().decode("latin-1") * 16, id="not ASCII"),
    ],
)
@pytest.mark.parametrize(("verb", "path", "body"), REQUESTS)
async def test_another_request_id_is_made_when_the_given_one_is_malformed(
    door: Service, verb: str, path: str, body: object, given: str
) -> None:
    headers = [(b"X-Request-Id", given.encode("latin-1"))]
    found = set()
    for _ in range(2):
        response = await door.http.request(verb, path, json=body, headers=headers)
        assert_common_headers(response)
        found.add(response.headers["X-Cap-RequestID"])
    assert len(found) == 2
    assert given not in found


async def test_one_connection_serves_answers_and_refusals_alike(door: Service) -> None:
    limits = httpx.Limits(max_connections=1)
    headers = {"Authorization": door.http.headers["Authorization"]}
    ports = set()
    async with httpx.AsyncClient(
        base_url=door.http.base_url, headers=headers, limits=limits
    ) as client:
        for verb, path, body in [
            ("POST", COUPONS, b'{"root": '),
            ("POST", REDEMPTIONS, b"[]"),
            ("GET", REDEMPTIONS, b""),
            ("PUT", COUPONS, b"{}"),
            ("GET", "/nothing", b""),
            ("POST", COUPONS, b'{"root":{"coupon":{"code":"Many-1"}}}'),
        ]:
            response = await client.request(verb, path, content=body)
            assert response.http_version == "HTTP/1.1"
            stream = response.extensions["network_stream"]
            ports.add(stream.get_extra_info("client_addr"))
    assert len(ports) == 1


async def test_what_is_no_http_is_400_with_the_headers_of_every_answer(door: Service) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.http_port)
    writer.write(b"GET / HTTP/9.9 nonsense\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    writer.close()
    await writer.wait_closed()
    assert head.startswith("http/1.1 400")
    assert "content-type: application/json; charset=utf-8" in head
    assert "x-cap-requestid: " in head
