"""Secrets are stored as hashes; a credential may belong to several organisations."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redemption_server.access import secrets
from redemption_server.catalog.apply import apply_catalog

from tests.catalog.state import organization, refusal
from tests.support import catalogs
from tests.support.desk import Desk

OTHER = catalogs.OTHER_ORG
SECRET = "correct horse battery staple"


def credential(**changes: Any) -> dict[str, Any]:
    return {"key": "k", "secret": SECRET, **changes}


async def stored_hash(desk: Desk) -> str:
    ((key, secret_hash),) = await desk.rows("SELECT key, secret_hash FROM credential")
    assert key == "k"
    return str(secret_hash)


async def test_only_the_hash_of_a_secret_is_stored(one_desk: Desk, sqlite_url: str) -> None:
    await one_desk.apply(organization(credentials=[credential()]))
    secret_hash = await stored_hash(one_desk)
    assert secret_hash.startswith("$argon2id$")
    assert secrets.matches(secret_hash, SECRET)
    database = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    written = b"".join(file.read_bytes() for file in database.parent.glob(f"{database.name}*"))
    assert secret_hash.encode() in written
    assert SECRET.encode() not in written


async def test_the_same_secret_keeps_its_hash(desk: Desk) -> None:
    await desk.apply(organization(credentials=[credential()]))
    before = await stored_hash(desk)
    await desk.apply(organization(credentials=[credential(till="till-1")]))
    assert await stored_hash(desk) == before


async def test_another_secret_replaces_the_hash(one_desk: Desk) -> None:
    await one_desk.apply(organization(credentials=[credential()]))
    await one_desk.apply(organization(credentials=[credential(secret="new")]))
    secret_hash = await stored_hash(one_desk)
    assert secrets.matches(secret_hash, "new")
    assert not secrets.matches(secret_hash, SECRET)


async def test_a_hash_is_stored_as_it_is_given(one_desk: Desk) -> None:
    given = secrets.hash_secret(SECRET)
    await one_desk.apply(organization(credentials=[{"key": "k", "secret_hash": given}]))
    assert await stored_hash(one_desk) == given
    await one_desk.apply(organization(credentials=[credential()]))
    assert await stored_hash(one_desk) == given


async def test_a_credential_belongs_to_each_organisation_with_what_is_given_there(
    desk: Desk,
) -> None:
    till, access = "till-1", {"customer": "write", "default": True}
    await desk.apply(
        organization(credentials=[credential(till=till, access=access)]),
        organization(id=OTHER, credentials=[credential(access={"admin": True}, active=False)]),
    )
    assert secrets.matches(await stored_hash(desk), SECRET)
    rows = await desk.rows(
        "SELECT org_id, credential_key, till_code, access_customer, access_default, access_admin, "
        "active FROM credential_organization ORDER BY org_id"
    )
    assert [tuple(row) for row in rows] == [
        (catalogs.ORG, "k", "till-1", "write", True, False, True),
        (OTHER, "k", "", "", False, True, False),
    ]


async def test_a_credential_of_a_later_catalog_joins_another_organisation(one_desk: Desk) -> None:
    await one_desk.apply(organization(credentials=[credential()]))
    before = await stored_hash(one_desk)
    await one_desk.apply(organization(id=OTHER, credentials=[credential()]))
    assert await stored_hash(one_desk) == before
    members = "SELECT org_id FROM credential_organization ORDER BY 1"
    assert await one_desk.rows(members) == [(catalogs.ORG,), (OTHER,)]


@pytest.mark.provokes("FIELD_INVALID")
async def test_two_secrets_for_one_key_are_an_error(one_desk: Desk) -> None:
    violations = await refusal(
        one_desk,
        organization(credentials=[credential()]),
        organization(id=OTHER, credentials=[credential(secret="another")]),
    )
    assert list(violations) == ["catalog.organizations[1].credentials[0].secret"]
    assert "another organisation" in str(violations)
    assert SECRET not in str(violations)


async def test_of_two_organisations_that_bring_a_new_key_with_two_secrets_one_is_refused(
    desk: Desk, tmp_path: Path
) -> None:
    for attempt in range(5):
        key = f"new-{attempt}"
        both = [
            catalogs.read(tmp_path, {"id": org, "credentials": [{"key": key, "secret": secret}]})
            for org, secret in ((catalogs.ORG, "a"), (catalogs.OTHER_ORG, "b"))
        ]
        outcomes = await asyncio.gather(
            *(apply_catalog(desk.database, one, foreign_secrets_fixed=True) for one in both),
            return_exceptions=True,
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CatalogRefused", "int"]
        members = "SELECT count(*) FROM credential_organization WHERE credential_key = :key"
        assert await desk.rows(members, key=key) == [(1,)]
