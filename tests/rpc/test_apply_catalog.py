"""`ApplyCatalog` over real gRPC: the caller's own organisation, whole or not at all."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import argon2
import grpc
import pytest
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from redemption.v1 import catalog_pb2
from redemption.v1 import catalog_service_pb2 as messages
from redemption_server.access import secrets

from tests.support import catalogs
from tests.support.service import Service, basic, detail, error_info, run_service, status_of

# Hashes that are cheap to verify: a service should start soon, and has no secret to lose here.
_hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
OWN = {"key": catalogs.KEY, "secret_hash": _hasher.hash(catalogs.SECRET), "access": {"admin": True}}
SHARED = {"key": "shared", "secret_hash": _hasher.hash("s"), "access": {"admin": True}}
THEIRS = {"key": "theirs", "secret_hash": _hasher.hash("t"), "access": {"admin": True}}
READER = {
    "key": "reader",
    "secret_hash": _hasher.hash("r"),
    "access": {"customer": "write", "default": True},
}


@pytest.fixture
async def two(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """Two organisations that share a credential; the first has another that is no admin."""
    file = catalogs.write(
        tmp_path,
        catalogs.organization(credentials=[OWN, SHARED, READER]),
        catalogs.organization(id=catalogs.OTHER_ORG, credentials=[SHARED, THEIRS]),
    )
    async with run_service(sqlite_url, file) as service:
        yield service


def own(**fields: Any) -> catalog_pb2.Catalog:
    return catalog_pb2.Catalog(organizations=[catalog_pb2.Organization(id=catalogs.ORG, **fields)])


async def apply(
    service: Service, catalog: catalog_pb2.Catalog, authorization: str = "", **metadata: str
) -> int:
    sent = (("authorization", authorization or basic()), *metadata.items())
    request = messages.ApplyCatalogRequest(catalog=catalog)
    response = await service.catalog.ApplyCatalog(request, metadata=sent)
    return int(response.objects_applied)


async def refusal(service: Service, catalog: catalog_pb2.Catalog, *sent: str) -> Status:
    """The status of a call that is refused; nothing of it is applied."""
    before = dump(service)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await apply(service, catalog, *sent)
    assert dump(service) == before
    return status_of(caught.value)


def dump(service: Service) -> list[str]:
    with closing(sqlite3.connect(service.database_file)) as connection:
        return list(connection.iterdump())


def rows(service: Service, statement: str) -> list[Any]:
    with closing(sqlite3.connect(service.database_file)) as connection:
        return connection.execute(statement).fetchall()


def violations(status: Status) -> dict[str, str]:
    request = detail(status, error_details_pb2.BadRequest)
    return {violation.field: violation.description for violation in request.field_violations}


async def test_what_is_applied_is_counted_and_there(two: Service) -> None:
    tills = [catalog_pb2.Till(id=77, code="till-77")]
    products = [catalog_pb2.Product(id=number, sku=f"S{number}") for number in (1, 2)]
    assert await apply(two, own(name="New", tills=tills, products=products)) == 4
    assert rows(two, "SELECT name FROM organization ORDER BY id DESC") == [("Test",), ("New",)]
    assert rows(two, "SELECT id, sku FROM product ORDER BY 1") == [(1, "S1"), (2, "S2")]
    assert rows(two, "SELECT id FROM till WHERE org_id = 100 ORDER BY 1") == [(11,), (12,), (77,)]


async def test_applying_twice_changes_nothing(two: Service) -> None:
    catalog = own(products=[catalog_pb2.Product(id=1, sku="S1")], region="IN")
    await apply(two, catalog)
    before = dump(two)
    await apply(two, catalog)
    changed = set(before) ^ set(dump(two))
    # The version, by which a change of the organisation is told, is all that differs.
    assert all(line.startswith('INSERT INTO "organization"') for line in changed)


@pytest.mark.provokes("UNAUTHENTICATED")
async def test_a_credential_that_is_taken_away_is_refused_at_once(two: Service) -> None:
    authorization = basic("reader", "r")
    gone = catalog_pb2.Credential(key="reader", secret="r", active=False)
    await apply(two, own(credentials=[gone]))
    status = await refusal(two, own(), authorization)
    assert error_info(status).reason == "UNAUTHENTICATED"


@pytest.mark.provokes("PERMISSION_DENIED")
async def test_another_organisation_is_refused(two: Service) -> None:
    for first, second in (
        (catalogs.OTHER_ORG, None),
        (catalogs.ORG, catalogs.OTHER_ORG),
        (catalogs.OTHER_ORG, catalogs.ORG),
        (999, None),
        (0, None),
    ):
        ids = [org_id for org_id in (first, second) if org_id is not None]
        organizations = [catalog_pb2.Organization(id=org_id, name="Taken") for org_id in ids]
        status = await refusal(two, catalog_pb2.Catalog(organizations=organizations))
        assert status.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
        info = error_info(status)
        (foreign,) = [org_id for org_id in ids if org_id != catalogs.ORG]
        assert (info.reason, info.metadata["org_id"]) == ("PERMISSION_DENIED", str(foreign))


@pytest.mark.provokes("PERMISSION_DENIED")
async def test_the_organisation_is_the_one_that_the_call_names(two: Service) -> None:
    shared = basic("shared", "s")
    there = {"x-cap-api-auth-org-id": str(catalogs.OTHER_ORG)}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await apply(two, own(name="Taken"), shared, **there)
    assert error_info(status_of(caught.value)).reason == "PERMISSION_DENIED"
    other = catalog_pb2.Catalog(organizations=[{"id": catalogs.OTHER_ORG, "name": "Renamed"}])
    await apply(two, other, shared, **there)
    assert rows(two, "SELECT name FROM organization ORDER BY id") == [("Test",), ("Renamed",)]


@pytest.mark.provokes("PERMISSION_DENIED")
async def test_it_needs_the_group_admin(two: Service) -> None:
    status = await refusal(two, own(name="Taken"), basic("reader", "r"))
    assert status.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
    info = error_info(status)
    assert (info.reason, info.metadata["needs"]) == ("PERMISSION_DENIED", "admin")


@pytest.mark.provokes("FIELD_INVALID")
async def test_every_error_is_named_by_path_and_value(two: Service) -> None:
    limit = catalog_pb2.PromotionLimits(redemptions_total={"limit": -4})
    wrong = own(
        time_zone="Mars/Base",
        tills=[{"id": 99, "code": "a"}, {"id": 99, "code": "b"}],
        promotions=[{"id": "p9", "limits": limit}],
        customers=[{"id": 7, "status": 9}],
    )
    status = await refusal(two, wrong)
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert error_info(status).reason == "FIELD_INVALID"
    found = violations(status)
    at = "catalog.organizations[0]"
    assert {
        path: value in found[path]
        for path, value in (
            (f"{at}.time_zone", "Mars/Base"),
            (f"{at}.tills[1].id", "99"),
            (f"{at}.promotions[0].limits.redemptions_total.limit", "-4"),
            (f"{at}.customers[0].status", "9"),
        )
    } == dict.fromkeys(found, True)


@pytest.mark.provokes("FIELD_INVALID")
async def test_of_many_errors_the_first_50_are_named_and_the_others_counted(
    two: Service,
) -> None:
    wrong = own(products=[catalog_pb2.Product(id=number + 1) for number in range(60)])
    status = await refusal(two, wrong)
    request = detail(status, error_details_pb2.BadRequest)
    *named, more = request.field_violations
    assert [v.field for v in named] == [
        f"catalog.organizations[0].products[{number}].sku" for number in range(len(named))
    ]
    assert more.description == f"and {60 - len(named)} more"
    assert sum(len(packed.value) for packed in status.details) < 4_096


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_dangling_reference_applies_nothing(two: Service) -> None:
    earned = {"id": "e9", "promotion": "p9", "customer": catalogs.CUSTOMER}
    status = await refusal(two, own(name="New", earned_promotions=[earned]))
    (path,) = violations(status)
    assert path == "catalog.organizations[0].earned_promotions[0].promotion"


@pytest.mark.provokes("FIELD_INVALID")
async def test_an_empty_catalog_and_more_than_50000_objects_are_refused(two: Service) -> None:
    status = await refusal(two, catalog_pb2.Catalog())
    assert list(violations(status)) == ["catalog.organizations"]
    products = [catalog_pb2.Product(id=number + 1, sku=str(number)) for number in range(50_000)]
    status = await refusal(two, own(products=products))
    assert "50001" in violations(status)["catalog"]


@pytest.mark.provokes("FIELD_INVALID")
async def test_the_secret_of_a_credential_that_another_organisation_shares_is_fixed(
    two: Service,
) -> None:
    stolen = catalog_pb2.Credential(key="shared", secret="mine", access={"admin": True})
    status = await refusal(two, own(credentials=[stolen]))
    assert list(violations(status)) == ["catalog.organizations[0].credentials[0].secret"]
    # With the secret as it is, the place in the own organisation may change.
    known = catalog_pb2.Credential(key="shared", secret="s", till="till-2")
    await apply(two, own(credentials=[known]))
    memberships = rows(
        two,
        "SELECT org_id, till_code, access_admin FROM credential_organization "
        "WHERE credential_key = 'shared' ORDER BY 1",
    )
    assert memberships == [(catalogs.ORG, "till-2", 0), (catalogs.OTHER_ORG, "", 1)]


@pytest.mark.provokes("FIELD_INVALID")
async def test_no_secret_of_another_organisation_can_be_tried(two: Service) -> None:
    """A right guess is answered like a wrong one, and no secret is even looked at."""
    answers = set()
    # From now on the caller is known without a look at its own secret.
    await apply(two, own())
    with patch.object(secrets, "verify", side_effect=AssertionError):
        for guess in ("wrong", "t"):
            taken = catalog_pb2.Credential(key="theirs", secret=guess)
            status = await refusal(two, own(credentials=[taken]))
            assert list(violations(status)) == ["catalog.organizations[0].credentials[0].key"]
            answers.add(status.message)
    assert len(answers) == 1
    members = "SELECT org_id FROM credential_organization WHERE credential_key = 'theirs'"
    assert rows(two, members) == [(catalogs.OTHER_ORG,)]


async def test_the_secret_of_an_own_credential_may_change(two: Service) -> None:
    changed = catalog_pb2.Credential(key="key", secret="new", access={"admin": True})
    await apply(two, own(credentials=[changed]))
    assert await apply(two, own(), basic(secret="new")) == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await apply(two, own(), basic())
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
