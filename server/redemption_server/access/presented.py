"""What a call presents to say who is calling (contract section 7)."""

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple

from redemption_server.access.origin import Origin
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused

AUTHORIZATION = "authorization"
OAUTH_TOKEN = "x-cap-api-oauth-token"  # noqa: S105 — the name of a header


class Secret(NamedTuple):
    """Key and secret of a credential."""

    key: str
    secret: str


class Token(NamedTuple):
    """A token that stands for a credential."""

    text: str


class Certificate(NamedTuple):
    """A verified client certificate whose common name is the key of a credential."""

    key: str


Presented = Secret | Token | Certificate


class RawProof(NamedTuple):
    """What a call presents, not looked at yet: equal when it is the same."""

    authorization: str
    oauth_token: str
    certificate: str


def raw_proof(metadata: Mapping[str, str], origin: Origin) -> RawProof | None:
    """What a call presents, None when nothing; a certificate only when it is all there is."""
    authorization = metadata.get(AUTHORIZATION, "")
    oauth_token = metadata.get(OAUTH_TOKEN, "")
    if authorization or oauth_token:
        return RawProof(authorization, oauth_token, "")
    certificate = origin.certificate_name()
    return RawProof("", "", certificate) if certificate else None


def basic_proof(key: str, secret: str) -> RawProof:
    """What a call presents that has key and secret; the key has no colon."""
    encoded = base64.b64encode(f"{key}:{secret}".encode()).decode()
    return RawProof(f"Basic {encoded}", "", "")


def read_proof(raw: RawProof) -> Presented:
    """What it says. Raises Refused (UNAUTHENTICATED)."""
    if raw.certificate:
        return Certificate(raw.certificate)
    authorization = _read_authorization(raw.authorization) if raw.authorization else None
    token = Token(raw.oauth_token.strip()) if raw.oauth_token else None
    if authorization and token and authorization != token:
        # Whom to believe would be a guess.
        raise unauthenticated("Two different credentials are given")
    presented = authorization or token
    assert presented
    return presented


def unauthenticated(description: str) -> Refused:
    """The refusal of a caller who is not known."""
    return Refused.because(Reason.UNAUTHENTICATED, description)


def _read_authorization(authorization: str) -> Secret | Token:
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return Token(rest.strip())
    if scheme.lower() == "basic":
        return _basic(rest.strip())
    raise unauthenticated("The credential is of an unknown kind")


def _basic(encoded: str) -> Secret:
    """Key and secret of an HTTP Basic credential (RFC 7617)."""
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise unauthenticated("The credential is malformed") from error
    key, colon, secret = decoded.partition(":")
    if not colon or not key or "\0" in key:
        raise unauthenticated("The credential is malformed")
    return Secret(key, secret)
