"""Hashes of secrets: Argon2id, off the event loop, since one takes tens of milliseconds."""

import asyncio
from functools import partial

import argon2

# RFC 9106, second recommendation: 64 MiB, 3 passes, 4 lanes.
_hasher = argon2.PasswordHasher.from_parameters(argon2.profiles.RFC_9106_LOW_MEMORY)

# Verifying against it costs what a real one costs, so that an unknown key is not told by time.
_UNKNOWN_KEY_HASH = _hasher.hash("")


def hash_secret(secret: str) -> str:
    """The encoded hash of a secret, with a salt of its own. Slow."""
    return _hasher.hash(secret)


def matches(encoded: str, secret: str) -> bool:
    """Whether the secret is the one that was hashed. Slow."""
    try:
        return _hasher.verify(encoded, secret)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


async def verify(encoded: str | None, secret: str) -> bool:
    """`matches` on a thread; without a hash as slow, and false."""
    right = await asyncio.to_thread(partial(matches, encoded or _UNKNOWN_KEY_HASH, secret))
    return right and encoded is not None
