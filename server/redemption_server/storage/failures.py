"""Reads driver errors: which may be repeated, which mean that the database is away."""

from enum import Enum, auto

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class Failure(Enum):
    """What can be done about an error."""

    REPEATABLE = auto()
    """Another transaction was in the way or the connection broke: it may succeed now."""
    UNAVAILABLE = auto()
    """The database is away, full or read-only: later may be better."""
    OTHER = auto()
    """An error of ours."""


class MustRepeat(Exception):
    """The work saw a state that is about to change and must run again from the start."""


class Unreachable(Exception):
    """No connection could be had."""


# Serialisation failure, deadlock, unique violation, lock time-out.
_REPEATABLE_SQLSTATES = frozenset({"40001", "40P01", "23505", "55P03"})
# The server ended the connection: shut down, crashed, or in a transaction for too long.
_LOST_SQLSTATES = ("08", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04")
# Out of resources, cancelled by a time-out, system errors, read-only.
_UNAVAILABLE_SQLSTATES = ("53", "57", "58", "25006")
_SQLITE_LOCKED = ("database is locked", "database table is locked")
_SQLITE_UNAVAILABLE = (
    "readonly database",
    "disk is full",
    "disk I/O error",
    "unable to open database file",
)


def failure_of(error: BaseException) -> Failure:
    """What can be done about an error that a transaction ended with."""
    if isinstance(error, Unreachable | PoolTimeoutError | TimeoutError):
        return Failure.UNAVAILABLE
    if isinstance(error, MustRepeat | OSError):
        return Failure.REPEATABLE
    if not isinstance(error, DBAPIError):
        return Failure.OTHER
    sqlstate = _sqlstate(error)
    if sqlstate:
        return _postgres_failure(sqlstate)
    return Failure.REPEATABLE if error.connection_invalidated else _sqlite_failure(error)


def is_verdict(error: BaseException) -> bool:
    """Whether the database itself said that a commit failed: only then is it surely undone."""
    sqlstate = _sqlstate(error)
    return bool(sqlstate) and not sqlstate.startswith(_LOST_SQLSTATES)


def _sqlstate(error: BaseException) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def _postgres_failure(sqlstate: str) -> Failure:
    if sqlstate in _REPEATABLE_SQLSTATES or sqlstate.startswith(_LOST_SQLSTATES):
        return Failure.REPEATABLE
    if sqlstate.startswith(_UNAVAILABLE_SQLSTATES):
        return Failure.UNAVAILABLE
    return Failure.OTHER


def _sqlite_failure(error: DBAPIError) -> Failure:
    text = str(error.orig)
    if isinstance(error, IntegrityError) and text.startswith("UNIQUE"):
        return Failure.REPEATABLE
    if any(part in text for part in _SQLITE_LOCKED):
        return Failure.REPEATABLE
    if any(part in text for part in _SQLITE_UNAVAILABLE):
        return Failure.UNAVAILABLE
    return Failure.OTHER
