"""Reads driver errors: which may be repeated, which mean that the database is away."""

from enum import Enum, auto

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class Failure(Enum):
    """What can be done about an error."""

    REPEATABLE = auto()
    """Another transaction was in the way: the same work may succeed now."""
    UNAVAILABLE = auto()
    """The database is away, full or read-only: later may be better."""
    OTHER = auto()
    """An error of ours."""


class MustRepeat(Exception):
    """The work saw a state that is about to change and must run again from the start."""


_REPEATABLE_SQLSTATES = frozenset({"40001", "40P01", "23505"})
_UNAVAILABLE_SQLSTATE_CLASSES = ("08", "53", "57", "58", "25006")
_SQLITE_LOCKED = ("database is locked", "database table is locked")
_SQLITE_UNAVAILABLE = (
    "readonly database",
    "disk is full",
    "disk I/O error",
    "unable to open database file",
)


def failure_of(error: BaseException) -> Failure:
    """What can be done about an error that a transaction ended with."""
    if isinstance(error, MustRepeat):
        return Failure.REPEATABLE
    if isinstance(error, PoolTimeoutError | ConnectionError | OSError):
        return Failure.UNAVAILABLE
    if not isinstance(error, DBAPIError):
        return Failure.OTHER
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate:
        if sqlstate in _REPEATABLE_SQLSTATES:
            return Failure.REPEATABLE
        away = sqlstate.startswith(_UNAVAILABLE_SQLSTATE_CLASSES)
        return Failure.UNAVAILABLE if away else Failure.OTHER
    return _sqlite_failure(error, str(error.orig))


def _sqlite_failure(error: DBAPIError, text: str) -> Failure:
    if isinstance(error, IntegrityError) and text.startswith("UNIQUE"):
        return Failure.REPEATABLE
    if any(part in text for part in _SQLITE_LOCKED):
        return Failure.REPEATABLE
    if error.connection_invalidated or any(part in text for part in _SQLITE_UNAVAILABLE):
        return Failure.UNAVAILABLE
    return Failure.OTHER
