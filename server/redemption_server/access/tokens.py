"""Tokens that stand for a credential for a short while (OAuth 2.0 client credentials).

They are signed and verified by this service alone, so a symmetric signature serves. A token names
the secret that it was given out for, so it ends when the secret changes.
"""

import hashlib
import hmac
import secrets
from typing import NamedTuple

import jwt

from redemption_server.access.token_keys import TokenKeys
from redemption_server.rules.commands import Clock
from redemption_server.storage.credentials import StoredCredential

_ALGORITHM = "HS256"
_ISSUER = "redemption"
_AUDIENCE = "redemption.v1"
_CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti", "sec")
_OPTIONS: jwt.types.Options = {
    "require": list(_CLAIMS),
    # Times are judged by the clock that is handed in.
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class TokenError(Exception):
    """A token is not good; the message says why."""


class Claims(NamedTuple):
    """What a good token says: whose it is, for which secret, and for how long still."""

    key: str
    secret_mark: str
    remaining_seconds: float


class Tokens:
    """Gives out tokens and reads them."""

    def __init__(self, keys: TokenKeys, clock: Clock, ttl_seconds: int) -> None:
        self._keys = keys
        self._clock = clock
        self.ttl_seconds = ttl_seconds

    def issue(self, credential: StoredCredential) -> str:
        """A token for a credential."""
        now = int(self._clock().timestamp())
        key = self._keys.signing(now)
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": credential.key,
            "iat": now,
            "exp": now + self.ttl_seconds,
            "jti": secrets.token_hex(8),
            "sec": _mark(credential.secret_hash),
        }
        return jwt.encode(claims, key.secret, _ALGORITHM, headers={"kid": key.id})

    def read(self, token: str) -> Claims:
        """The claims of a token of ours whose time is not over. Raises TokenError."""
        try:
            key = self._keys.find(str(jwt.get_unverified_header(token).get("kid", "")))
            if key is None:
                raise TokenError("unknown key")
            claims = jwt.decode(
                token,
                key.secret,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                options=_OPTIONS,
            )
        except jwt.InvalidTokenError as error:
            raise TokenError("not a token of this service") from error
        remaining = claims["exp"] - self._clock().timestamp()
        if remaining <= 0:
            raise TokenError("expired")
        return Claims(claims["sub"], claims["sec"], remaining)


def is_for(claims: Claims, credential: StoredCredential) -> bool:
    """Whether the token was given out for the secret that the credential has now."""
    return hmac.compare_digest(claims.secret_mark, _mark(credential.secret_hash))


def _mark(secret_hash: str) -> str:
    return hashlib.blake2b(secret_hash.encode(), digest_size=8).hexdigest()
