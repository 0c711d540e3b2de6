"""What is stored, of whom, and what of it may not be told."""

import re
from collections import Counter
from typing import Any, NamedTuple

from redemption_server.storage.schema import METADATA

from tests.access.apart.names import OUR_CATALOG, OURS, THEIR_CATALOG, THEIR_TAG, THEIRS


class Row(NamedTuple):
    """A row as the database writes it, to the last byte."""

    table: str
    owner: str
    cells: str


def is_ours(row: Row) -> bool:
    """Whatever is not ours counts as theirs, so that nothing is left out."""
    return (
        row.owner != THEIRS["key"] if row.table == "credential" else row.owner == str(OURS["org"])
    )


class State(NamedTuple):
    """All rows of all tables."""

    ours: frozenset[Row]
    theirs: frozenset[Row]

    def counted(self) -> Counter[str]:
        """How many rows we have in each table."""
        return Counter(row.table for row in self.ours)


def reading(dialect: str) -> str:
    """A statement for all rows of all tables."""
    selects = []
    for name, table in METADATA.tables.items():
        owner = "org_id" if "org_id" in table.columns else next(iter(table.primary_key)).name
        quoted = " || ',' || ".join(f"quote({column.name})" for column in table.columns)
        row = quoted if dialect == "sqlite" else f"CAST({name} AS text)"
        selects.append(f"SELECT '{name}', CAST({owner} AS text), {row} FROM {name}")
    return " UNION ALL ".join(selects)


def leaves(value: Any) -> set[str]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return set().union(*map(leaves, inner))
    return {str(value)}


def secrets_of(state: State) -> re.Pattern[str]:
    """Whatever they have and we do not, names, labels, limits and counters included."""
    ours, theirs = (
        {word for row in rows for word in re.findall(r"[^,'()\"]+", row.cells)}
        # What claims hold beside their keys is a digest of what was sent, and what was answered.
        for rows in ([row for row in part if row.table != "claim"] for part in state)
    )
    only = (theirs | leaves(THEIR_CATALOG) | {THEIR_TAG}) - ours - leaves(OUR_CATALOG)
    words = sorted(map(re.escape, filter(lambda word: len(word) >= 4, only)), key=len)
    return re.compile(f"(?<![0-9A-Za-z])(?:{'|'.join(reversed(words))})(?![0-9A-Za-z])")
