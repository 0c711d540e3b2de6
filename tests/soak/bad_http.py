"""Requests over HTTP that no decent client sends."""

import json
import random
from collections.abc import Callable

from tests.gateway.raw_http import AUTHORIZATION, BODY, HOST, LAST_CHUNK, chunk, get, head, post
from tests.soak.calls import Call, HttpAsk, one_of
from tests.soak.sales import Sale
from tests.soak.sender import over_http
from tests.support.service import COUPONS, REDEMPTIONS

_MIB = 1024 * 1024
_POST = f"POST {COUPONS} HTTP/1.1"
_LENGTH = f"Content-Length: {len(BODY)}"
_CHUNKED = "Transfer-Encoding: chunked"
_CHUNKS = chunk(BODY) + LAST_CHUNK
_WRONG_TYPES = {
    "customerId": ("one", [], {}, 1.5),
    "transactionIdentifier": ([], {}, True),
    "transactionDate": ("today", {}, 10**30),
    "amount": ("much", [], {}),
    "redemptions": ("p1", 5, [5], {"promotionId": "p1"}),
}
_FRAMINGS = (
    head(_POST, HOST, AUTHORIZATION, _LENGTH, _CHUNKED) + _CHUNKS,
    head(_POST, HOST, AUTHORIZATION, _LENGTH, _LENGTH) + BODY,
    head(_POST, HOST, AUTHORIZATION, "Content-Length: -1") + BODY,
    head(_POST, HOST, AUTHORIZATION, f"Content-Length: {2**64}") + BODY,
    head(_POST, HOST, AUTHORIZATION, "Transfer-Encoding: xchunked") + _CHUNKS,
    head(_POST, HOST, AUTHORIZATION, _CHUNKED) + b"-1\r\n" + _CHUNKS,
    head(_POST, HOST, AUTHORIZATION, _CHUNKED) + b"zz\r\n" + _CHUNKS,
    head(_POST, HOST, AUTHORIZATION, _CHUNKED) + _CHUNKS.replace(BODY, BODY + b"  ", 1),
    head(_POST, AUTHORIZATION, _LENGTH) + BODY,
    head(_POST, HOST, "Host: other", AUTHORIZATION, _LENGTH) + BODY,
    head(_POST, HOST, AUTHORIZATION, _LENGTH, "X-A: a\r\n b") + BODY,
    head(_POST, HOST, AUTHORIZATION, f"Content-Length : {len(BODY)}") + BODY,
    head(f"BREW {COUPONS} HTTP/1.1", HOST, AUTHORIZATION, _LENGTH) + BODY,
    head("CONNECT gateway:443 HTTP/1.1", HOST, AUTHORIZATION),
    head(_POST, HOST, AUTHORIZATION, _LENGTH).replace(b"\r\n", b"\n") + BODY,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\0" * 200,
)


def draw(chance: random.Random, sale: Sale) -> Call:
    """One request of any kind; `sale` is a good one that may be spoilt."""
    (kind,) = chance.choices(list(_KINDS), [weight for weight, _, _ in _KINDS.values()])
    _, make, status = _KINDS[kind]
    return Call(kind, make(chance, sale), one_of(status))


def _malformed_json(chance: random.Random, sale: Sale) -> HttpAsk:
    body = json.dumps(sale.body()).encode()
    cut = body[: chance.randrange(len(body))]
    return over_http().post(REDEMPTIONS, chance.choice([cut, cut + b"\xff", body + b"}"]))


def _wrong_type(chance: random.Random, sale: Sale) -> HttpAsk:
    name = chance.choice(list(_WRONG_TYPES))
    return over_http().post(REDEMPTIONS, sale.body() | {name: chance.choice(_WRONG_TYPES[name])})


def _wrong_path(chance: random.Random, sale: Sale) -> HttpAsk:
    path = chance.choice(["/", f"{COUPONS}/", "/v1.1//coupon/redeem", "/healthz/", "/%68ealthz"])
    return over_http().post(path, sale.body())


def _wrong_verb(chance: random.Random, sale: Sale) -> HttpAsk:
    path = chance.choice([REDEMPTIONS, COUPONS, "/healthz", "/openapi.json"])
    return over_http().ask_http(chance.choice(["DELETE", "PUT", "PATCH", "OPTIONS"]), path)


def _wrong_type_of_content(chance: random.Random, sale: Sale) -> HttpAsk:
    line = chance.choice(["Content-Type: text/plain", "Content-Encoding: gzip"])
    return HttpAsk(post(line))


def _too_large(chance: random.Random, sale: Sale) -> HttpAsk:
    """Most only say so: what is sent of it, the other side has to read."""
    if chance.random() < 0.9:
        return HttpAsk(head(_POST, HOST, AUTHORIZATION, f"Content-Length: {2 * _MIB}") + BODY)
    if chance.random() < 0.5:
        return HttpAsk(post(body=b" " * (_MIB + 1)))
    return HttpAsk(head(_POST, HOST, AUTHORIZATION, _CHUNKED) + chunk(b" " * _MIB) * 2 + LAST_CHUNK)


def _large_head(chance: random.Random, sale: Sale) -> HttpAsk:
    many = [f"X-{number}: a" for number in range(101)]
    return HttpAsk(get("/healthz", *chance.choice([many, ["X-A: " + "a" * 33_000]])))


def _bad_query(chance: random.Random, sale: Sale) -> HttpAsk:
    query = chance.choice(["codes=A", "mode=DISCOUNT", "codes=A&mode=x", "codes=%FF&mode=DISCOUNT"])
    return HttpAsk(get(f"{REDEMPTIONS}?{query}"))


_Make = Callable[[random.Random, Sale], HttpAsk]
_KINDS: dict[str, tuple[float, _Make, str]] = {
    "malformed JSON": (6, _malformed_json, "400"),
    "field of the wrong type": (5, _wrong_type, "400"),
    "wrong path": (4, _wrong_path, "404"),
    "wrong verb": (3, _wrong_verb, "405"),
    "wrong type of content": (3, _wrong_type_of_content, "415"),
    "body too large": (1, _too_large, "413"),
    "headers too large": (1, _large_head, "431"),
    "URL too long": (0.5, lambda *_: HttpAsk(get("/" + "a" * 65_536)), "414"),
    "bad query": (2, _bad_query, "400"),
    "bad framing": (6, lambda chance, _: HttpAsk(chance.choice(_FRAMINGS)), "400"),
    "header twice": (1, lambda *_: HttpAsk(post(AUTHORIZATION)), "400"),
    "unknown expectation": (1, lambda *_: HttpAsk(post("Expect: wonders")), "417"),
}
"""What is drawn, how often of the sum of all, and how it is refused."""
