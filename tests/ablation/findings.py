"""What was found out about a guard, and what of it is not as it should be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.ablation.copies import Failure, Run
from tests.ablation.table import Edit, Everywhere, Guard, Pair


class Finding(Protocol):
    """What was found out."""

    @property
    def line(self) -> str:
        """It in one line."""
        ...

    @property
    def problems(self) -> list[str]:
        """What is wrong with the guard, its tests or the table."""
        ...


@dataclass(frozen=True)
class GuardFinding:
    """A guard was taken out alone."""

    guard: Guard
    broken: Sequence[Failure]
    failures: Sequence[Failure]
    not_backed_up: Sequence[Failure]
    storm: Sequence[Failure]

    @property
    def line(self) -> str:
        """It in one line."""
        storm = f"; storm: {tell_storm(self.storm)}" if self.guard.storm else ""
        return f"{self.guard.name}: {tell_first(self.failures)}{storm}"

    @property
    def problems(self) -> list[str]:
        """A guard that nothing misses is untested or useless."""
        name = self.guard.name
        found = [f"without {name} nothing works: {f.message}" for f in self.broken]
        if not self.failures:
            found.append(f"nothing misses {name}")
        found += [f"{name} is not backed up as the table says: {f}" for f in self.not_backed_up]
        return found


@dataclass(frozen=True)
class PairFinding:
    """Two guards that back each other up were both taken out."""

    pair: Pair
    broken: Sequence[Failure]
    failures: Sequence[Failure]
    storm: Sequence[Failure]

    @property
    def line(self) -> str:
        """It in one line."""
        storm = f"; storm: {tell_storm(self.storm)}" if self.pair.storm else ""
        return f"{self.pair.name}: {tell_first(self.failures)}{storm}"

    @property
    def problems(self) -> list[str]:
        """With both of them out the state must be wrong."""
        name = self.pair.name
        found = [f"without {name} nothing works: {f.message}" for f in self.broken]
        if not self.failures:
            found.append(f"the state is still exact without {name}")
        return found


@dataclass(frozen=True)
class EverywhereFinding:
    """A guard was taken out of one statement after the other."""

    guard: Everywhere
    runs: Sequence[tuple[Edit, Run]]

    @property
    def seconds(self) -> float:
        """How long it took until the last of them was missed."""
        return max(f.seconds for _, run in self.runs for f in run.failures[:1])

    @property
    def line(self) -> str:
        """It in one line."""
        missed = sum(bool(run.failures) for _, run in self.runs)
        return f"{self.guard.name}: missed in {missed} of {len(self.runs)} places"

    @property
    def problems(self) -> list[str]:
        """Each of the statements needs it."""
        return [
            f"nothing misses {self.guard.name} in {edit.file}, line {line_of(edit)}"
            for edit, run in self.runs
            if not run.failures
        ]


def line_of(edit: Edit) -> int:
    """The line at which an edit of a whole file begins."""
    pairs = zip(edit.old.splitlines(), edit.new.splitlines(), strict=False)
    return next(number for number, (old, new) in enumerate(pairs, 1) if old != new)


def tell_first(failures: Sequence[Failure]) -> str:
    """Which test fails first, and when."""
    if not failures:
        return "nothing fails"
    first = failures[0]
    said = f": {first.message}" if first.is_exact else ""
    return f"{_name(first)} after {first.seconds:.1f} s{said}"


def tell_storm(failures: Sequence[Failure]) -> str:
    """What became of a storm."""
    wrong = [f for f in failures if not f.is_exact]
    if wrong:
        return f"wrong: {wrong[0].message}"
    return failures[0].message if failures else "exact"


def _name(failure: Failure) -> str:
    """The test without its folder; all of them when they did not end."""
    return failure.test.rpartition("/")[2] or failure.message
