"""Who may call what, over the wire."""

import asyncio
import base64
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from redemption.v1 import catalog_pb2, catalog_service_pb2
from redemption.v1.promotion_redemption_pb2 import PROMOTION_MODE_DISCOUNT
from redemption.v1.promotion_redemption_service_pb2 import ListPromotionRedemptionsRequest
from redemption_server.access import authenticate, secrets

from tests.support import catalogs
from tests.support.eventually import eventually
from tests.support.load import redeem_request
from tests.support.process import run
from tests.support.service import REDEMPTIONS, Service, basic, error_info, run_service, status_of

LIST = ListPromotionRedemptionsRequest(codes=["A"], mode=PROMOTION_MODE_DISCOUNT)
READER = {
    "key": "reader",
    "secret": "r",
    "access": {"customer": "read", "default": False, "admin": False},
}
SHARED = {"key": "shared", "secret": "s", "access": {"customer": "write", "default": True}}


@pytest.fixture
async def two_organizations(sqlite_url: str, tmp_path: Path) -> Any:
    first = catalogs.organization(
        promotions=[catalogs.promotion()],
        credentials=[catalogs.CREDENTIAL, READER, {**SHARED, "till": "till-2"}],
    )
    second = catalogs.organization(
        id=catalogs.OTHER_ORG,
        promotions=[catalogs.promotion()],
        credentials=[SHARED, {**READER, "key": "gone", "active": False}],
    )
    async with run_service(sqlite_url, catalogs.write(tmp_path, first, second)) as service:
        yield service


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), error_info(status_of(caught.value)).reason


@pytest.mark.provokes("UNAUTHENTICATED")
@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param(basic(secret="wrong"), id="wrong secret"),
        pytest.param(basic(key="nobody"), id="unknown key"),
        pytest.param("Basic %%%", id="not base64"),
        pytest.param("Basic " + base64.b64encode(b"no colon").decode(), id="no colon"),
        pytest.param("Basic " + base64.b64encode(b"\xff\xfe:x").decode(), id="not text"),
        pytest.param("Digest abc", id="another scheme"),
        pytest.param(basic("gone", "r"), id="inactive"),
    ],
)
async def test_a_caller_without_a_good_credential_is_refused(
    two_organizations: Service, authorization: str | None
) -> None:
    metadata = () if authorization is None else (("authorization", authorization),)
    call = two_organizations.promotions.ListPromotionRedemptions(LIST, metadata=metadata)
    assert await refusal(call) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


@pytest.mark.provokes("PERMISSION_DENIED")
async def test_each_rpc_needs_its_access_group(two_organizations: Service) -> None:
    service, metadata = two_organizations, (("authorization", basic("reader", "r")),)
    catalog = catalog_pb2.Catalog(organizations=[catalog_pb2.Organization(id=catalogs.ORG)])
    calls = [
        service.promotions.RedeemPromotions(redeem_request("t"), metadata=metadata),
        service.promotions.ListPromotionRedemptions(LIST, metadata=metadata),
        service.catalog.ApplyCatalog(
            catalog_service_pb2.ApplyCatalogRequest(catalog=catalog), metadata=metadata
        ),
    ]
    for call in calls:
        assert await refusal(call) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")


async def test_a_credential_of_one_organization_needs_no_header(service: Service) -> None:
    answer = await service.promotions.RedeemPromotions(
        redeem_request("t"), metadata=service.metadata
    )
    assert answer.org_id == catalogs.ORG


@pytest.mark.parametrize("org_id", [catalogs.ORG, catalogs.OTHER_ORG])
async def test_a_credential_of_several_organizations_chooses_by_header(
    two_organizations: Service, org_id: int
) -> None:
    metadata = (
        ("authorization", basic("shared", "s")),
        ("x-cap-api-auth-org-id", str(org_id)),
    )
    answer = await two_organizations.promotions.RedeemPromotions(
        redeem_request("t"), metadata=metadata
    )
    assert answer.org_id == org_id
    assert not answer.replayed


@pytest.mark.provokes("FIELD_INVALID", "PERMISSION_DENIED")
@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param((), "FIELD_INVALID", id="no choice"),
        pytest.param((("x-cap-api-auth-org-id", "abc"),), "FIELD_INVALID", id="not a number"),
        pytest.param((("x-cap-api-auth-org-id", "999"),), "PERMISSION_DENIED", id="foreign"),
        pytest.param(
            (("x-cap-api-auth-org-id", "100"), ("x-cap-api-attribution-till-code", "nowhere")),
            "FIELD_INVALID",
            id="unknown till",
        ),
    ],
)
async def test_bad_headers_are_refused(
    two_organizations: Service, headers: tuple[tuple[str, str], ...], reason: str
) -> None:
    metadata = (("authorization", basic("shared", "s")), *headers)
    call = two_organizations.promotions.ListPromotionRedemptions(LIST, metadata=metadata)
    assert (await refusal(call))[1] == reason


@pytest.mark.parametrize(
    ("headers", "till"),
    [
        pytest.param((), catalogs.TILL, id="the credential's"),
        pytest.param(
            (("x-cap-api-attribution-till-code", "till-2"),), catalogs.TILL + 1, id="another"
        ),
    ],
)
async def test_the_till_comes_from_credential_or_header(
    service: Service, headers: tuple[tuple[str, str], ...], till: int
) -> None:
    await service.promotions.RedeemPromotions(
        redeem_request("t"), metadata=(*service.metadata, *headers)
    )
    with closing(sqlite3.connect(service.database_file)) as connection:
        assert connection.execute("SELECT till_id FROM promotion_transaction").fetchall() == [
            (till,)
        ]


async def test_the_expensive_hash_is_paid_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []
    verify = secrets.verify

    async def counting(encoded: str | None, secret: str) -> bool:
        verified.append(encoded)
        return await verify(encoded, secret)

    monkeypatch.setattr(secrets, "verify", counting)
    for number in range(20):
        await service.promotions.RedeemPromotions(
            redeem_request(f"t{number}"), metadata=service.metadata
        )
    assert len(verified) == 1
    assert verified[0] is not None
    assert verified[0].startswith("$argon2id$")


@pytest.mark.parametrize(
    ("name", "status"),
    [("Authorization", 401), ("X-CAP-API-OAUTH-TOKEN", 401), ("X-CAP-API-AUTH-ORG-ID", 400)],
)
@pytest.mark.parametrize("length", [3_501, 9_000, 60_000])
async def test_a_header_too_long_for_the_server_is_refused_at_the_gateway(
    service: Service, name: str, status: int, length: int
) -> None:
    answer = await service.http.get(REDEMPTIONS, headers={name: "1" * length})
    assert answer.status_code == (431 if length > 32 * 1024 else status)


async def test_the_longest_headers_that_are_let_through_fit_together(service: Service) -> None:
    longest = {"Authorization": "1" * 3_500, "X-CAP-API-OAUTH-TOKEN": "1" * 3_500}
    organization = {"X-CAP-API-AUTH-ORG-ID": "1" * 250}
    till = {"X-CAP-API-ATTRIBUTION-TILL-CODE": "1" * 250}
    answer = await service.http.get(
        f"{REDEMPTIONS}?codes=A&mode=DISCOUNT", headers=longest | organization | till
    )
    # The server's own word: the credential is wrong, and not that something failed on the way.
    assert answer.status_code == 401
    assert "unknown kind" in answer.text


@pytest.mark.provokes("UNAUTHENTICATED")
async def test_a_credential_that_another_process_switches_off_stops_when_its_time_is_over(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Within a minute, and here sooner.
    assert authenticate.REMEMBERED_SECONDS < 60
    monkeypatch.setattr(authenticate, "REMEMBERED_SECONDS", 2.0)
    file = catalogs.write(tmp_path, catalogs.organization())
    async with run_service(sqlite_url, file) as service:
        lookup = f"{REDEMPTIONS}?codes=A&mode=DISCOUNT"
        assert (await service.http.get(lookup)).status_code == 404
        credential = {**catalogs.CREDENTIAL, "active": False}
        catalogs.write(tmp_path, catalogs.organization(credentials=[credential]))
        applied = await asyncio.to_thread(
            run, "catalog", "apply", str(file), folder=tmp_path, database_url=sqlite_url
        )
        assert applied.returncode == 0, applied.stderr

        async def is_out() -> bool:
            return (await service.http.get(lookup)).status_code == 401

        await eventually(is_out)
