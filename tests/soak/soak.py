"""Soaks a service: good, bad and abandoned calls to both doors, then a look at what they left.

No answer may be a failure of the service, every call that was waited for is answered as it must be,
the log has no error, neither memory nor open files grow, `redemption verify` finds nothing, and the
process ends by itself. Exits with 1 if anything of that is not so.
"""

import argparse
import dataclasses
import json
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

import uvloop

from tests.soak import judge
from tests.soak.callers import ABANDONED, Soak
from tests.soak.judge import Violation
from tests.soak.offer import Codes, organizations
from tests.support import catalogs
from tests.support.process import COMMAND, Process, environment, run, started

_EXAMPLES = 5
_EXAMPLE_LENGTH = 1_000


@dataclass
class Broken:
    """How often a rule was broken, with a few examples."""

    count: int
    examples: list[str]


@dataclass
class Report:
    """What a soak was, and what it showed."""

    seed: int
    calls: int
    abandoned: int
    seconds: float
    calls_per_second: int
    rss_mib_warm: float
    rss_mib_second_fifth: float
    rss_mib_last_fifth: float
    descriptors_warm: int
    descriptors_end: int
    outcomes: dict[str, dict[str, int]]
    violations: dict[str, Broken]


def main() -> int:
    options = _options()
    _say(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="redemption-soak-") as folder:
        report = _soaked(Path(folder), options)
    _show(report)
    if options.json:
        options.json.write_text(json.dumps(dataclasses.asdict(report), indent=2))
    return int(bool(report.violations))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000, help="so many calls")
    parser.add_argument("--database-url", help="an empty database; a new SQLite file by default")
    parser.add_argument(
        "--seed",
        type=int,
        default=secrets.randbits(32),
        help="what is sent depends on it; how it races does not",
    )
    parser.add_argument("--json", type=Path, help="file to write the report to")
    return parser.parse_args()


def _soaked(folder: Path, options: argparse.Namespace) -> Report:
    url = options.database_url or f"sqlite+aiosqlite:///{folder / 'soak.db'}"
    if options.database_url:
        migrated = run("migrate", folder=folder, database_url=url)
        assert migrated.returncode == 0, migrated.stderr
    codes = Codes(options.calls)
    settings = {
        "database_url": url,
        "catalog": str(catalogs.write(folder, *organizations(codes))),
        "unknown_codes_per_minute": "1000000",
    }
    with started("up", folder=folder, **settings) as service:
        soak = Soak(service, codes, options.calls, options.seed)
        begun = time.monotonic()
        uvloop.run(soak.run())
        seconds = time.monotonic() - begun
        violations = [*soak.violations, *_ended(service)]
    violations += judge.growth(soak.rss_mib)
    violations += judge.leak(soak.warm_descriptors, soak.descriptors)
    violations += _verify(folder, url)
    return _report(soak, options.seed, seconds, violations)


def _ended(service: Process) -> Iterator[Violation]:
    """Ends it as an operator does; what is wrong with that, and with all that it has logged."""
    service.signal(signal.SIGTERM)
    try:
        exit_code = service.wait()
    except subprocess.TimeoutExpired as error:
        yield Violation("the process does not end", str(error))
        service.stop()
    else:
        if exit_code != 0:
            yield Violation("the process ends badly", f"exit code {exit_code}")
    try:
        log = service.whole_log()
    except (Empty, ValueError) as error:
        # Something that is none of our lines stands in it, or its reader has stumbled over that.
        yield Violation("the log cannot be read", repr(error))
    else:
        yield from judge.errors(log)


def _verify(folder: Path, url: str) -> Iterator[Violation]:
    # It may take its time.
    verified = subprocess.run(
        [str(COMMAND), "verify"],
        cwd=folder,
        env=environment(database_url=url),
        capture_output=True,
        text=True,
        check=False,
    )
    if verified.returncode != 0:
        yield Violation("refuted by `redemption verify`", verified.stdout + verified.stderr)


def _report(soak: Soak, seed: int, seconds: float, violations: Sequence[Violation]) -> Report:
    outcomes: dict[str, dict[str, int]] = {}
    for (kind, outcome), count in sorted(soak.outcomes.items()):
        outcomes.setdefault(kind, {})[outcome] = count
    calls = soak.outcomes.total()
    early, late = judge.medians(soak.rss_mib)
    return Report(
        seed=seed,
        calls=calls,
        abandoned=sum(counts.get(ABANDONED, 0) for counts in outcomes.values()),
        seconds=round(seconds, 1),
        calls_per_second=round(calls / seconds),
        rss_mib_warm=round(soak.warm_rss_mib, 1),
        rss_mib_second_fifth=round(early, 1),
        rss_mib_last_fifth=round(late, 1),
        descriptors_warm=soak.warm_descriptors,
        descriptors_end=soak.descriptors,
        outcomes=outcomes,
        violations=_by_name(violations),
    )


def _by_name(violations: Sequence[Violation]) -> dict[str, Broken]:
    details: dict[str, list[str]] = {}
    for name, detail in violations:
        details.setdefault(name, []).append(detail[:_EXAMPLE_LENGTH])
    return {name: Broken(len(all_), all_[:_EXAMPLES]) for name, all_ in details.items()}


def _show(report: Report) -> None:
    for kind, outcomes in report.outcomes.items():
        shown = ", ".join(f"{name} {count:,}" for name, count in outcomes.items())
        _say(f"{kind:<34}{sum(outcomes.values()):>8,}  {shown}")
    rows = {
        "calls": f"{report.calls:,}",
        "abandoned": f"{report.abandoned:,} ({report.abandoned / report.calls:.1%})",
        "seconds": f"{report.seconds:,}",
        "calls/s": f"{report.calls_per_second:,}",
        "memory after the warm-up": f"{report.rss_mib_warm:.1f} MiB",
        "memory in the second fifth": f"{report.rss_mib_second_fifth:.1f} MiB",
        "memory in the last fifth": f"{report.rss_mib_last_fifth:.1f} MiB",
        "descriptors after the warm-up": f"{report.descriptors_warm}",
        "descriptors at the end": f"{report.descriptors_end}",
        "violations": f"{sum(broken.count for broken in report.violations.values())}",
    }
    for name, value in rows.items():
        _say(f"{name:<34}{value:>20}")
    for name, broken in report.violations.items():
        _say(f"  {name}: {broken.count}", *(f"    {example}" for example in broken.examples))


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
