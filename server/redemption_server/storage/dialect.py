"""What differs between SQLite and PostgreSQL, and nothing else.

Sets travel as one parameter (a JSON array on SQLite, typed arrays on PostgreSQL), so that the text
of a statement never depends on how many rows it is about. Row-wise statements go to the driver as
they are, which spares building them anew for each batch.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    FromClause,
    Select,
    String,
    Table,
    and_,
    bindparam,
    func,
)
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

Row = Sequence[Any]

_ALLOW_PAUSES = (
    "SELECT set_config(name, '0', true) FROM pg_settings "
    "WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
)


def is_sqlite(connection: Connection) -> bool:
    """Whether the connection is to SQLite; otherwise it is to PostgreSQL."""
    return connection.dialect.name == "sqlite"


def allow_pauses(connection: Connection) -> None:
    """Lets this transaction pause as long as it must, where peers that stand still are ended."""
    if not is_sqlite(connection):
        connection.exec_driver_sql(_ALLOW_PAUSES)


def table_of(model: type[SQLModel]) -> Table:
    """The Core table behind a SQLModel class."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


class Matched(NamedTuple):
    """The rows of a table that match parameter rows, to select from, in the parameters' order."""

    source: FromClause
    position: ColumnElement[Any]


def matching(
    connection: Connection, org_id: int, columns: Sequence[Column[Any]], rows: Sequence[Row]
) -> Matched:
    """The organisation's rows whose `columns`, all of one table, equal one of `rows`."""
    sqlite = is_sqlite(connection)
    values = _parameter_values(sqlite, len(columns), rows)
    types = _parameter_types(sqlite, columns)
    parameters = [
        bindparam(None, value, type_=type_, unique=True)
        for value, type_ in zip(values, types, strict=True)
    ]
    return _matched(sqlite, org_id, columns, parameters)


def among(
    connection: Connection, org_id: int, column: Column[Any], values: Iterable[Any]
) -> FromClause:
    """The organisation's rows whose `column` is one of `values`, which are distinct."""
    return matching(connection, org_id, [column], [(value,) for value in values]).source


class Search:
    """A statement about an organisation's rows whose `columns` equal one of some rows.

    It is built once for each engine, since building a statement costs more than running it.
    """

    def __init__(
        self, columns: Sequence[Column[Any]], build: Callable[[Matched], Select[Any]]
    ) -> None:
        self._columns = columns
        self._build = build
        self._statements: dict[bool, Select[Any]] = {}

    def run(
        self, connection: Connection, org_id: int, rows: Sequence[Row], **more: object
    ) -> CursorResult[*tuple[Any, ...]]:
        """Searches for `rows`, whose cells are in the order of the columns.

        `more` are values of parameters that the statement has beside them.
        """
        sqlite = is_sqlite(connection)
        if sqlite not in self._statements:
            self._statements[sqlite] = self._build(self._parameters(sqlite))
        values = _parameter_values(sqlite, len(self._columns), rows)
        named = {f"searched_{i}": value for i, value in enumerate(values)}
        parameters = {"searched_org_id": org_id, **named, **more}
        return connection.execute(self._statements[sqlite], parameters)

    def run_for(
        self, connection: Connection, org_id: int, values: Iterable[Any], **more: object
    ) -> CursorResult[*tuple[Any, ...]]:
        """`run` for a search by one column, whose `values` are distinct."""
        return self.run(connection, org_id, [(value,) for value in values], **more)

    def _parameters(self, sqlite: bool) -> Matched:  # noqa: FBT001 — which of the two engines
        types = _parameter_types(sqlite, self._columns)
        parameters = [bindparam(f"searched_{i}", type_=type_) for i, type_ in enumerate(types)]
        org_id = bindparam("searched_org_id", type_=BigInteger)
        return _matched(sqlite, org_id, self._columns, parameters)


def _parameter_values(sqlite: bool, width: int, rows: Sequence[Row]) -> list[Any]:  # noqa: FBT001
    return [_json(rows)] if sqlite else [[row[i] for row in rows] for i in range(width)]


def _parameter_types(sqlite: bool, columns: Sequence[Column[Any]]) -> list[Any]:  # noqa: FBT001
    return [String()] if sqlite else [ARRAY(column.type) for column in columns]


def _matched(
    sqlite: bool,  # noqa: FBT001
    org_id: "int | BindParameter[int]",
    columns: Sequence[Column[Any]],
    parameters: Sequence[BindParameter[Any]],
) -> Matched:
    """Joins the parameters, as a table, with that of the columns."""
    table = columns[0].table
    source: FromClause
    cells: list[ColumnElement[Any]]
    if sqlite:
        source = func.json_each(*parameters).table_valued("key", "value")
        cells = [func.json_extract(source.c.value, f"$[{i}]") for i in range(len(columns))]
        position = source.c.key
    else:
        names = [column.name for column in columns]
        unnested = func.unnest(*parameters).table_valued(*names, with_ordinality="position")
        source = unnested.render_derived()
        cells = [source.c[name] for name in names]
        position = source.c["position"]
    equal = [column == cell for column, cell in zip(columns, cells, strict=True)]
    return Matched(source.join(table, and_(table.c.org_id == org_id, *equal)), position)


def insert_rows(
    connection: Connection, table: Table, rows: Sequence[Row], on_conflict: str = ""
) -> None:
    """Inserts rows whose cells are in the order of the table's columns.

    `on_conflict` is the clause that follows, for instance `ON CONFLICT DO NOTHING`.
    """
    if not rows:
        return
    if is_sqlite(connection):
        connection.exec_driver_sql(_values_insert(table, on_conflict), list(map(tuple, rows)))
    else:
        statement = _unnest_insert(table, on_conflict)
        connection.exec_driver_sql(statement, tuple(map(list, zip(*rows, strict=True))))


def insert_returning(
    connection: Connection, table: Table, rows: Sequence[Row], on_conflict: str, returning: str
) -> list[Row]:
    """`insert_rows`, returning columns of the rows that were inserted."""
    clause = f"{on_conflict} RETURNING {returning}"
    if is_sqlite(connection):
        # The driver's executemany returns no rows, hence the rows as one JSON parameter.
        result = connection.exec_driver_sql(_json_insert(table, clause), (_json(rows),))
    else:
        columns = tuple(map(list, zip(*rows, strict=True)))
        result = connection.exec_driver_sql(_unnest_insert(table, clause), columns)
    return [tuple(row) for row in result]


def add_to_rows(
    connection: Connection, table: Table, added: str, replaced: str, rows: Sequence[Row]
) -> None:
    """Adds to one column of rows that exist, and replaces another.

    Cells: those of the primary key, what to add, what to put.
    """
    if not rows:
        return
    if is_sqlite(connection):
        # The new cells come first in the text.
        reordered = [(*row[-2:], *row[:-2]) for row in rows]
        connection.exec_driver_sql(_values_add(table, added, replaced), reordered)
    else:
        columns = tuple(map(list, zip(*rows, strict=True)))
        connection.exec_driver_sql(_unnest_add(table, added, replaced), columns)


def delete_rows(connection: Connection, table: Table, keys: Sequence[Row]) -> None:
    """Deletes rows by their primary keys."""
    if not keys:
        return
    if is_sqlite(connection):
        connection.exec_driver_sql(_values_delete(table), list(map(tuple, keys)))
    else:
        connection.exec_driver_sql(_unnest_delete(table), tuple(map(list, zip(*keys, strict=True))))


def _json(value: Any) -> str:
    # Named tuples, which rows often are, count as foreign types.
    return orjson.dumps(value, default=list).decode()


def _names(table: Table) -> str:
    return ", ".join(column.name for column in table.columns)


@lru_cache
def _values_insert(table: Table, clause: str) -> str:
    cells = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({_names(table)}) VALUES ({cells}) {clause}"


@lru_cache
def _json_insert(table: Table, clause: str) -> str:
    cells = ", ".join(f"json_extract(value, '$[{i}]')" for i in range(len(table.columns)))
    # `WHERE true` keeps SQLite from reading ON CONFLICT as a join condition.
    return (
        f"INSERT INTO {table.name} ({_names(table)}) "
        f"SELECT {cells} FROM json_each(?) WHERE true {clause}"
    )


@lru_cache
def _unnest_insert(table: Table, clause: str) -> str:
    source = f"SELECT * FROM unnest({_arrays(table.columns)})"
    return f"INSERT INTO {table.name} ({_names(table)}) {source} {clause}"


@lru_cache
def _values_add(table: Table, added: str, replaced: str) -> str:
    matches = " AND ".join(f"{column.name} = ?" for column in table.primary_key)
    return f"UPDATE {table.name} SET {added} = {added} + ?, {replaced} = ? WHERE {matches}"


@lru_cache
def _unnest_add(table: Table, added: str, replaced: str) -> str:
    columns = [*table.primary_key, table.c[added], table.c[replaced]]
    names = ", ".join(column.name for column in columns)
    keys = [column.name for column in table.primary_key]
    matches = " AND ".join(f"{table.name}.{name} = cells.{name}" for name in keys)
    return (
        f"UPDATE {table.name} SET {added} = {table.name}.{added} + cells.{added}, "
        f"{replaced} = cells.{replaced} "
        f"FROM unnest({_arrays(columns)}) AS cells({names}) WHERE {matches}"
    )


@lru_cache
def _values_delete(table: Table) -> str:
    matches = " AND ".join(f"{column.name} = ?" for column in table.primary_key)
    return f"DELETE FROM {table.name} WHERE {matches}"


@lru_cache
def _unnest_delete(table: Table) -> str:
    names = [column.name for column in table.primary_key]
    matches = " AND ".join(f"{table.name}.{name} = keys.{name}" for name in names)
    keys = f"unnest({_arrays(table.primary_key)}) AS keys({', '.join(names)})"
    return f"DELETE FROM {table.name} USING {keys} WHERE {matches}"


def _arrays(columns: Iterable[Column[Any]]) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return ", ".join(f"${i}::{c.type.compile(dialect)}[]" for i, c in enumerate(columns, 1))
