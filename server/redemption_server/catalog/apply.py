"""Applies a catalog: checks it, hashes its secrets, stores it in one transaction."""

import asyncio
from collections.abc import Sequence

from redemption.v1 import catalog_pb2

from redemption_server.access import secrets
from redemption_server.access.audit import audit
from redemption_server.access.seal import Seal
from redemption_server.catalog.check import OBJECTS_MAX, check_catalog, count_objects
from redemption_server.rules.refusals import Refused, Violation, field_invalid
from redemption_server.storage import catalog_paths as paths
from redemption_server.storage.catalog_apply import (
    ApplyCatalog,
    ApplyCatalogs,
    CatalogRefused,
    refuse_foreign_keys,
)
from redemption_server.storage.credentials import load_secret_hashes
from redemption_server.storage.database import Database

COMMAND_LINE = "command line"


async def apply_catalog(
    database: Database,
    catalog: catalog_pb2.Catalog,
    *,
    foreign_secrets_fixed: bool,
    by: str = COMMAND_LINE,
    seal: Seal | None = None,
) -> int:
    """Applies one catalog; see `apply_catalogs`."""
    return await apply_catalogs(
        database, [("", catalog)], foreign_secrets_fixed=foreign_secrets_fixed, by=by, seal=seal
    )


async def apply_catalogs(
    database: Database,
    sources: Sequence[tuple[str, catalog_pb2.Catalog]],
    *,
    foreign_secrets_fixed: bool,
    by: str = COMMAND_LINE,
    seal: Seal | None = None,
) -> int:
    """Applies catalogs, all or none, and returns how many objects they hold.

    Each comes with the name of its source. With `foreign_secrets_fixed`, as for callers of one
    organisation, a credential that other organisations share keeps its secret, and one that only
    others have is refused. `by` is who does it, for the audit log. Without `seal` there can be no
    webhooks. Raises CatalogRefused
    (FIELD_INVALID) with everything that is wrong with the first bad one.
    """
    for source, catalog in sources:
        violations = await asyncio.to_thread(check_catalog, catalog)
        if not violations:
            violations = _differing_secrets(catalog)
        if not violations and seal is None:
            violations = _unsealable(catalog)
        if violations:
            raise CatalogRefused(source, violations)
    objects = sum(count_objects(catalog) for _, catalog in sources)
    if objects > OBJECTS_MAX:
        problem = f"must hold at most {OBJECTS_MAX} objects together, not {objects}"
        raise CatalogRefused(sources[-1][0], [field_invalid("catalog", problem)])
    works = []
    for source, catalog in sources:
        if foreign_secrets_fixed:
            # Before any secret is looked at: how long that takes would tell whether it is right.
            await _refuse_foreign_keys(database, source, catalog)
        hashes = await _secret_hashes(database, catalog)
        sealed = _sealed_secrets(catalog, seal)
        works.append((source, ApplyCatalog(catalog, hashes, foreign_secrets_fixed, sealed)))
    changes = await database.transact(ApplyCatalogs(works))
    org_ids = [organization.id for _, catalog in sources for organization in catalog.organizations]
    audit("catalog applied", by=by, org_ids=org_ids, objects=objects)
    for key, org_id, change in changes:
        audit("credential changed", by=by, credential=key, org_id=org_id, change=change)
    return objects


def _differing_secrets(catalog: catalog_pb2.Catalog) -> list[Violation]:
    """A key listed under several organisations has one secret."""
    seen: dict[str, tuple[str, str]] = {}
    violations = []
    for path, organization in paths.indexed("catalog.organizations", catalog.organizations):
        for item_path, credential in paths.indexed(f"{path}.credentials", organization.credentials):
            given = (credential.secret, credential.secret_hash)
            if seen.setdefault(credential.key, given) != given:
                problem = "differs from the one under another organisation of the catalog"
                violations.append(field_invalid(f"{item_path}.secret", problem))
    return violations


def _unsealable(catalog: catalog_pb2.Catalog) -> list[Violation]:
    problem = "need REDEMPTION_WEBHOOK_KEYS, which seal their secrets; `redemption webhooks key`"
    return [
        field_invalid(f"{path}.webhooks", f"{problem} makes one")
        for path, organization in paths.indexed("catalog.organizations", catalog.organizations)
        if organization.webhooks
    ]


def _sealed_secrets(
    catalog: catalog_pb2.Catalog, seal: Seal | None
) -> dict[tuple[int, str], bytes]:
    if seal is None:
        return {}
    return {
        (organization.id, webhook.id): seal.seal(webhook.secret)
        for organization in catalog.organizations
        for webhook in organization.webhooks
    }


async def _refuse_foreign_keys(
    database: Database, source: str, catalog: catalog_pb2.Catalog
) -> None:
    try:
        await database.read(refuse_foreign_keys, catalog)
    except Refused as refused:
        raise CatalogRefused(source, refused.violations) from refused


async def _secret_hashes(database: Database, catalog: catalog_pb2.Catalog) -> dict[str, str]:
    """The hash to store for each key: the stored one where the secret is still the same."""
    credentials = {c.key: c for o in catalog.organizations for c in o.credentials}
    if not credentials:
        return {}
    stored = await database.read(load_secret_hashes, list(credentials))
    hashes = {}
    for key, credential in credentials.items():
        if credential.secret_hash:
            hashes[key] = credential.secret_hash
        elif key in stored and await secrets.verify(stored[key], credential.secret):
            hashes[key] = stored[key]
        else:
            hashes[key] = await asyncio.to_thread(secrets.hash_secret, credential.secret)
    return hashes
