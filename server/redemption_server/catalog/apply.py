"""Applies a catalog: checks it, hashes its secrets, stores it in one transaction."""

import asyncio

from redemption.v1 import catalog_pb2

from redemption_server.access import secrets
from redemption_server.catalog.check import check_catalog, count_objects
from redemption_server.rules.refusals import Refused, Violation, field_invalid
from redemption_server.storage import catalog_paths as paths
from redemption_server.storage.catalog_apply import ApplyCatalog
from redemption_server.storage.credentials import load_secret_hashes
from redemption_server.storage.database import Database


async def apply_catalog(
    database: Database, catalog: catalog_pb2.Catalog, *, foreign_secrets_fixed: bool
) -> int:
    """Applies the catalog whole and returns how many objects it holds.

    With `foreign_secrets_fixed`, as for callers of one organisation, a credential that other
    organisations share keeps its secret. Raises Refused (FIELD_INVALID) with everything that is
    wrong; nothing is applied then.
    """
    violations = await asyncio.to_thread(check_catalog, catalog)
    if not violations:
        violations = _differing_secrets(catalog)
    if violations:
        raise Refused(violations)
    hashes = await _secret_hashes(database, catalog)
    await database.transact(ApplyCatalog(catalog, hashes, foreign_secrets_fixed))
    return count_objects(catalog)


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


async def _secret_hashes(database: Database, catalog: catalog_pb2.Catalog) -> dict[str, str]:
    """The hash to store for each key: the stored one where the secret is still the same."""
    credentials = {c.key: c for o in catalog.organizations for c in o.credentials}
    if not credentials:
        return {}
    async with database.read() as connection:
        stored = await load_secret_hashes(connection, list(credentials))
    hashes = {}
    for key, credential in credentials.items():
        if credential.secret_hash:
            hashes[key] = credential.secret_hash
        elif key in stored and await secrets.verify(stored[key], credential.secret):
            hashes[key] = stored[key]
        else:
            hashes[key] = await asyncio.to_thread(secrets.hash_secret, credential.secret)
    return hashes
