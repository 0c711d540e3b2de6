"""Where a request begins and ends, on the wire: two readings of it are none."""

import json
from collections import Counter

import httpx
import pytest

from tests.gateway.door import (
    assert_common_headers,
    coupon,
    coupons,
    line,
    promotions,
    recorded,
    texts,
)
from tests.gateway.raw_http import (
    AUTHORIZATION,
    BODY,
    FAREWELL,
    FAREWELL_ID,
    HOST,
    LAST_CHUNK,
    chunk,
    exchange,
    get,
    head,
    post,
    wire,
)
from tests.support.lock import locked
from tests.support.service import COUPONS, REDEMPTIONS, Service, basic

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
POST = f"POST {COUPONS} HTTP/1.1"
OLD_POST = f"POST {COUPONS} HTTP/1.0"
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = chunk(BODY) + LAST_CHUNK
# What would be redeemed by whoever takes it for a request.
HIDDEN = post()
# Answered with 404: nobody used the code.
LOOKUP = f"{REDEMPTIONS}?codes=Code-1&mode=DISCOUNT"


def redeem(*lines: str, body: bytes, first_line: str = POST) -> bytes:
    """A redemption that says itself where it ends, and what may be hidden behind it."""
    return head(first_line, HOST, AUTHORIZATION, *lines) + body + HIDDEN


def chunked(body: bytes) -> bytes:
    return redeem(CHUNKED, body=body)


def ended(*line_ends: tuple[bytes, bytes]) -> bytes:
    request = post()
    for usual, other in line_ends:
        request = request.replace(usual, other, 1)
    return request + HIDDEN


async def redeemed(door: Service, data: bytes) -> tuple[list[httpx.Response], int]:
    """The answers, and how many coupons were redeemed for them."""
    before = recorded(door)["coupon_redemption"]
    answers = await exchange(door.http_port, data)
    return answers, recorded(door)["coupon_redemption"] - before


def assert_refused_and_closed(answers: list[httpx.Response], status: int = 400) -> None:
    """One answer in form B with the headers of every answer; nothing was answered after it."""
    (refusal,) = answers
    assert refusal.status_code == status, refusal.text
    assert texts(refusal, "B")
    assert refusal.headers["Cache-Control"] == "no-store"
    assert refusal.headers["Connection"] == "close"


AMBIGUOUS = {
    "length, then encoding": redeem(LENGTH, CHUNKED, body=CHUNKS),
    "encoding, then length": redeem(CHUNKED, LENGTH, body=CHUNKS),
    "length of nothing and encoding": redeem("Content-Length: 0", CHUNKED, body=CHUNKS),
    "two lengths": redeem(LENGTH, "Content-Length: 0", body=BODY),
    "two lengths, the short one first": redeem("Content-Length: 0", LENGTH, body=BODY),
    "one length twice": redeem(LENGTH, LENGTH, body=BODY),
    "list of lengths": redeem(f"{LENGTH}, {len(BODY)}", body=BODY),
    "length with a sign": redeem(f"Content-Length: +{len(BODY)}", body=BODY),
    "negative length": redeem("Content-Length: -1", body=BODY),
    "hexadecimal length": redeem(f"Content-Length: {len(BODY):#x}", body=BODY),
    "length with a space": redeem("Content-Length: 1 0", body=BODY),
    "length of no digits": redeem("Content-Length:", body=BODY),
    "length past 64 bits": redeem(f"Content-Length: {2**64 + len(BODY)}", body=BODY),
    "encoding: identity": redeem("Transfer-Encoding: identity", body=BODY),
    "encoding: chunked, identity": redeem("Transfer-Encoding: chunked, identity", body=CHUNKS),
    "encoding: chunked, chunked": redeem("Transfer-Encoding: chunked, chunked", body=CHUNKS),
    "encoding: xchunked": redeem("Transfer-Encoding: xchunked", body=CHUNKS),
    "encoding: chunkedx": redeem("Transfer-Encoding: chunkedx", body=CHUNKS),
    "encoding: chunked with a parameter": redeem(f"{CHUNKED};a=b", body=CHUNKS),
    "encoding: chunked in quotes": redeem('Transfer-Encoding: "chunked"', body=CHUNKS),
    "encoding: none": redeem("Transfer-Encoding:", body=CHUNKS),
    "encoding: chunked between tabs": redeem("Transfer-Encoding:\tchunked\t", body=CHUNKS),
    "encoding: chunked after a vertical tab": redeem("Transfer-Encoding: \x0bchunked", body=CHUNKS),
    "encoding twice": redeem(CHUNKED, CHUNKED, body=CHUNKS),
    "encoding twice, identity last": redeem(CHUNKED, "Transfer-Encoding: identity", body=CHUNKS),
    "encoding in HTTP/1.0": redeem(CHUNKED, body=CHUNKS, first_line=OLD_POST),
    "encoding in HTTP/2.0": redeem(CHUNKED, body=CHUNKS, first_line=f"POST {COUPONS} HTTP/2.0"),
    "folded header": redeem(LENGTH, "X-A: a\r\n b", body=BODY),
    "folded encoding": redeem("Transfer-Encoding:\r\n chunked", body=CHUNKS),
    "folded first header": head(POST, " X-A: a", HOST, AUTHORIZATION, LENGTH) + BODY + HIDDEN,
    "bare LF after the request line": ended((b"HTTP/1.1\r\n", b"HTTP/1.1\n")),
    "bare LF after a header": ended((b"gateway\r\n", b"gateway\n")),
    "bare LF after the head": ended((b"\r\n\r\n", b"\r\n\n")),
    "bare LF everywhere": redeem(LENGTH, body=BODY).replace(b"\r\n", b"\n"),
    "bare CR after a header": ended((b"gateway\r\n", b"gateway\r")),
    "space before the colon": redeem(f"Content-Length : {len(BODY)}", body=BODY),
    "tab before the colon": redeem("Transfer-Encoding\t: chunked", body=CHUNKS),
    "no colon": redeem(LENGTH, "X-A", body=BODY),
    "no name": redeem(LENGTH, ": a", body=BODY),
    "parenthesis in a name": redeem(LENGTH, "X(A): a", body=BODY),
    "NUL in a name": redeem(LENGTH, "X\0A: a", body=BODY),
    "NUL in a value": redeem(LENGTH, "X-A: a\0b", body=BODY),
    "CR in a value": redeem(LENGTH, "X-A: a\rb", body=BODY),
    "DEL in a value": redeem(LENGTH, "X-A: a\x7fb", body=BODY),
    "no host": head(POST, AUTHORIZATION, LENGTH) + BODY + HIDDEN,
    "two hosts": redeem("Host: other", LENGTH, body=BODY),
    "one host twice": redeem(HOST, LENGTH, body=BODY),
    "negative chunk": chunked(b"-1\r\n" + BODY + b"\r\n" + LAST_CHUNK),
    "chunk past 64 bits": chunked(b"1%016x\r\n%s\r\n%s" % (len(BODY), BODY, LAST_CHUNK)),
    "chunk size with 0x": chunked(b"0x" + CHUNKS),
    "chunk size with garbage": chunked(CHUNKS.replace(b"\r\n", b"z\r\n", 1)),
    "chunk size before a space": chunked(CHUNKS.replace(b"\r\n", b" \r\n", 1)),
    "chunk size after a space": chunked(b" " + CHUNKS),
    "chunk size missing": chunked(b"\r\n" + CHUNKS),
    "chunk size before a bare LF": chunked(CHUNKS.replace(b"\r\n", b"\n", 1)),
    "chunk before a bare LF": chunked(CHUNKS.replace(BODY + b"\r\n", BODY + b"\n", 1)),
    "chunk longer than its size": chunked(CHUNKS.replace(BODY, BODY + b"  ", 1)),
    "chunk extension with a bare LF": chunked(CHUNKS.replace(b"\r\n", b";a\n\r\n", 1)),
    "chunk extension with a bare CR": chunked(CHUNKS.replace(b"\r\n", b";a\rb\r\n", 1)),
    "length in the trailer": chunked(chunk(BODY) + b"0\r\nContent-Length: 3\r\n\r\n"),
    "encoding in the trailer": chunked(chunk(BODY) + b"0\r\n" + CHUNKED.encode() + b"\r\n\r\n"),
    "method nobody knows": redeem(LENGTH, body=BODY, first_line=f"BREW {COUPONS} HTTP/1.1"),
    "method in small letters": redeem(LENGTH, body=BODY, first_line=f"post {COUPONS} HTTP/1.1"),
    "tunnel": redeem(body=b"", first_line="CONNECT gateway:443 HTTP/1.1"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    "HTTP/1.2": redeem(LENGTH, body=BODY, first_line=f"POST {COUPONS} HTTP/1.2"),
    "space in the target": redeem(LENGTH, body=BODY, first_line=f"POST {COUPONS} a HTTP/1.1"),
    "target without a path": redeem(LENGTH, body=BODY, first_line="POST http://a HTTP/1.1"),
    "target not ASCII": redeem(LENGTH, body=BODY, first_line=f"POST {COUPONS}\xff HTTP/1.1"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + HIDDEN,
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in AMBIGUOUS.items()])
async def test_what_two_readers_could_read_in_two_ways_is_refused_with_all_that_follows(
    door: Service, data: bytes
) -> None:
    before = recorded(door)
    assert_refused_and_closed(await exchange(door.http_port, data))
    assert recorded(door) == before


PLAIN = {
    "length": post(),
    "length with zeros": head(POST, HOST, AUTHORIZATION, f"Content-Length: 000{len(BODY)}") + BODY,
    "chunks": head(POST, HOST, AUTHORIZATION, CHUNKED) + CHUNKS,
    "encoding in capitals": head(POST, HOST, AUTHORIZATION, CHUNKED.upper()) + CHUNKS,
    "a chunk for each byte": head(POST, HOST, AUTHORIZATION, CHUNKED)
    + b"".join(chunk(bytes([byte])) for byte in BODY)
    + LAST_CHUNK,
    "chunk extension": head(POST, HOST, AUTHORIZATION, CHUNKED)
    + CHUNKS.replace(b"\r\n", b';a=b;c="d"\r\n', 1),
    "trailer": head(POST, HOST, AUTHORIZATION, CHUNKED) + CHUNKS[:-2] + b"X-A: a\r\n\r\n",
    "blank lines before": b"\r\n\r\n" + post(),
    "target with a scheme and a host": post(target=f"http://other{COUPONS}"),
    "other upgrade without the word for it": post("Upgrade: h2c"),
    "headers that only look like framing": post("Content_Length: 3", "X-Transfer-Encoding: a"),
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in PLAIN.items()])
async def test_what_has_one_meaning_is_one_request(door: Service, data: bytes) -> None:
    answers, redemptions = await redeemed(door, data + FAREWELL)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[-1].headers["X-Cap-RequestID"] == FAREWELL_ID
    assert redemptions == 1


async def test_http_1_0_has_one_request_for_a_connection(door: Service) -> None:
    data = head(OLD_POST, AUTHORIZATION, LENGTH, "Connection: keep-alive") + BODY + HIDDEN
    answers, redemptions = await redeemed(door, data)
    assert [answer.status_code for answer in answers] == [200]
    assert redemptions == 1


@pytest.mark.parametrize(
    ("first_line", "status"),
    [
        pytest.param("OPTIONS * HTTP/1.1", 404, id="asterisk"),
        pytest.param("GET * HTTP/1.1", 404, id="asterisk of no OPTIONS"),
        pytest.param("GET http://other/nothing HTTP/1.1", 404, id="with a host"),
        pytest.param(f"PURGE {COUPONS} HTTP/1.1", 405, id="method of caches"),
        pytest.param(f"TRACE {COUPONS} HTTP/1.1", 405, id="TRACE"),
    ],
)
async def test_a_target_or_a_method_of_other_servers_is_refused_as_one_request(
    door: Service, first_line: str, status: int
) -> None:
    refusal, farewell = await exchange(door.http_port, head(first_line, HOST) + FAREWELL)
    assert refusal.status_code == status
    assert texts(refusal, "B")
    assert refusal.headers["Cache-Control"] == "no-store"
    assert farewell.headers["X-Cap-RequestID"] == FAREWELL_ID


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_a_request_in_pieces_is_the_same_request(door: Service, size: int) -> None:
    data = head(POST, HOST, AUTHORIZATION, CHUNKED) + CHUNKS + FAREWELL
    async with wire(door.http_port) as connection:
        for start in range(0, len(data), size):
            await connection.send(data[start : start + size])
        answers = await connection.answers()
    assert [answer.status_code for answer in answers] == [200, 200]


# Trailers and upgrades.


@pytest.mark.parametrize(
    ("lines", "trailer", "status"),
    [
        pytest.param([], AUTHORIZATION, 401, id="credential"),
        pytest.param([AUTHORIZATION], "Content-Encoding: gzip", 200, id="encoding"),
        pytest.param([AUTHORIZATION], "X-CAP-API-AUTH-ORG-ID: 200", 200, id="organisation"),
        pytest.param([AUTHORIZATION], f"X-Request-Id: {FAREWELL_ID}", 200, id="request id"),
    ],
)
async def test_a_trailer_is_no_header(
    door: Service, lines: list[str], trailer: str, status: int
) -> None:
    data = head(POST, HOST, *lines, CHUNKED) + chunk(BODY) + f"0\r\n{trailer}\r\n\r\n".encode()
    async with wire(door.http_port) as connection:
        await connection.send(data)
        answer = await connection.answer()
    assert answer.status_code == status, answer.text
    assert answer.headers["X-Cap-RequestID"] != FAREWELL_ID


UPGRADE = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
)


async def test_an_offer_of_http_2_is_passed_over(door: Service) -> None:
    answers = await exchange(door.http_port, get(LOOKUP, *UPGRADE) * 3 + FAREWELL)
    assert [answer.status_code for answer in answers] == [404, 404, 404, 200]
    assert texts(answers[0], "B") == ["No redemptions found for promotion code Code-1"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(post(*UPGRADE), id="length"),
        pytest.param(head(POST, HOST, AUTHORIZATION, CHUNKED, *UPGRADE) + CHUNKS, id="chunks"),
    ],
)
@pytest.mark.parametrize("size", [1_000_000, 9], ids=["one write", "pieces"])
async def test_a_body_after_an_offer_of_http_2_belongs_to_its_request(
    door: Service, data: bytes, size: int
) -> None:
    """Java's HttpClient makes the offer with each first request of a connection."""
    before = recorded(door)["coupon_redemption"]
    everything = data + post() + FAREWELL
    async with wire(door.http_port) as connection:
        for start in range(0, len(everything), size):
            await connection.send(everything[start : start + size])
        answers = await connection.answers()
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert recorded(door)["coupon_redemption"] == before + 2


@pytest.mark.parametrize("first_line", [POST, "CONNECT gateway:443 HTTP/1.1"])
async def test_no_request_can_be_hidden_in_a_body_after_an_upgrade(
    door: Service, first_line: str
) -> None:
    length = f"Content-Length: {len(HIDDEN)}"
    data = head(first_line, HOST, AUTHORIZATION, length, *UPGRADE) + HIDDEN
    before = recorded(door)
    async with wire(door.http_port) as connection:
        await connection.send(data)
        # Nobody may see in it more than one request: refused, or with a body that is no JSON.
        assert (await connection.answer()).status_code == 400
        await connection.send(FAREWELL)
        assert len(await connection.answers()) <= 1
    assert recorded(door) == before


async def test_very_many_offers_in_one_write_are_each_answered(door: Service) -> None:
    times = 2_000
    offer = head("GET /healthz HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: a")
    answers = await exchange(door.http_port, offer * times + FAREWELL)
    assert Counter(answer.status_code for answer in answers) == {200: times + 1}


# Header injection.

ALLOWED_HEADERS = {
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "idempotent-replayed",
    "link",
    "ratelimit",
    "ratelimit-policy",
    "www-authenticate",
    "x-cap-requestid",
}
INJECTIONS = ["%0d%0aInjected:%20yes", "%0D%0A%0D%0AHTTP/1.1 200 OK", "%E5%98%8D%E5%98%8AInjected:"]
FORWARDED = (
    "Idempotency-Key",
    "X-Request-Id",
    "X-CAP-API-AUTH-ORG-ID",
    "X-CAP-API-ATTRIBUTION-TILL-CODE",
    "X-CAP-API-OAUTH-TOKEN",
    "traceparent",
    "tracestate",
    "X-Forwarded-For",
)


@pytest.mark.parametrize("injection", INJECTIONS)
async def test_nothing_in_a_header_becomes_a_header_of_the_answer(
    door: Service, injection: str
) -> None:
    """The answers are read strictly: a CR or LF too many would not pass."""
    data = b"".join(
        request
        for name in FORWARDED
        for request in (
            get(LOOKUP, f"{name}: a{injection}"),
            post(f"{name}: a{injection}"),
        )
    )
    answers = await exchange(door.http_port, data + FAREWELL)
    assert len(answers) == 2 * len(FORWARDED) + 1
    for answer in answers:
        assert_common_headers(answer)
        assert set(answer.headers) <= ALLOWED_HEADERS


@pytest.mark.parametrize("injection", [text.replace(" ", "%20") for text in INJECTIONS])
async def test_nothing_in_a_query_becomes_a_header_of_the_answer(
    door: Service, injection: str
) -> None:
    if recorded(door)["promotion_redemption"] <= 1_000:
        for _ in range(3):
            await door.post(REDEMPTIONS, promotions(redemptions=[line("paged")] * 400))
    pages = f"{REDEMPTIONS}?mode=DISCOUNT&includeRedemptions=true&codes=PAGED"
    targets = [
        pages,
        f"{pages},a{injection}",
        f"{pages}&pageToken=a{injection}",
        f"{pages}&other=a{injection}",
        f"{REDEMPTIONS}?codes=a{injection}&mode=DISCOUNT",
        f"{REDEMPTIONS}?codes=Code-1&mode=a{injection}",
        f"{COUPONS}{injection}",
    ]
    answers = await exchange(door.http_port, b"".join(map(get, targets)) + FAREWELL)
    assert len(answers) == len(targets) + 1
    assert "Link" in answers[0].headers
    for answer in answers:
        assert_common_headers(answer)
        assert set(answer.headers) <= ALLOWED_HEADERS


# Pipelining.


@pytest.mark.parametrize("count", [2, 10])
async def test_requests_in_one_write_are_answered_in_their_order(door: Service, count: int) -> None:
    """What is quick comes after what waits for the disk."""
    before = recorded(door)["coupon_redemption"]
    ids = [f"{number:032x}" for number in range(count)]
    data = b"".join(
        post(f"X-Request-Id: {id_}") if number % 2 == 0 else get("/healthz", f"X-Request-Id: {id_}")
        for number, id_ in enumerate(ids)
    )
    async with wire(door.http_port) as connection:
        await connection.send(data)
        answers = [await connection.answer() for _ in ids]
        assert [answer.status_code for answer in answers] == [200] * count
        assert [answer.headers["X-Cap-RequestID"] for answer in answers] == ids
        await connection.send(FAREWELL)
        assert (await connection.answer()).headers["X-Cap-RequestID"] == FAREWELL_ID
    assert recorded(door)["coupon_redemption"] == before + count // 2


BAD = {
    "no HTTP": b"nonsense\r\n\r\n",
    "refused head": head(POST, HOST, HOST, AUTHORIZATION, LENGTH) + BODY,
    "broken chunks": head(POST, HOST, AUTHORIZATION, CHUNKED) + b"zz\r\n",
    "broken chunks after a good one": head(POST, HOST, AUTHORIZATION, CHUNKED)
    + chunk(BODY)
    + b"zz\r\n",
}


@pytest.mark.parametrize("bad", [pytest.param(data, id=name) for name, data in BAD.items()])
async def test_a_good_request_before_a_bad_one_gets_its_own_answer_and_then_it_ends(
    door: Service, bad: bytes
) -> None:
    for count in (1, 2):
        answers, redemptions = await redeemed(door, post() * count + bad + HIDDEN)
        assert [answer.status_code for answer in answers] == [200] * count
        assert all(json.loads(answer.content)["response"]["coupons"] for answer in answers)
        assert "Connection" not in answers[0].headers or count == 1
        assert answers[-1].headers["Connection"] == "close"
        assert redemptions == count


@pytest.mark.parametrize("bad", [pytest.param(data, id=name) for name, data in BAD.items()])
async def test_a_bad_request_does_not_disturb_a_good_one_that_is_under_way(
    door: Service, bad: bytes
) -> None:
    before = recorded(door)["coupon_redemption"]
    async with wire(door.http_port) as connection:
        with locked(door.database_file):
            await connection.send(post())
            await connection.send(bad)
            await connection.send(HIDDEN)
            # It is read by then: what one connection sends is taken in order with another's.
            assert len(await exchange(door.http_port, FAREWELL)) == 1
        (answer,) = await connection.answers()
    assert answer.status_code == 200
    assert recorded(door)["coupon_redemption"] == before + 1


async def test_broken_chunks_are_400_even_when_the_request_was_begun(door: Service) -> None:
    before = recorded(door)
    async with wire(door.http_port) as connection:
        await connection.send(head(POST, HOST, AUTHORIZATION, CHUNKED) + chunk(BODY))
        assert len(await exchange(door.http_port, FAREWELL)) == 1
        await connection.send(b"zz\r\n")
        assert_refused_and_closed(await connection.answers())
    assert recorded(door) == before


# Bodies that are asked for, and bodies that nobody wants.

EXPECT = "Expect: 100-continue"
TOO_LONG = f"Content-Length: {MIB + 1}"


async def test_a_body_is_asked_for_when_its_head_is_good(door: Service) -> None:
    async with wire(door.http_port) as connection:
        for _ in range(2):
            await connection.send(head(POST, HOST, AUTHORIZATION, LENGTH, EXPECT))
            assert (await connection.answer()).status_code == 100
            await connection.send(BODY)
            assert (await connection.answer()).status_code == 200


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        pytest.param((LENGTH,), 401, id="401"),
        pytest.param((AUTHORIZATION, TOO_LONG), 413, id="413"),
        pytest.param((AUTHORIZATION, LENGTH, "Content-Type: text/plain"), 415, id="415"),
        pytest.param((AUTHORIZATION, LENGTH, "Content-Encoding: gzip"), 415, id="415 compressed"),
        pytest.param((AUTHORIZATION, AUTHORIZATION, LENGTH), 400, id="400"),
    ],
)
async def test_no_body_is_asked_for_when_its_head_is_refused(
    door: Service, lines: tuple[str, ...], status: int
) -> None:
    async with wire(door.http_port) as connection:
        await connection.send(head(POST, HOST, EXPECT, *lines))
        answer = await connection.answer()
        assert answer.status_code == status
        assert texts(answer, "C")
        assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("expectation", ["200-ok", "100-continue, 200-ok", ""])
async def test_another_expectation_is_417(door: Service, expectation: str) -> None:
    before = recorded(door)
    answers = await exchange(door.http_port, post(f"Expect: {expectation}"))
    assert [answer.status_code for answer in answers] == [417]
    assert texts(answers[0], "B")
    assert recorded(door) == before


async def test_http_1_0_is_not_told_to_continue(door: Service) -> None:
    data = head(OLD_POST, AUTHORIZATION, LENGTH, EXPECT) + BODY
    answers = await exchange(door.http_port, data)
    assert [answer.status_code for answer in answers] == [200]


async def test_head_is_answered_without_a_body_and_the_connection_goes_on(door: Service) -> None:
    async with wire(door.http_port) as connection:
        for target, status in ((LOOKUP, 404), (COUPONS, 405), ("/healthz", 200)):
            await connection.send(head(f"HEAD {target} HTTP/1.1", HOST, AUTHORIZATION))
            answer = await connection.answer("HEAD")
            assert answer.status_code == status
        await connection.send(FAREWELL)
        assert (await connection.answer()).headers["X-Cap-RequestID"] == FAREWELL_ID


REPEATED = {
    "Authorization": basic(),
    "X-CAP-API-OAUTH-TOKEN": "token",
    "X-CAP-API-AUTH-ORG-ID": "100",
    "X-CAP-API-ATTRIBUTION-TILL-CODE": "till-1",
    "Idempotency-Key": "key",
    "X-Request-Id": "0" * 32,
    "Content-Type": "application/json",
}


@pytest.mark.parametrize("name", REPEATED)
async def test_a_header_that_has_one_value_is_400_when_it_is_given_twice(
    door: Service, name: str
) -> None:
    value = REPEATED[name]
    for first, second in ((value, value), (value, "other"), ("", value)):
        lines = [f"{name}: {first}", f"{name.lower()}: {second}"]
        lines += [] if name == "Authorization" else [AUTHORIZATION]
        before = recorded(door)
        data = head(POST, HOST, LENGTH, *lines) + BODY + FAREWELL
        refusal, farewell = await exchange(door.http_port, data)
        assert refusal.status_code == 400
        assert texts(refusal, "C") == [f"{name.upper()} must be given once"]
        assert farewell.headers["X-Cap-RequestID"] == FAREWELL_ID
        assert recorded(door) == before


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "gzip\r\nContent-Encoding:"])
async def test_a_compressed_body_is_415(door: Service, encoding: str) -> None:
    refusal, farewell = await exchange(
        door.http_port, post(f"Content-Encoding: {encoding}") + FAREWELL
    )
    assert refusal.status_code == 415
    assert texts(refusal, "C")
    assert farewell.headers["X-Cap-RequestID"] == FAREWELL_ID


@pytest.mark.parametrize("body", [b"x", b"x" * 65_536], ids=["one byte", "64 KiB"])
async def test_a_connection_goes_on_after_a_small_body_that_nobody_wanted(
    door: Service, body: bytes
) -> None:
    """The body arrives after its head, when the refusal is decided."""
    async with wire(door.http_port) as connection:
        for target, status in ((COUPONS, 415), ("/nothing", 404), ("/healthz", 405)):
            request = post("Content-Type: text/plain", body=body, target=target)
            await connection.send(request.removesuffix(body))
            assert len(await exchange(door.http_port, FAREWELL)) == 1
            await connection.send(body)
            assert (await connection.answer()).status_code == status
        await connection.send(FAREWELL)
        assert (await connection.answer()).headers["X-Cap-RequestID"] == FAREWELL_ID


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(post(target="/nothing", body=b"x" * 65_537) + HIDDEN, id="large"),
        pytest.param(head("POST /nothing HTTP/1.1", HOST, CHUNKED) + CHUNKS + HIDDEN, id="chunks"),
    ],
)
async def test_a_connection_ends_after_a_body_that_nobody_wanted_and_that_may_be_long(
    door: Service, request_bytes: bytes
) -> None:
    before = recorded(door)
    assert_refused_and_closed(await exchange(door.http_port, request_bytes), 404)
    assert recorded(door) == before


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunks"])
async def test_who_sends_three_mib_before_reading_gets_to_read_the_413(
    door: Service, declared: bool
) -> None:
    body = b" " * (3 * MIB)
    data = post(body=body)
    if not declared:
        data = head(POST, HOST, AUTHORIZATION, CHUNKED) + chunk(body) + LAST_CHUNK
    async with wire(door.http_port) as connection:
        assert await connection.send(data)
        (answer,) = await connection.answers()
    assert answer.status_code == 413
    assert texts(answer, "C")
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("verb", ["GET", "HEAD"])
async def test_a_lookup_with_a_body_is_answered_like_one_without(door: Service, verb: str) -> None:
    """Some clients send `{}` or a content type with everything."""
    lines = (HOST, AUTHORIZATION, "Content-Type: application/json", "Content-Length: 2")
    async with wire(door.http_port) as connection:
        await connection.send(head(f"{verb} {LOOKUP} HTTP/1.1", *lines) + b"{}")
        answer = await connection.answer(verb)
        assert answer.status_code == 404
        assert "Connection" not in answer.headers
        await connection.send(FAREWELL)
        assert (await connection.answer()).headers["X-Cap-RequestID"] == FAREWELL_ID


async def test_one_credential_among_many_requests_is_asked_of_each(door: Service) -> None:
    """What one request said of its sender is not believed of the next."""
    body = json.dumps(coupons(coupon("Many-2"))).encode()
    length = f"Content-Length: {len(body)}"
    data = post(body=body) + head(POST, HOST, length) + body + post(body=body) + FAREWELL
    answers, redemptions = await redeemed(door, data)
    assert [answer.status_code for answer in answers] == [200, 401, 200, 200]
    assert redemptions == 2
