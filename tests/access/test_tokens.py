"""Tokens that stand for a credential, over the wire and with the clock in hand."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from redemption.v1 import catalog_service_pb2, token_service_pb2, token_service_pb2_grpc
from redemption.v1.promotion_redemption_pb2 import PROMOTION_MODE_DISCOUNT
from redemption.v1.promotion_redemption_service_pb2 import ListPromotionRedemptionsRequest
from redemption_server.access.token_keys import TokenKeys, new_key, read_keys, rotate_keys
from redemption_server.access.tokens import TokenError, Tokens, is_for
from redemption_server.storage.credentials import StoredCredential

from tests.support import catalogs
from tests.support.process import run
from tests.support.service import REDEMPTIONS, Service, error_info, run_service, status_of

TOKEN = "/v3/oauth/token/generate"
LOOKUP = f"{REDEMPTIONS}?codes=A&mode=DISCOUNT"
LIST = ListPromotionRedemptionsRequest(codes=["A"], mode=PROMOTION_MODE_DISCOUNT)
GOOD = {"key": catalogs.KEY, "secret": catalogs.SECRET}
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CREDENTIAL = StoredCredential("key", "$argon2id$hash", ())
FORMS = [
    pytest.param("Authorization", "Bearer {}", id="bearer"),
    pytest.param("Authorization", "bearer  {}", id="bearer, otherwise written"),
    pytest.param("X-CAP-API-OAUTH-TOKEN", "{}", id="own header"),
]


class Hands:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(params=[pytest.param(False, id="channel"), pytest.param(True, id="in-process")])
async def service(
    request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Service]:
    file = catalogs.write(tmp_path, catalogs.organization())
    async with run_service(sqlite_url, file, in_process=request.param) as service:
        yield service


async def generate(service: Service, **changes: Any) -> Any:
    """Asks over HTTP, without a credential in the headers."""
    body = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    return await service.http.post(TOKEN, json=body, headers={"Authorization": ""})


async def a_token(service: Service) -> str:
    answer = await generate(service)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["accessToken"])


def stub(service: Service) -> Any:
    return token_service_pb2_grpc.TokenServiceStub(service.channel)  # type: ignore[no-untyped-call]


async def test_the_answer_has_the_documented_form(service: Service) -> None:
    answer = await generate(service)
    assert list(answer.json()) == ["data", "errors"]
    assert answer.json()["errors"] is None
    assert list(answer.json()["data"]) == ["accessToken", "ttlSeconds"]
    assert answer.json()["data"]["ttlSeconds"] == 300
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("header", "form"), FORMS)
async def test_a_token_lets_in_at_both_doors(service: Service, header: str, form: str) -> None:
    token = form.format(await a_token(service))
    headers = {"Authorization": "", header: token}
    assert (await service.http.get(LOOKUP, headers=headers)).status_code == 404
    metadata = ((header.lower(), token),)
    await service.promotions.ListPromotionRedemptions(LIST, metadata=metadata)


async def test_a_token_of_the_grpc_door_is_good_at_both(service: Service) -> None:
    request = token_service_pb2.GenerateTokenRequest(key=catalogs.KEY, secret=catalogs.SECRET)
    answer = await stub(service).GenerateToken(request)
    assert answer.ttl_seconds == 300
    headers = {"Authorization": f"Bearer {answer.access_token}"}
    assert (await service.http.get(LOOKUP, headers=headers)).status_code == 404


@pytest.mark.provokes("UNAUTHENTICATED", "FIELD_INVALID")
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"secret": "wrong"}, 401, id="wrong secret"),
        pytest.param({"key": "nobody"}, 401, id="unknown key"),
        pytest.param({"key": "ke:y"}, 401, id="colon in the key"),
        pytest.param({"secret": None}, 400, id="no secret"),
        pytest.param({"key": ""}, 400, id="empty key"),
        pytest.param({"key": 7}, 400, id="key of another type"),
        pytest.param({"secret": "x" * 251}, 400, id="secret too long"),
        pytest.param({"key": "a\0b"}, 400, id="NUL"),
    ],
)
async def test_who_is_not_known_gets_no_token(
    service: Service, changes: dict[str, Any], status: int
) -> None:
    answer = await generate(service, **changes)
    assert answer.status_code == status
    assert list(answer.json()) == ["data", "errors"]
    assert answer.json()["data"] == []
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.provokes("UNAUTHENTICATED")
async def test_two_different_credentials_are_one_too_many(service: Service) -> None:
    token = await a_token(service)
    both = {"X-CAP-API-OAUTH-TOKEN": token}
    assert (await service.http.get(LOOKUP, headers=both)).status_code == 401
    same = {"Authorization": f"Bearer {token}", "X-CAP-API-OAUTH-TOKEN": token}
    assert (await service.http.get(LOOKUP, headers=same)).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"secret": "another"}, id="another secret"),
        pytest.param({"active": False}, id="switched off"),
    ],
)
async def test_a_token_ends_with_what_it_stands_for(
    sqlite_url: str, tmp_path: Path, change: dict[str, Any]
) -> None:
    file = catalogs.write(tmp_path, catalogs.organization())
    async with run_service(sqlite_url, file) as service:
        token = {"Authorization": f"Bearer {await a_token(service)}"}
        assert (await service.http.get(LOOKUP, headers=token)).status_code == 404
        changed = catalogs.organization(credentials=[{**catalogs.CREDENTIAL, **change}])
        request = catalog_service_pb2.ApplyCatalogRequest(catalog=catalogs.read(tmp_path, changed))
        await service.catalog.ApplyCatalog(request, metadata=service.metadata)
        assert (await service.http.get(LOOKUP, headers=token)).status_code == 401


@pytest.mark.provokes("UNAUTHENTICATED")
async def test_a_token_ends_when_its_time_is_over_although_it_was_used_before(
    sqlite_url: str, tmp_path: Path
) -> None:
    clock = Hands()
    file = catalogs.write(tmp_path, catalogs.organization())
    async with run_service(sqlite_url, file, clock=clock, token_ttl_seconds=60) as service:
        token = await a_token(service)
        metadata = (("authorization", f"Bearer {token}"),)
        clock.now = NOW + timedelta(seconds=59.5)
        await service.promotions.ListPromotionRedemptions(LIST, metadata=metadata)
        clock.now = NOW + timedelta(seconds=60)
        # What was found out of it is remembered for no longer than it had left.
        await asyncio.sleep(0.6)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.promotions.ListPromotionRedemptions(LIST, metadata=metadata)
        assert error_info(status_of(caught.value)).reason == "UNAUTHENTICATED"


def tokens(clock: Hands, file: Path | None = None) -> Tokens:
    return Tokens(TokenKeys(file), clock, 300)


def test_a_token_is_good_until_its_end_and_not_in_it() -> None:
    clock = Hands()
    issuer = tokens(clock)
    token = issuer.issue(CREDENTIAL)
    clock.now = NOW + timedelta(seconds=299, milliseconds=999)
    assert issuer.read(token).key == "key"
    clock.now = NOW + timedelta(seconds=300)
    with pytest.raises(TokenError):
        issuer.read(token)


def test_a_token_is_for_one_secret_alone() -> None:
    claims = (issuer := tokens(Hands())).read(issuer.issue(CREDENTIAL))
    assert is_for(claims, CREDENTIAL)
    assert not is_for(claims, CREDENTIAL._replace(secret_hash="$argon2id$other"))


def test_a_token_holds_no_secret() -> None:
    token = tokens(Hands()).issue(CREDENTIAL)
    head, claims, _ = (part + "=" * (-len(part) % 4) for part in token.split("."))
    shown = base64.urlsafe_b64decode(head) + base64.urlsafe_b64decode(claims)
    assert b"argon2" not in shown
    assert set(json.loads(base64.urlsafe_b64decode(claims))) == {
        "iss",
        "aud",
        "sub",
        "iat",
        "exp",
        "jti",
        "sec",
    }


def test_two_services_without_a_key_file_know_nothing_of_each_other() -> None:
    clock = Hands()
    with pytest.raises(TokenError):
        tokens(clock).read(tokens(clock).issue(CREDENTIAL))


def looking(issuer: Tokens) -> Tokens:
    """Has the next question look at the file."""
    issuer._keys._look_at = 0.0
    return issuer


def test_keys_rotate_while_servers_run_and_good_tokens_stay_good(tmp_path: Path) -> None:
    clock, file = Hands(), tmp_path / "keys.json"
    now = int(NOW.timestamp())
    rotate_keys(file, now)
    first, second = tokens(clock, file), tokens(clock, file)
    before = first.issue(CREDENTIAL)
    rotate_keys(file, now)
    # One has seen the new file, the other not yet: both sign with the key that both know.
    early = looking(first).issue(CREDENTIAL)
    assert second.read(early)
    clock.now = NOW + timedelta(seconds=61)
    after = looking(first).issue(CREDENTIAL)
    for token in (before, early, after):
        assert looking(second).read(token)
    assert len(read_keys(file)) == 2


def test_a_key_is_dropped_once_nothing_good_is_signed_with_it(tmp_path: Path) -> None:
    file, now = tmp_path / "keys.json", int(NOW.timestamp())
    ids = [rotate_keys(file, now).id]
    ids.append(rotate_keys(file, now).id)
    ids.append(rotate_keys(file, now + 3_600).id)
    assert [key.id for key in read_keys(file)] == ids
    ids.append(rotate_keys(file, now + 3_600 + 121).id)
    assert [key.id for key in read_keys(file)] == ids[1:]


def test_the_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    rotate_keys(file, 0)
    assert file.stat().st_mode & 0o777 == 0o600


def test_known_keys_stay_when_the_file_breaks(tmp_path: Path) -> None:
    clock, file = Hands(), tmp_path / "keys.json"
    rotate_keys(file, 0)
    issuer = tokens(clock, file)
    token = issuer.issue(CREDENTIAL)
    file.write_text("{")
    assert looking(issuer).read(token)
    file.unlink()
    assert looking(issuer).read(token)


def test_keys_do_not_show_themselves() -> None:
    assert str(new_key(0).secret) not in repr(TokenKeys(None))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"keys": []}',
        '{"keys": [{"kty": "RSA", "kid": "a", "k": "' + "A" * 43 + '"}]}',
        '{"keys": [{"kty": "oct", "kid": "a", "k": "QUJD"}]}',
        '{"keys": [{"kty": "oct", "kid": "", "k": "' + "A" * 43 + '"}]}',
    ],
)
def test_a_server_does_not_start_with_a_bad_key_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    result = run("server", folder=tmp_path, grpc_address="127.0.0.1:0", token_keys="keys.json")
    assert result.returncode == 1
    assert "keys.json" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_command_makes_and_rotates_the_file(tmp_path: Path) -> None:
    for count in (1, 2):
        result = run("tokens", "rotate", "keys.json", folder=tmp_path)
        assert result.returncode == 0, result.stderr
        assert len(read_keys(tmp_path / "keys.json")) == count
    (tmp_path / "keys.json").write_text("{")
    assert run("tokens", "rotate", "keys.json", folder=tmp_path).returncode == 1
