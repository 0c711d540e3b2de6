"""Imports rows in chunks, each of which is durable before the next one begins.

A bad row is named, and is skipped or ends the import, as is wished: then every row before it is in
and none behind it. What was imported already is kept, so that an import that was cut off is simply
run again.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field

from redemption.v1 import catalog_pb2
from sqlalchemy import Connection

from redemption_server.bulk.csv_files import CsvError, Row
from redemption_server.bulk.kinds import PROMOTION_CODES, Kind, promotion_code_id
from redemption_server.catalog.checker import Checker
from redemption_server.rules.normal import fold
from redemption_server.rules.refusals import Violation
from redemption_server.storage.bulk import (
    PATH,
    AddChunk,
    AddedChunk,
    ids_of_codes,
    require_target,
)
from redemption_server.storage.database import Database

CHUNK = 2_000
_POSITION = re.compile(r"\.(?:customers|coupons|codes)\[(\d+)\](?:\.(\w+))?")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was not imported, by its line in the file."""

    line: int
    problem: str


@dataclass(slots=True)
class Progress:
    """How far an import has come. `line` is the last line that was dealt with."""

    line: int = 1
    added: int = 0
    kept: int = 0
    bad: list[BadRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Import:
    """Rows of a kind to import into an organisation, under a series or promotion."""

    database: Database
    kind: Kind
    org_id: int
    region: str
    target_id: int | str
    replace: bool = False
    skip_bad: bool = False

    async def run(self, rows: Iterable[Row]) -> AsyncIterator[Progress]:
        """Imports chunk by chunk; tells of each, with its bad rows. Raises Refused."""
        await self.database.read(require_target, self.org_id, self.kind.name, self.target_id)
        for chunk in _chunks(rows):
            progress = await self.add(chunk)
            yield progress
            if progress.bad and not self.skip_bad:
                return

    async def add(self, chunk: list[Row]) -> Progress:
        """Imports one chunk."""
        bad = {row.line: row.problem for row in chunk if row.message is None}
        good = self._rest([row for row in chunk if row.message is not None], bad)
        bad |= self._check(good)
        good = self._rest(good, bad)
        if self.kind is PROMOTION_CODES:
            await self._give_ids(good)
        added = AddedChunk(0, 0, [])
        while good:
            added = await self.database.transact(
                AddChunk(self.kind.name, self._placed(good), self.replace)
            )
            if not added.violations:
                break
            bad |= _by_line(good, added.violations)
            good = self._rest(good, bad)
        if bad and not self.skip_bad:
            bad = {min(bad): bad[min(bad)]}
        return Progress(
            chunk[-1].line if self.skip_bad or not bad else min(bad),
            added.added if good else 0,
            added.kept if good else 0,
            [BadRow(line, problem) for line, problem in sorted(bad.items())],
        )

    def _rest(self, rows: list[Row], bad: dict[int, str]) -> list[Row]:
        """The rows that go in: all but the bad ones, or those before the first bad one."""
        if bad and not self.skip_bad:
            return [row for row in rows if row.line < min(bad)]
        return [row for row in rows if row.line not in bad]

    def _placed(self, rows: list[Row]) -> catalog_pb2.Organization:
        messages = [row.message for row in rows]
        return self.kind.place(self.org_id, self.region, self.target_id, messages)

    def _check(self, rows: list[Row]) -> dict[int, str]:
        checker = Checker()
        organization = self._placed(rows)
        checker.message(organization, PATH)
        self.kind.check(checker, organization, PATH)
        return _by_line(rows, checker.violations)

    async def _give_ids(self, rows: list[Row]) -> None:
        """Codes without an id keep the one that they have, or get one that they always get."""
        without = [row.message for row in rows if row.message and not row.message.id]
        if not without:
            return
        codes = [message.code for message in without]

        def known(connection: Connection) -> dict[str, str]:
            return ids_of_codes(connection, self.org_id, str(self.target_id), codes)

        ids = await self.database.read(known)
        for message in without:
            message.id = ids.get(fold(message.code), "") or promotion_code_id(message.code)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Chunks of rows; those before a place that cannot be read come before its error."""
    chunk: list[Row] = []
    try:
        for row in rows:
            chunk.append(row)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
    except CsvError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def _by_line(rows: list[Row], violations: Iterable[Violation]) -> dict[int, str]:
    problems: dict[int, str] = {}
    for violation in violations:
        found = _POSITION.search(violation.field)
        assert found, violation
        line = rows[int(found[1])].line
        text = f"{found[2]} {violation.description}" if found[2] else violation.description
        problems[line] = f"{problems[line]}; {text}" if line in problems else text
    return problems
