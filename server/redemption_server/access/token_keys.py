"""The keys that sign tokens: a JWK Set file (RFC 7517) that may change while the service runs.

A key signs from its `nbf` on until a later one does, and verifies for as long as it is in the file;
so servers that read a new file at different moments accept each other's tokens all the same.
"""

import base64
import contextlib
import itertools
import json
import os
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import structlog

KEY_BYTES = 32
TTL_SECONDS_MAX = 3_600
_LOOK_SECONDS = 1.0
# By then every server that shares the file has seen a new key.
_SPREAD_SECONDS = 60
_log = structlog.get_logger(__name__)


class TokenKey(NamedTuple):
    """A symmetric key: who signs is who verifies. `signs_from` is in seconds since 1970."""

    id: str
    secret: bytes
    signs_from: int


class TokenKeysError(Exception):
    """The key file cannot be used; the message says why and quotes nothing of it."""


def new_key(signs_from: int) -> TokenKey:
    """A key by chance."""
    return TokenKey(secrets.token_hex(8), secrets.token_bytes(KEY_BYTES), signs_from)


class TokenKeys:
    """The present keys, read again when their file changes; without a file one for this process."""

    def __init__(self, file: Path | None) -> None:
        """Raises TokenKeysError."""
        self._file = file
        self._stamp = _stamp(file) if file else None
        self._keys = _by_id(read_keys(file)) if file else _by_id([new_key(0)])
        self._look_at = time.monotonic() + _LOOK_SECONDS

    def signing(self, now_seconds: int) -> TokenKey:
        """The key that signs at present."""
        keys = sorted(self._present().values(), key=lambda key: key.signs_from)
        started = [key for key in keys if key.signs_from <= now_seconds]
        return started[-1] if started else keys[0]

    def find(self, key_id: str) -> TokenKey | None:
        """The key with the id."""
        return self._present().get(key_id)

    def _present(self) -> Mapping[str, TokenKey]:
        if self._file and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            self._read_again(self._file)
        return self._keys

    def _read_again(self, file: Path) -> None:
        try:
            stamp = _stamp(file)
            if stamp == self._stamp:
                return
            self._keys = _by_id(read_keys(file))
        except TokenKeysError as error:
            # A file that is being replaced: the keys that are known stay good.
            _log.error("token keys cannot be read, the known ones are kept", error=str(error))
        else:
            self._stamp = stamp
            _log.info("token keys read", keys=sorted(self._keys))


def read_keys(file: Path) -> list[TokenKey]:
    """The keys of a file. Raises TokenKeysError."""
    try:
        content = json.loads(file.read_bytes())
        keys = [_key(item) for item in content["keys"]]
    except OSError as error:
        raise TokenKeysError(f"{file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise TokenKeysError(f"{file}: not a JWK Set of symmetric keys for HS256") from error
    if not keys or len({key.id for key in keys}) < len(keys):
        raise TokenKeysError(f"{file}: must hold at least one key, each with an id of its own")
    return keys


def rotate_keys(file: Path, now_seconds: int) -> TokenKey:
    """Adds a key to a file, made if there is none, and drops what no good token is signed with.

    Returns the new key. Raises TokenKeysError.
    """
    keys = sorted(read_keys(file), key=lambda key: key.signs_from) if file.exists() else []
    long_ago = now_seconds - TTL_SECONDS_MAX - _SPREAD_SECONDS
    kept = [key for key, successor in itertools.pairwise(keys) if successor.signs_from > long_ago]
    added = new_key(now_seconds + _SPREAD_SECONDS if keys else now_seconds)
    _write(file, [*kept, *keys[-1:], added])
    return added


def _key(item: Mapping[str, Any]) -> TokenKey:
    encoded, key_id = item["k"], item["kid"]
    secret = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    if item["kty"] != "oct" or item.get("alg", "HS256") != "HS256" or len(secret) < KEY_BYTES:
        raise ValueError("not accepted")
    if not isinstance(key_id, str) or not key_id:
        raise ValueError("no id")
    return TokenKey(key_id, secret, int(item.get("nbf", 0)))


def _write(file: Path, keys: Sequence[TokenKey]) -> None:
    content = {
        "keys": [
            {
                "kty": "oct",
                "alg": "HS256",
                "use": "sig",
                "kid": key.id,
                "k": base64.urlsafe_b64encode(key.secret).rstrip(b"=").decode(),
                "nbf": key.signs_from,
            }
            for key in keys
        ]
    }
    try:
        # Readable for its owner alone, and whole or not at all.
        descriptor, path = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "w") as stream:
                json.dump(content, stream, indent=2)
                stream.flush()
                os.fsync(stream.fileno())
            Path(path).replace(file)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(path).unlink()
            raise
    except OSError as error:
        raise TokenKeysError(f"{file}: {error.strerror}") from error


def _by_id(keys: Sequence[TokenKey]) -> Mapping[str, TokenKey]:
    return {key.id: key for key in keys}


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError as error:
        raise TokenKeysError(f"{file}: {error.strerror}") from error
    return found.st_ino, found.st_size, found.st_mtime_ns
