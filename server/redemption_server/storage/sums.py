"""Sums of micro-units that stay exact where the plain sum would not fit into 64 bits.

SQLite fails on a sum past 64 bits; PostgreSQL widens it. Units and fractions apart fit on both.
"""

from typing import Any

from sqlalchemy import ColumnElement, func

from redemption_server.rules.decimals import MICROS_PER_UNIT


def sum_parts(column: ColumnElement[Any]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Two aggregates of non-negative micro-units, for `whole_sum`."""
    return func.sum(column.op("/")(MICROS_PER_UNIT)), func.sum(column % MICROS_PER_UNIT)


def whole_sum(units: Any, fraction: Any) -> int:
    """The sum in micro-units, as large as it is."""
    return int(units) * MICROS_PER_UNIT + int(fraction)
