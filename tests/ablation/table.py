"""What the table of guards is made of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

SERVER = "server/redemption_server/"
STORM = "tests/concurrency/test_storm.py"


@dataclass(frozen=True)
class Edit:
    """A piece of a file and what stands there without the guard.

    The file is below `server/redemption_server`, or begins with `gateway/`. `old` must be in the
    file exactly once.
    """

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Guard:
    """A guard, the edits that take it out, and the tests of which one must fail then.

    With `storm` it is also seen what becomes of a storm.
    """

    name: str
    protects: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    storm: bool = False

    @property
    def where(self) -> str:
        """The file that holds the guard."""
        return self.edits[0].file


@dataclass(frozen=True)
class Pair:
    """Two guards that back each other up.

    With one of them out the tests still see an exact state, with both of them out no longer.
    """

    first: str
    second: str
    tests: tuple[str, ...]
    storm: bool = False

    @property
    def name(self) -> str:
        """How the pair is called."""
        return f"{self.first} + {self.second}"


@dataclass(frozen=True)
class Everywhere:
    """A guard that stands in many statements, each of which some test must miss."""

    name: str
    protects: str
    where: str
    pattern: re.Pattern[str]
    replacement: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """All guards."""

    guards: Sequence[Guard]
    pairs: Sequence[Pair]
    everywhere: Sequence[Everywhere]

    @property
    def tests(self) -> list[str]:
        """All tests that look after a guard."""
        looking: tuple[Guard | Pair | Everywhere, ...] = (
            *self.guards,
            *self.pairs,
            *self.everywhere,
        )
        return [test for item in looking for test in item.tests]

    def guard(self, name: str) -> Guard:
        """The guard of that name."""
        return next(guard for guard in self.guards if guard.name == name)

    def pairs_of(self, guard: Guard) -> list[Pair]:
        """The pairs that a guard is one of."""
        return [pair for pair in self.pairs if guard.name in (pair.first, pair.second)]

    def named(self, name: str) -> "Table":
        """The guards whose names hold `name`, with their pairs; pairs need both."""
        guards = [guard for guard in self.guards if name in guard.name]
        names = {guard.name for guard in guards}
        return Table(
            guards,
            [pair for pair in self.pairs if {pair.first, pair.second} & names],
            [guard for guard in self.everywhere if name in guard.name],
        )
