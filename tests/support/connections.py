"""Which pooled connections are in use, over all databases of this process."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

_in_use: dict[int, str] = {}


def checked_out() -> Mapping[int, str]:
    """The connections that are checked out of their pools now, by an arbitrary number."""
    return dict(_in_use)


@event.listens_for(Pool, "checkout")
def _check_out(connection: Any, record: Any, _proxy: Any) -> None:
    _in_use[id(record)] = repr(connection)


@event.listens_for(Pool, "checkin")
def _check_in(_connection: Any, record: Any) -> None:
    _in_use.pop(id(record), None)
