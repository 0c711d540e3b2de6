"""What applying a catalog changes about credentials: for the audit log."""

from typing import NamedTuple

from redemption.v1 import catalog_pb2
from sqlalchemy import Connection, select

from redemption_server.storage import catalog_rows
from redemption_server.storage.catalog_tables import CredentialOrganizationRow
from redemption_server.storage.dialect import table_of

_credential_organization = table_of(CredentialOrganizationRow)


class CredentialChange(NamedTuple):
    """A credential's place in an organisation, or its secret (`org_id` None), has changed."""

    key: str
    org_id: int | None
    change: str


def membership_changes(
    connection: Connection, organization: catalog_pb2.Organization
) -> list[CredentialChange]:
    """What will be different for the credentials that the organisation mentions."""
    org_id = organization.id
    rows = catalog_rows.credential_organization_rows(organization)
    found = connection.execute(
        select(_credential_organization).where(
            _credential_organization.c.org_id == org_id,
            _credential_organization.c.credential_key.in_([row[1] for row in rows]),
        )
    )
    stored = {row.credential_key: tuple(row) for row in found}
    changes = []
    for row in rows:
        key = row[1]
        if stored.get(key) != row:
            changes.append(CredentialChange(key, org_id, _change(stored.get(key), row)))
    return changes


def _change(before: tuple[object, ...] | None, after: tuple[object, ...]) -> str:
    active = -1
    if before is None:
        return "added" if after[active] else "added, switched off"
    if before[active] == after[active]:
        return "till or access changed"
    return "switched on" if after[active] else "switched off"
