"""Whoever presents anything but a good credential: 401 in the form of the surface, never let in."""

import base64
import hashlib
import hmac
import itertools
import json
import string
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from redemption_server.access.token_keys import TokenKey, read_keys, rotate_keys

from tests.gateway.door import coupons, promotions, recorded, texts, write_catalog
from tests.support import catalogs
from tests.support.service import COUPONS, REDEMPTIONS, Service, run_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "/v3/oauth/token/generate"
LOOKUP = f"{REDEMPTIONS}?codes=Code-1&mode=DISCOUNT"
ALPHABET = string.ascii_letters + string.digits + "-_.=+/ ~!"
HEADERS = ("Authorization", "X-CAP-API-OAUTH-TOKEN")
PROPERTY = settings(
    max_examples=20,
    deadline=None,
    # Shrinking a failure would send thousands of requests.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    # The service is shared on purpose: each example must leave it as good as it was.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=120)
ADDRESSES = itertools.count(1)


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two keys: the first signs, the second has yet to begin."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    for _ in range(2):
        rotate_keys(file, int(time.time()))
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(
    shared_url: str, tmp_path_factory: pytest.TempPathFactory, keys_file: Path, in_process: bool
) -> AsyncIterator[Service]:
    """Both doors over the catalog of `door.organizations`, with keys that are known here."""
    file = write_catalog(tmp_path_factory.mktemp("catalog"))
    async with run_service(
        shared_url, file, in_process=in_process, token_keys=keys_file
    ) as service:
        del service.http.headers["Authorization"]
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def token(door: Service) -> str:
    """A good one."""
    body = {"key": catalogs.KEY, "secret": catalogs.SECRET}
    answer = await door.post(TOKEN, body)
    assert answer.status_code == 200
    token = str(answer.json()["data"]["accessToken"])
    assert (await look_up(door, "Authorization", f"Bearer {token}")).status_code == 404
    return token


async def look_up(door: Service, header: str, value: str) -> httpx.Response:
    # Outer blanks are no part of a header's value, and our own client refuses to send them.
    raw = value.strip(" ").encode("latin-1")
    return await door.http.get(LOOKUP, headers=[(header.encode(), raw), *elsewhere()])


def elsewhere() -> list[tuple[bytes, bytes]]:
    """Another address each time: whoever fails too often at one is slowed down."""
    number = next(ADDRESSES)
    return [(b"X-Forwarded-For", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}".encode())]


def assert_kept_out(answer: httpx.Response, form: str = "B") -> None:
    assert answer.status_code == 401, (answer.request.headers, answer.text)
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert len(texts(answer, form)) == 1


async def assert_no_token(door: Service, bearer: str) -> None:
    """Neither header lets it in."""
    assert_kept_out(await look_up(door, "X-CAP-API-OAUTH-TOKEN", bearer))
    assert_kept_out(await look_up(door, "Authorization", f"Bearer {bearer}"))


# Tokens that were never given out.


def signing_key(keys_file: Path) -> TokenKey:
    return read_keys(keys_file)[0]


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(token: str) -> dict[str, Any]:
    """The claims of a token."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def signed(key: TokenKey, claims: dict[str, Any], **head: Any) -> str:
    return jwt.encode(claims, key.secret, "HS256", headers={"kid": key.id, **head})


def signed_otherwise(key: TokenKey, claims: dict[str, Any], algorithm: str, digest: Any) -> str:
    """By hand: the library warns about keys that are too short for it."""
    text = f"{encoded({'alg': algorithm, 'kid': key.id})}.{encoded(claims)}"
    return f"{text}.{encoded(hmac.digest(key.secret, text.encode(), digest))}"


def changed_by_a_character(token: str) -> Iterator[str]:
    """A token for each place at which another character stands, is missing, or is added.

    Which one it is differs from place to place; at the end, where Base64 has bits that say nothing,
    it is every one.
    """
    for at, was in enumerate(token):
        others = [other for other in ALPHABET if other != was]
        yield token[:at] + others[at % len(others)] + token[at + 1 :]
    yield from (token[:-1] + other for other in others)
    for at in range(0, len(token), 20):
        yield token[:at] + token[at + 1 :]
    for at in (0, token.index("."), token.rindex(".") + 1, len(token) - 20):
        yield from (token[:at] + other + token[at:] for other in "A=!.")
    # A "=" there would be the padding that Base64 may have.
    yield from (token + other for other in "A!.")


async def test_a_token_of_which_one_character_is_another_is_not_good(
    door: Service, token: str
) -> None:
    let_in = [
        changed
        for changed in changed_by_a_character(token)
        if (await look_up(door, "X-CAP-API-OAUTH-TOKEN", changed)).status_code != 401
    ]
    assert not let_in, [(changed, token) for changed in let_in[:5]]


FORGED = {
    "no algorithm": lambda key, claims: (
        f"{encoded({'alg': 'none', 'kid': key.id})}.{encoded(claims)}."
    ),
    "no algorithm but a signature": lambda key, claims: (
        f"{encoded({'alg': 'none', 'kid': key.id})}." + signed(key, claims).partition(".")[2]
    ),
    "NONE, written otherwise": lambda key, claims: (
        f"{encoded({'alg': 'nOnE', 'kid': key.id})}.{encoded(claims)}."
    ),
    "HS384": lambda key, claims: signed_otherwise(key, claims, "HS384", hashlib.sha384),
    "HS512": lambda key, claims: signed_otherwise(key, claims, "HS512", hashlib.sha512),
    "another algorithm's name": lambda key, claims: (
        f"{encoded({'alg': 'HS512', 'kid': key.id})}." + signed(key, claims).partition(".")[2]
    ),
    "no key": lambda key, claims: jwt.encode(claims, key.secret, "HS256"),
    "key of no name": lambda key, claims: signed(key, claims, kid=""),
    "unknown key": lambda key, claims: signed(key, claims, kid="0" * 16),
    "key of another kind": lambda key, claims: (
        f"{encoded({'alg': 'HS256', 'kid': [key.id]})}." + signed(key, claims).partition(".")[2]
    ),
    "signed by nobody": lambda key, claims: signed(key._replace(secret=bytes(32)), claims),
    "expired": lambda key, claims: signed(key, claims | {"exp": int(time.time()) - 1}),
    "expires now": lambda key, claims: signed(key, claims | {"exp": int(time.time())}),
    "other issuer": lambda key, claims: signed(key, claims | {"iss": "somebody"}),
    "other audience": lambda key, claims: signed(key, claims | {"aud": "redemption.v2"}),
    "unknown credential": lambda key, claims: signed(key, claims | {"sub": "nobody"}),
    "another credential": lambda key, claims: signed(key, claims | {"sub": "reader"}),
    "earlier secret": lambda key, claims: signed(key, claims | {"sec": "0" * 16}),
    "encrypted": lambda key, claims: f"{signed(key, claims)}.{encoded(b'x')}.{encoded(b'x')}",
    "unsigned": lambda key, claims: signed(key, claims).rpartition(".")[0] + ".",
    "head alone": lambda key, claims: signed(key, claims).partition(".")[0] + "..",
}
CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti", "sec")


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
async def test_a_token_that_is_forged_or_over_is_not_good(
    door: Service, token: str, keys_file: Path, forge: Any
) -> None:
    key = signing_key(keys_file)
    # What is forged differs from a good one in nothing else.
    again = signed(key, decoded(token))
    assert (await look_up(door, "X-CAP-API-OAUTH-TOKEN", again)).status_code == 404
    await assert_no_token(door, forge(key, decoded(token)))


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_token_without_one_of_its_claims_is_not_good(
    door: Service, token: str, keys_file: Path, claim: str
) -> None:
    claims = {name: value for name, value in decoded(token).items() if name != claim}
    await assert_no_token(door, signed(signing_key(keys_file), claims))


async def test_the_key_that_another_one_signed_with_is_not_good(
    door: Service, token: str, keys_file: Path
) -> None:
    first, second = read_keys(keys_file)
    await assert_no_token(door, signed(first, decoded(token), kid=second.id))
    await assert_no_token(door, signed(second, decoded(token), kid=first.id))


async def test_the_parts_of_two_good_tokens_make_none(door: Service, token: str) -> None:
    answer = await door.post(TOKEN, {"key": "tillless", "secret": "tillless"})
    other = str(answer.json()["data"]["accessToken"])
    pairs = zip(token.split("."), other.split("."), strict=True)
    mixed = {".".join(parts) for parts in itertools.product(*pairs)}
    # Their heads are the same.
    assert len(mixed) == 4
    for made in mixed - {token, other}:
        await assert_no_token(door, made)


@PROPERTY
@given(
    head=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
        max_leaves=8,
    )
    | st.dictionaries(
        st.sampled_from(["typ", "alg", "kid", "crit", "b64", "jwk", "jku", "x5c", "zip", "cty"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.text()),
    )
)
@example(head={"crit": ["b64"], "b64": False, "alg": "HS256"})
@example(head={"kid": None})
@example(head={"alg": None})
@example(head={"alg": ["HS256"]})
async def test_whatever_the_head_of_a_token_says(
    door: Service, token: str, keys_file: Path, head: Any
) -> None:
    rest = token.partition(".")[2]
    await assert_no_token(door, f"{encoded(head)}.{rest}")
    if isinstance(head, dict):
        known = {"kid": signing_key(keys_file).id}
        await assert_no_token(door, f"{encoded(known | head)}.{rest}")
        await assert_no_token(door, f"{encoded(head | known)}.{rest}")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"[" * 2_500, id="deep lists"),
        pytest.param(b'{"a":' * 500 + b"1" + b"}" * 500, id="deep objects"),
        pytest.param(b'{"kid":' + b"9" * 2_500 + b"}", id="long number"),
        pytest.param(b'{"kid":1e400}', id="infinity"),
        pytest.param(b'{"kid":NaN}', id="no number"),
        pytest.param(b'{"kid":"\\ud800"}', id="half a character"),
        pytest.param(b'{"kid":"a\\u0000"}', id="NUL"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b'{"kid":"a","kid":"b"}', id="two keys"),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_heads_that_are_hard_to_read(door: Service, token: str, head: bytes) -> None:
    rest = token.partition(".")[2]
    await assert_no_token(door, f"{encoded(head)}.{rest}")
    await assert_no_token(door, f"{encoded(head)}..")


# Whatever else stands in the headers.


@pytest.mark.parametrize("header", HEADERS)
@PROPERTY
@given(
    value=PRINTABLE
    | PRINTABLE.map("Bearer {}".format)
    | PRINTABLE.map("Basic {}".format)
    | st.lists(st.text(ALPHABET, max_size=20), min_size=2, max_size=4).map(".".join)
    | st.binary(max_size=60)
    .filter(lambda raw: b"\x7f" not in raw and min(raw, default=32) > 31)
    .map(lambda raw: raw.decode("latin-1"))
)
@example(value="Bearer")
@example(value="Basic")
@example(value="Basic Og==")
@example(value="Basic OnNlY3JldA==")
@example(value="Basic AA==")
@example(value="Digest username=key")
@example(value="é")
@example(value="\xff")
@example(value="x" * 3_500)
@example(value="x" * 3_501)
async def test_arbitrary_credentials(door: Service, header: str, value: str) -> None:
    assert_kept_out(await look_up(door, header, value))


@settings(PROPERTY, max_examples=2)
@given(key=st.text(max_size=20), secret=st.text(max_size=20))
@example(key=catalogs.KEY, secret="secret\0")
@example(key=catalogs.KEY, secret=" secret")
@example(key="KEY", secret=catalogs.SECRET)
@example(key=f"{catalogs.KEY}\0", secret=catalogs.SECRET)
async def test_arbitrary_keys_and_secrets(door: Service, key: str, secret: str) -> None:
    written = base64.b64encode(f"{key}:{secret}".encode()).decode()
    assert_kept_out(await look_up(door, "Authorization", f"Basic {written}"))


@pytest.mark.parametrize(
    ("path", "body", "form"),
    [(REDEMPTIONS, promotions(), "A"), (COUPONS, coupons(), "C")],
    ids=["A", "C"],
)
@settings(PROPERTY, max_examples=8)
@given(value=PRINTABLE, bearer=st.booleans())
async def test_who_is_not_known_records_nothing(
    door: Service, token: str, path: str, body: Any, form: str, value: str, bearer: bool
) -> None:
    before = recorded(door)
    # One that is good does not help one that is not.
    headers = {"Authorization": f"Bearer {value}x" if bearer else f"x{value}x"}
    answer = await door.post(path, body, **headers)
    assert_kept_out(answer, form)
    answer = await door.post(path, body, **headers, **{"X-CAP-API-OAUTH-TOKEN": token})
    assert_kept_out(answer, form)
    assert recorded(door) == before


# Surface D.

TEXTS = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(["", "\0", "x" * 251])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NO_TEXT = VALUES.filter(lambda value: not isinstance(value, str)) | st.sampled_from(
    ["", "\0", "x" * 251, "\ud800"]
)


async def assert_no_token_is_given(door: Service, body: bytes) -> int:
    headers = [(b"Content-Type", b"application/json"), *elsewhere()]
    answer = await door.http.post(TOKEN, content=body, headers=headers)
    assert answer.status_code in (400, 401), answer.text
    assert ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)
    assert texts(answer, "B")
    return answer.status_code


@PROPERTY
@given(body=st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
@example(body=b"")
@example(body=b'{"key":"key","secret":"secret","secret":"secret"}')
@example(body=b'{"key":"key","secret":"secret"} //')
@example(body=b"[" * 100_000)
async def test_arbitrary_bodies_are_given_no_token(door: Service, body: bytes) -> None:
    await assert_no_token_is_given(door, body)


@PROPERTY
@given(key=NO_TEXT, secret=NO_TEXT | st.just(catalogs.SECRET))
@example(key=[catalogs.KEY], secret=catalogs.SECRET)
async def test_what_is_no_key_is_given_no_token(door: Service, key: Any, secret: Any) -> None:
    for value in ({"key": key, "secret": secret}, {"key": secret, "secret": key}):
        assert await assert_no_token_is_given(door, json.dumps(value).encode()) == 400


@settings(PROPERTY, max_examples=2)
@given(
    key=st.text(min_size=1, max_size=250).filter(lambda text: "\0" not in text),
    secret=st.text(min_size=1, max_size=250).filter(lambda text: "\0" not in text),
)
@example(key=catalogs.KEY, secret="Secret")
@example(key=f"{catalogs.KEY}:{catalogs.SECRET}", secret="x")
@example(key="ke", secret=f"y:{catalogs.SECRET}")
@example(key=catalogs.OTHER_KEY, secret=catalogs.SECRET)
async def test_a_wrong_secret_is_given_no_token(door: Service, key: str, secret: str) -> None:
    body = json.dumps({"key": key, "secret": secret}).encode()
    assert await assert_no_token_is_given(door, body) == 401
