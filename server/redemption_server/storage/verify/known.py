"""Values that rows are compared with."""

from typing import Any

from sqlalchemy import CTE, Select


def known(values: Select[Any]) -> CTE:
    """Values, in one column, to join with from outside; what has no partner is NULL there.

    Materialised, so that SQLite makes an index of them and PostgreSQL a hash table. Else their
    planners may go through all of them for each row, as they do for NOT IN and NOT EXISTS.
    """
    return values.cte().prefix_with("MATERIALIZED")
