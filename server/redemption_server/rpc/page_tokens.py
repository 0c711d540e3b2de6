"""Page tokens: where a page ended, signed with the organisation's key for its query."""

import base64
import binascii
import hashlib
import hmac

_SIGNATURE_BYTES = 16


def make_page_token(key: bytes, query: str, last_id: str) -> str:
    """The token for the page after the record with `last_id`, 24 hex digits."""
    position = bytes.fromhex(last_id)
    return base64.urlsafe_b64encode(_sign(key, query, position) + position).decode()


def read_page_token(key: bytes, query: str, token: str) -> str | None:
    """The record id in a token, None for a token that was not made for the query."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    signature, position = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _sign(key, query, position)):
        return None
    # Base64 has several spellings of one content; only the one that was given out counts.
    last_id = position.hex()
    return last_id if make_page_token(key, query, last_id) == token else None


def _sign(key: bytes, query: str, position: bytes) -> bytes:
    digest = hashlib.blake2b(key=key, digest_size=_SIGNATURE_BYTES)
    digest.update(query.encode())
    digest.update(b"\0")
    digest.update(position)
    return digest.digest()
