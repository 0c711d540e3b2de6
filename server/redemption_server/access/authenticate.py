"""Finds out who is calling, from what a call presents.

What was verified is remembered for a short while under a keyed hash, so that the expensive hash is
not paid on every call and the secret itself is nowhere in memory for long. What the credential may
do is read again when that time is over; so a revoked credential stops within it.
"""

import asyncio
import hashlib
import secrets as random_secrets
from collections.abc import Mapping

from redemption_server.access import secrets
from redemption_server.access.attempts import FailedAttempts
from redemption_server.access.audit import audit
from redemption_server.access.identity import Identity
from redemption_server.access.origin import KnownOrigin, Origin
from redemption_server.access.presented import (
    Certificate,
    Presented,
    RawProof,
    Secret,
    Token,
    basic_proof,
    raw_proof,
    read_proof,
    unauthenticated,
)
from redemption_server.access.remembered import Remembered
from redemption_server.access.tokens import TokenError, Tokens, is_for
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

ORGANIZATION_ID = "x-cap-api-auth-org-id"
TILL_CODE = "x-cap-api-attribution-till-code"

REMEMBERED_SECONDS = 30.0
_REMEMBERED_MAX = 10_000


class Authenticator:
    """Verifies what calls present against the catalog."""

    def __init__(self, database: Database, tokens: Tokens) -> None:
        self._database = database
        self._tokens = tokens
        self._digest_key = random_secrets.token_bytes(32)
        self._credentials: Remembered[bytes, StoredCredential] = Remembered(_REMEMBERED_MAX)
        self._tills: Remembered[tuple[int, str], int] = Remembered(_REMEMBERED_MAX)
        self._verifying: dict[bytes, asyncio.Task[StoredCredential]] = {}
        self._attempts = FailedAttempts()

    async def authenticate(self, metadata: Mapping[str, str], origin: Origin) -> Identity:
        """The identity behind a call.

        Raises Refused: UNAUTHENTICATED, PERMISSION_DENIED for an organisation that is not the
        credential's, FIELD_INVALID for headers that are malformed, RATE_LIMITED after many failed
        attempts.
        """
        raw = raw_proof(metadata, origin)
        if raw is None:
            self._audit_failure(None, origin, "no credential")
            raise unauthenticated("No credential is given")
        credential = await self._credential(raw, origin)
        membership = _choose(credential, metadata.get(ORGANIZATION_ID, ""))
        till_id, till_code = membership.till_id, membership.till_code
        named_till = metadata.get(TILL_CODE, "")
        if named_till and named_till != till_code:
            till_id, till_code = await self._till(membership.org_id, named_till), named_till
        caller = Caller(membership.org_id, credential.key, till_id, till_code)
        return Identity(caller, membership)

    async def check_secret(self, key: str, secret: str, origin: Origin) -> StoredCredential:
        """The credential with this key and secret. Raises Refused, as `authenticate` does."""
        if ":" in key:
            raise self._failure(None, origin, "malformed key")
        return await self._credential(basic_proof(key, secret), origin)

    def forget(self) -> None:
        """Reads everything remembered again, so that a catalog change of this process acts at once.

        A secret that was verified before is not verified again unless it changed.
        """
        self._credentials.end()
        self._tills.end()

    async def _credential(self, raw: RawProof, origin: Origin) -> StoredCredential:
        digest = hashlib.blake2b("\0".join(raw).encode(), key=self._digest_key).digest()
        remembered = self._credentials.get(digest)
        if remembered:
            return remembered
        # Calls that arrive together wait for one verification.
        task = self._verifying.get(digest)
        if task is None:
            # The task may outlive the call, which must not be asked for anything by then.
            known_origin = KnownOrigin(origin.address())
            task = asyncio.create_task(self._verify(digest, raw, known_origin))
            self._verifying[digest] = task
            task.add_done_callback(lambda done: self._verified(digest, done))
        return await asyncio.shield(task)

    def _verified(self, digest: bytes, task: asyncio.Task[StoredCredential]) -> None:
        self._verifying.pop(digest, None)
        # Whoever waited has the outcome; if all have hung up, it must not count as unseen.
        if not task.cancelled():
            task.exception()

    async def _verify(self, digest: bytes, raw: RawProof, origin: Origin) -> StoredCredential:
        seconds = REMEMBERED_SECONDS
        match self._read(raw, origin):
            case Secret(key, secret):
                stored = await self._load(key)
                known = self._credentials.get_stale(digest)
                unchanged = known and stored and known.secret_hash == stored.secret_hash
                if not unchanged:
                    await self._check_secret(stored, key, secret, origin)
            case Token(text):
                stored, remaining = await self._read_token(text, origin)
                seconds = min(seconds, remaining)
            case Certificate(key):
                stored = await self._load(key)
        if stored is None or not stored.memberships:
            raise self._failure(stored, origin, "no such credential, or switched off")
        self._credentials.put(digest, stored, seconds)
        return stored

    def _read(self, raw: RawProof, origin: Origin) -> Presented:
        try:
            return read_proof(raw)
        except Refused as refused:
            self._audit_failure(None, origin, str(refused))
            raise

    async def _load(self, key: str) -> StoredCredential | None:
        return await self._database.read(load_credential, key)

    async def _check_secret(
        self, stored: StoredCredential | None, key: str, secret: str, origin: Origin
    ) -> None:
        address = origin.address()
        try:
            async with self._attempts.attempt(key, address):
                if await secrets.verify(stored and stored.secret_hash, secret):
                    return
                await self._attempts.failed(key, address)
        except Refused as refused:
            self._audit_failure(stored, origin, refused.reason.value)
            raise
        raise self._failure(stored, origin, "wrong secret")

    async def _read_token(self, text: str, origin: Origin) -> tuple[StoredCredential | None, float]:
        # Nobody guesses a signature: tokens that are not good are neither counted nor slowed.
        try:
            claims = self._tokens.read(text)
        except TokenError as error:
            self._audit_failure(None, origin, f"token: {error}")
            raise unauthenticated("The token is not good, or not any more") from error
        stored = await self._load(claims.key)
        if stored and not is_for(claims, stored):
            self._audit_failure(stored, origin, "token: of an earlier secret")
            raise unauthenticated("The token is not good, or not any more")
        return stored, claims.remaining_seconds

    def _failure(self, stored: StoredCredential | None, origin: Origin, why: str) -> Refused:
        self._audit_failure(stored, origin, why)
        return unauthenticated("The credential is wrong")

    def _audit_failure(self, stored: StoredCredential | None, origin: Origin, why: str) -> None:
        key = stored.key if stored else None
        audit("authentication failed", credential=key, address=origin.address(), why=why)

    async def _till(self, org_id: int, code: str) -> int:
        till_id = self._tills.get((org_id, code))
        if till_id is None:
            till_id = await self._database.read(load_till_id, org_id, code)
            if till_id is None:
                problem = "names no till of the organisation"
                raise Refused([field_invalid(TILL_CODE.upper(), problem)])
            self._tills.put((org_id, code), till_id, REMEMBERED_SECONDS)
        return till_id


def _choose(credential: StoredCredential, wanted: str) -> Membership:
    """The membership in the organisation that the caller named; the only one without a name."""
    memberships = credential.memberships
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
    audit("authorisation failed", credential=credential.key, org_id=int(wanted), why="foreign")
    raise Refused.because(
        Reason.PERMISSION_DENIED,
        f"The credential does not belong to organisation {int(wanted)}",
        org_id=str(int(wanted)),
    )
