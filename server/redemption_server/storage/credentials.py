"""Reads credentials and the organisations that they belong to."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from redemption_server.storage.catalog_tables import (
    CredentialOrganizationRow,
    CredentialRow,
    OrganizationRow,
    TillRow,
)
from redemption_server.storage.dialect import table_of

_organization = table_of(OrganizationRow)
_till = table_of(TillRow)
_credential = table_of(CredentialRow)
_membership = table_of(CredentialOrganizationRow)


class Membership(NamedTuple):
    """What a credential may do in one organisation.

    `rate_limit_per_minute` is None when nothing limits it, `till_id` when it has no till.
    """

    org_id: int
    region: str
    rate_limit_per_minute: int | None
    till_id: int | None
    till_code: str
    access_customer: str
    access_default: bool
    access_admin: bool


class StoredCredential(NamedTuple):
    """A credential with its active memberships."""

    key: str
    secret_hash: str
    memberships: tuple[Membership, ...]


def load_credential(connection: Connection, key: str) -> StoredCredential | None:
    """The credential with the key."""
    secret_hash = connection.execute(
        select(_credential.c.secret_hash).where(_credential.c.key == key)
    ).scalar()
    if secret_hash is None:
        return None
    statement = (
        select(
            _membership.c.org_id,
            _organization.c.region,
            _organization.c.rate_limit_per_minute,
            _till.c.id,
            _membership.c.till_code,
            _membership.c.access_customer,
            _membership.c.access_default,
            _membership.c.access_admin,
        )
        .join(_organization, _organization.c.id == _membership.c.org_id)
        .outerjoin(
            _till,
            (_till.c.org_id == _membership.c.org_id) & (_till.c.code == _membership.c.till_code),
        )
        .where(_membership.c.credential_key == key, _membership.c.active)
        .order_by(_membership.c.org_id)
    )
    rows = connection.execute(statement)
    return StoredCredential(key, secret_hash, tuple(Membership(*row) for row in rows))


def load_secret_hashes(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """The stored hashes of the keys that exist."""
    statement = select(_credential).where(_credential.c.key.in_(keys))
    return {row.key: row.secret_hash for row in connection.execute(statement)}


def load_till_id(connection: Connection, org_id: int, code: str) -> int | None:
    """Id of the organisation's till with the code."""
    statement = select(_till.c.id).where(_till.c.org_id == org_id, _till.c.code == code)
    till_id: int | None = connection.execute(statement).scalar()
    return till_id
