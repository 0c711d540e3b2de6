"""The table of guarantees as Markdown, kept between two markers of a document in `docs`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.ablation.copies import Failure
from tests.ablation.findings import (
    EverywhereFinding,
    Finding,
    GuardFinding,
    PairFinding,
    tell_storm,
)
from tests.ablation.table import Everywhere, Guard

BEGIN, END = "<!-- ablation:begin -->", "<!-- ablation:end -->"
_HEAD = (
    "| guard | where | taken out: what fails first | in a storm | backed up by |\n"
    "|---|---|---|---|---|"
)


def write_report(file: Path, findings: Sequence[Finding]) -> None:
    """Puts the table between the markers."""
    before, begin, rest = file.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{file} has no {BEGIN} … {END}")
    rows = "\n".join([_HEAD, *_rows(findings)])
    file.write_text(f"{before}{BEGIN}\n{rows}\n{END}{after}")


def _rows(findings: Sequence[Finding]) -> Iterator[str]:
    pairs = [finding for finding in findings if isinstance(finding, PairFinding)]
    for finding in findings:
        if isinstance(finding, GuardFinding):
            first = _failure(finding.failures[0])
            storm = tell_storm(finding.storm) if finding.guard.storm else ""
            yield _row(finding.guard, first, storm, "<br>".join(_backing(finding.guard, pairs)))
        elif isinstance(finding, EverywhereFinding):
            missed = f"each of {len(finding.runs)} is missed within {finding.seconds:.1f} s by "
            tests = ", ".join(f"[{Path(test).name}](../{test})" for test in finding.guard.tests)
            yield _row(finding.guard, missed + tests, "", "")


def _row(guard: Guard | Everywhere, *cells: str) -> str:
    name = f"**{guard.name}**: {guard.protects}"
    return f"| {' | '.join([name, f'`{guard.where}`', *cells])} |"


def _backing(guard: Guard, pairs: Sequence[PairFinding]) -> Iterator[str]:
    for finding in pairs:
        pair = finding.pair
        if guard.name in (pair.first, pair.second):
            other = pair.second if guard.name == pair.first else pair.first
            storm = f"; in a storm {tell_storm(finding.storm)}" if pair.storm else ""
            yield f"**{other}**; without both {_failure(finding.failures[0])}{storm}"


def _failure(failure: Failure) -> str:
    """The sentence that a test is, where it is, when it failed and how."""
    if not failure.test:
        return failure.message
    file, _, name = failure.test.partition("::")
    sentence, _, case = name.removeprefix("test_").partition("[")
    case = f" ({case.removesuffix(']')})" if case else ""
    said = f": {failure.message}" if failure.is_exact else ""
    return f"[{sentence.replace('_', ' ')}](../{file}){case} after {failure.seconds:.1f} s{said}"
