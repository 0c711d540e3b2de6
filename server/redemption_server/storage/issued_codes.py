"""Codes of coupons that are made for a customer: random to all but this service."""

import hashlib
import hmac

from sqlalchemy import Connection

from redemption_server.storage.lookups import load_organization

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Digits and capitals without 0, 1, I, L, O and U, which are misread or read as words."""
_LENGTH = 16


def issued_code(connection: Connection, org_id: int, series_id: int, request_id: str) -> str:
    """The code that a request is given: the same one each time, and no other request's."""
    secret = load_organization(connection, org_id).page_token_key
    text = f"coupon\0{series_id}\0{request_id}".encode()
    number = int.from_bytes(hmac.digest(secret, text, hashlib.sha256))
    code = ""
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        code += ALPHABET[digit]
    return code
