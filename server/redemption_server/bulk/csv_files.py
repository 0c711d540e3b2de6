"""CSV files: a header that names columns of a kind, then a row for each object.

Cells are read by the type of their field, as in catalog files; an empty one is not set.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TextIO

from redemption_server.bulk.kinds import Kind
from redemption_server.catalog.files import CellReader

_CELL_LENGTH_MAX = 10_000


class Row(NamedTuple):
    """A row with the line it ends on, counted from 1: its message, or what is wrong with it."""

    line: int
    message: Any | None
    problem: str = ""


class CsvError(Exception):
    """A file cannot be read at all; the message says why."""


@dataclass(frozen=True, slots=True)
class CsvFile:
    """An open CSV file whose header was read."""

    kind: Kind
    columns: list[str]
    reader: Any

    @classmethod
    def open(cls, file: TextIO, kind: Kind) -> "CsvFile":
        """Reads the header. Raises CsvError."""
        csv.field_size_limit(_CELL_LENGTH_MAX)
        reader = csv.reader(file, strict=True)
        try:
            columns = [name.strip().lower() for name in next(reader, [])]
        except (csv.Error, UnicodeDecodeError) as error:
            raise CsvError(f"line 1: {error}") from error
        unknown = [name for name in columns if name not in kind.columns]
        missing = [name for name in kind.required if name not in columns]
        if unknown or missing or len(set(columns)) < len(columns):
            known = ", ".join(kind.columns)
            raise CsvError(f"line 1: the header must name columns, each once, of: {known}")
        return cls(kind, columns, reader)

    def rows(self) -> Iterator[Row]:
        """The rows. Raises CsvError when the rest cannot be read."""
        cells = CellReader()
        while True:
            try:
                values = next(self.reader, None)
            except (csv.Error, UnicodeDecodeError) as error:
                raise CsvError(f"line {self.reader.line_num}: {error}") from error
            if values is None:
                return
            if values:
                yield self._row(cells, values)

    def _row(self, cells: CellReader, values: list[str]) -> Row:
        line = self.reader.line_num
        if len(values) != len(self.columns):
            problem = f"has {len(values)} cells instead of {len(self.columns)}"
            return Row(line, None, problem)
        message = self.kind.message()
        problems = cells.read(message, zip(self.columns, values, strict=True))
        return Row(line, None, "; ".join(problems)) if problems else Row(line, message)


def write_rows(file: TextIO, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Writes a header, unless it is empty, and rows."""
    writer = csv.writer(file, lineterminator="\n")
    header = list(columns)
    if header:
        writer.writerow(header)
    writer.writerows(rows)
