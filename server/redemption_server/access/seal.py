"""Seals secrets that must be read again, such as those that webhooks are signed with.

Whoever has the database alone cannot read them.
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class UnsealError(Exception):
    """A secret was sealed with a key that is no longer there."""


class Seal:
    """Seals with the first key, reads what any of them sealed: so keys rotate."""

    def __init__(self, keys: str) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys.split(",")])

    def seal(self, secret: str) -> bytes:
        """The secret in a form that may be stored."""
        return self._fernet.encrypt(secret.encode())

    def unseal(self, sealed: bytes) -> str:
        """The secret. Raises UnsealError."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise UnsealError from error


def new_key() -> str:
    """A key for REDEMPTION_WEBHOOK_KEYS."""
    return Fernet.generate_key().decode()
