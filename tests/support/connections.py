"""Which connections are taken from their pools, over all databases of this process."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

# Held here, so that one whom nobody gives back is not given back by the garbage collector.
_taken: dict[int, Any] = {}


def checked_out() -> list[Any]:
    """The connections that are taken from their pools and not given back yet."""
    return list(_taken.values())


@event.listens_for(Pool, "checkout")
def _take(_connection: Any, record: Any, proxy: Any) -> None:
    _taken[id(record)] = proxy


@event.listens_for(Pool, "checkin")
def _give_back(_connection: Any, record: Any) -> None:
    _taken.pop(id(record), None)
