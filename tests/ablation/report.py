"""The table of guarantees as Markdown, kept between two markers of a document."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.ablation.findings import (
    EverywhereFinding,
    Finding,
    GuardFinding,
    PairFinding,
    tell_first,
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
    text = file.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{file} has no {BEGIN} … {END}")
    rows = "\n".join([_HEAD, *_rows(findings)])
    file.write_text(f"{before}{BEGIN}\n{rows}\n{END}{after}")


def _rows(findings: Sequence[Finding]) -> Iterator[str]:
    pairs = [finding for finding in findings if isinstance(finding, PairFinding)]
    for finding in findings:
        if isinstance(finding, GuardFinding):
            backed_up = "; ".join(_backing(finding.guard, pairs))
            storm = tell_storm(finding.storm) if finding.guard.storm else ""
            first = tell_first(finding.failures)
            yield _row(finding.guard, first, storm, backed_up)
        elif isinstance(finding, EverywhereFinding):
            missed = f"each of {len(finding.runs)} is missed within {finding.seconds:.1f} s"
            yield _row(finding.guard, missed, "", "")


def _row(guard: Guard | Everywhere, *cells: str) -> str:
    return f"| {' | '.join([f'{guard.name}: {guard.protects}', f'`{guard.where}`', *cells])} |"


def _backing(guard: Guard, pairs: Sequence[PairFinding]) -> Iterator[str]:
    for finding in pairs:
        pair = finding.pair
        if guard.name in (pair.first, pair.second):
            other = pair.second if guard.name == pair.first else pair.first
            yield f"{other}; without both: {tell_first(finding.failures)}"
