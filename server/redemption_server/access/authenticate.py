"""Finds out who is calling, from the metadata of a call.

Verified secrets are remembered for a short while under a keyed hash, so that the expensive hash is
not paid on every call and the secret itself is nowhere in memory for long. What the credential may
do is read again when that time is over; so a revoked credential stops within it.
"""

import asyncio
import base64
import binascii
import hashlib
import secrets as random_secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from redemption_server.access import secrets
from redemption_server.rules.commands import Caller
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused, field_invalid
from redemption_server.storage.credentials import (
    Membership,
    StoredCredential,
    load_credential,
    load_till_id,
)
from redemption_server.storage.database import Database

AUTHORIZATION = "authorization"
ORGANIZATION_ID = "x-cap-api-auth-org-id"
TILL_CODE = "x-cap-api-attribution-till-code"

REMEMBERED_SECONDS = 30.0
_REMEMBERED_MAX = 10_000


class Access(Enum):
    """What a call needs to be allowed; the values are how the contract writes it."""

    CUSTOMER_WRITE = "customer: write"
    DEFAULT = "default"
    ADMIN = "admin"


class Identity(NamedTuple):
    """Who is calling, for which organisation, and what they may do there."""

    caller: Caller
    membership: Membership

    def require(self, access: Access) -> None:
        """Raises Refused (PERMISSION_DENIED) unless the caller has the access group."""
        allowed = {
            Access.CUSTOMER_WRITE: self.membership.access_customer == "write",
            Access.DEFAULT: self.membership.access_default,
            Access.ADMIN: self.membership.access_admin,
        }
        if not allowed[access]:
            raise Refused.because(
                Reason.PERMISSION_DENIED,
                f"The credential needs the access group {access.value}",
                needs=access.value,
            )


class _Remembered(NamedTuple):
    credential: StoredCredential
    until: float


class Authenticator:
    """Verifies credentials against the catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._digest_key = random_secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._verifying: dict[bytes, asyncio.Task[StoredCredential]] = {}

    async def authenticate(self, metadata: Mapping[str, str]) -> Identity:
        """The identity behind a call's metadata.

        Raises Refused: UNAUTHENTICATED, PERMISSION_DENIED for an organisation that is not the
        credential's, FIELD_INVALID for headers that are malformed.
        """
        credential = await self._credential(metadata.get(AUTHORIZATION, ""))
        membership = _choose(credential.memberships, metadata.get(ORGANIZATION_ID, ""))
        till_id, till_code = membership.till_id, membership.till_code
        named_till = metadata.get(TILL_CODE, "")
        if named_till and named_till != till_code:
            till_id, till_code = await self._till(membership.org_id, named_till), named_till
        caller = Caller(membership.org_id, credential.key, till_id, till_code)
        return Identity(caller, membership)

    def forget(self) -> None:
        """Forgets everything remembered, so that a catalog change of this process acts at once."""
        self._remembered.clear()

    async def _credential(self, authorization: str) -> StoredCredential:
        if not authorization:
            raise _unauthenticated("No credential is given")
        digest = hashlib.blake2b(authorization.encode(), key=self._digest_key).digest()
        remembered = self._remembered.get(digest)
        if remembered and time.monotonic() < remembered.until:
            return remembered.credential
        # Calls that arrive together wait for one verification.
        task = self._verifying.get(digest)
        if task is None:
            known = remembered.credential if remembered else None
            task = asyncio.create_task(self._verify(authorization, known))
            self._verifying[digest] = task
            task.add_done_callback(lambda done: self._verified(digest, done))
        credential = await asyncio.shield(task)
        self._remember(digest, credential)
        return credential

    def _verified(self, digest: bytes, task: asyncio.Task[StoredCredential]) -> None:
        self._verifying.pop(digest, None)
        # Whoever waited has the outcome; if all have hung up, it must not count as unseen.
        if not task.cancelled():
            task.exception()

    async def _verify(self, authorization: str, known: StoredCredential | None) -> StoredCredential:
        key, secret = _basic(authorization)
        async with self._database.read() as connection:
            stored = await load_credential(connection, key)
        unchanged = known and stored and known.secret_hash == stored.secret_hash
        if not unchanged and not await secrets.verify(stored and stored.secret_hash, secret):
            raise _unauthenticated("The credential is wrong")
        if stored is None or not stored.memberships:
            raise _unauthenticated("The credential is wrong")
        return stored

    def _remember(self, digest: bytes, credential: StoredCredential) -> None:
        self._remembered[digest] = _Remembered(credential, time.monotonic() + REMEMBERED_SECONDS)
        self._remembered.move_to_end(digest)
        while len(self._remembered) > _REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    async def _till(self, org_id: int, code: str) -> int:
        async with self._database.read() as connection:
            till_id = await load_till_id(connection, org_id, code)
        if till_id is None:
            raise Refused([field_invalid(TILL_CODE.upper(), "names no till of the organisation")])
        return till_id


def _basic(authorization: str) -> tuple[str, str]:
    """Key and secret of an HTTP Basic credential (RFC 7617)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise _unauthenticated("The credential is of an unknown kind")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _unauthenticated("The credential is malformed") from error
    key, colon, secret = decoded.partition(":")
    if not colon or not key or "\0" in key:
        raise _unauthenticated("The credential is malformed")
    return key, secret


def _choose(memberships: tuple[Membership, ...], wanted: str) -> Membership:
    """The membership in the organisation that the caller named; the only one without a name."""
    if not wanted:
        if len(memberships) == 1:
            return memberships[0]
        problem = "is required: the credential belongs to several organisations"
        raise Refused([field_invalid(ORGANIZATION_ID.upper(), problem)])
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) <= 19):
        raise Refused([field_invalid(ORGANIZATION_ID.upper(), "must be an organisation's id")])
    for membership in memberships:
        if membership.org_id == int(wanted):
            return membership
    raise Refused.because(
        Reason.PERMISSION_DENIED,
        f"The credential does not belong to organisation {int(wanted)}",
        org_id=str(int(wanted)),
    )


def _unauthenticated(description: str) -> Refused:
    return Refused.because(Reason.UNAUTHENTICATED, description)
