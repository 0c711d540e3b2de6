"""Storms real servers with racing calls and judges what is left.

SQLite is stormed through one server, PostgreSQL through two on one database. The exit code is 1
when any promise was broken; `python -m tests.storm.storm --help` lists the options.
"""

import argparse
import asyncio
import dataclasses
import json
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from tests.storm.callers import Storm
from tests.storm.offer import ORGANIZATIONS, first_catalog
from tests.storm.samples import Sample, Samples
from tests.storm.state import Violation, load_state, violations_of
from tests.support import catalogs
from tests.support.databases import ENGINES, Databases
from tests.support.process import COMMAND, Process, environment, run, started

_SERVERS = {"sqlite": 1, "postgresql": 2}
_SAMPLE_SECONDS = 1.0
_LOG_SECONDS = 10
_EXAMPLES = 5
_EXAMPLE_LENGTH = 1_000


@dataclass
class Broken:
    """How often a promise was broken, with a few examples."""

    count: int
    examples: list[str]


@dataclass
class Report:
    """What a storm was, and what it showed."""

    engine: str
    servers: int
    seed: int
    attempts: int
    seconds: float
    attempts_per_second: int
    granted: int
    replayed: int
    abandoned: int
    refused: dict[str, int]
    batches_repeated: int
    samples: list[dict[str, Sample]]
    violations: dict[str, Broken]


@dataclass
class Aftermath:
    """What is left when the servers have stopped, apart from the database."""

    storm: Storm
    seconds: float
    samples: list[Samples]
    log: list[dict[str, Any]]


def main() -> int:
    options = _options()
    engines = ENGINES if options.engine == "both" else (options.engine,)
    reports = []
    with tempfile.TemporaryDirectory(prefix="redemption-storm-") as folder:
        databases = Databases(Path(folder))
        try:
            for engine in engines:
                report = _judged_storm(engine, databases, Path(folder), options)
                reports.append(report)
                _show(report)
        finally:
            databases.close()
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(r) for r in reports], indent=2))
    return int(any(report.violations for report in reports))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.storm.storm", description=__doc__)
    parser.add_argument("--attempts", type=int, default=100_000, help="at least so many calls")
    parser.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    parser.add_argument(
        "--seed",
        type=int,
        default=secrets.randbits(32),
        help="what is sent depends on it; how it races does not",
    )
    parser.add_argument("--json", type=Path, help="file to write the reports to")
    parser.add_argument(
        "--flat", action="store_true", help="the servers must not grow after 30 %% of the attempts"
    )
    return parser.parse_args()


@contextmanager
def _database(engine: str, databases: Databases) -> Iterator[str]:
    if engine == "sqlite":
        yield databases.sqlite()
    else:
        with databases.postgresql() as url:
            yield url


def _judged_storm(
    engine: str, databases: Databases, folder: Path, options: argparse.Namespace
) -> Report:
    with _database(engine, databases) as url:
        _apply_first_catalogs(url, folder)
        aftermath = _storm_servers(engine, url, folder, options)
        violations = list(_violations(aftermath, url, folder, flat=options.flat))
    answers = aftermath.storm.answers
    return Report(
        engine=engine,
        servers=_SERVERS[engine],
        seed=options.seed,
        attempts=answers.attempts,
        seconds=round(aftermath.seconds, 1),
        attempts_per_second=round(answers.attempts / aftermath.seconds),
        granted=answers.granted,
        replayed=answers.replayed,
        abandoned=answers.abandoned,
        refused=dict(answers.refused.most_common()),
        batches_repeated=sum(entry["event"] == "batch repeated" for entry in aftermath.log),
        samples=[samples.summary() for samples in aftermath.samples],
        violations=_by_name(violations),
    )


def _apply_first_catalogs(url: str, folder: Path) -> None:
    file = catalogs.write(folder, *map(first_catalog, ORGANIZATIONS))
    applied = run("catalog", "apply", str(file), folder=folder, database_url=url)
    assert applied.returncode == 0, applied.stderr


def _storm_servers(engine: str, url: str, folder: Path, options: argparse.Namespace) -> Aftermath:
    """Storms servers and stops them, so that all they were sent has come to its end."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(started("server", folder=folder, database_url=url))
            for _ in range(_SERVERS[engine])
        ]
        ports = [server.port("gRPC server listens") for server in servers]
        storm = Storm(ports, options.attempts, options.seed, folder)
        samples = [Samples(server.pid) for server in servers]
        begun = time.monotonic()
        uvloop.run(_sampled(storm, samples))
        seconds = time.monotonic() - begun
        log = [entry for server in servers for entry in _stop(server)]
    return Aftermath(storm, seconds, samples, log)


async def _sampled(storm: Storm, all_samples: Sequence[Samples]) -> None:
    def take() -> None:
        for samples in all_samples:
            samples.take(storm.answers.attempts)

    async def keep_taking() -> None:
        while True:
            take()
            await asyncio.sleep(_SAMPLE_SECONDS)

    taking = asyncio.create_task(keep_taking())
    await storm.blow()
    taking.cancel()
    take()


def _stop(server: Process) -> list[dict[str, Any]]:
    """Stops a server; all that it has logged since it listens."""
    server.signal(signal.SIGTERM)
    exit_code = server.wait()
    log = [] if exit_code == 0 else [{"level": "error", "event": f"exit code {exit_code}"}]
    while line := server._lines.get(timeout=_LOG_SECONDS):
        log.append(json.loads(line) if line.startswith("{") else {"level": "error", "event": line})
    return log


def _violations(aftermath: Aftermath, url: str, folder: Path, *, flat: bool) -> Iterator[Violation]:
    storm = aftermath.storm
    yield from storm.answers.violations
    state = asyncio.run(load_state(url))
    yield from storm.answers.violations_of(state, storm.limits)
    yield from violations_of(state, storm.limits)
    for entry in aftermath.log:
        if entry["level"] not in ("debug", "info"):
            yield Violation("problem in the log", str(entry))
    for samples in aftermath.samples:
        if flat and samples.growth():
            yield Violation("a server grows", samples.growth())
    yield from _verify(url, folder)


def _verify(url: str, folder: Path) -> Iterator[Violation]:
    """The product's own opinion of the state, where it has a command for that."""
    if run("verify", "--help", folder=folder).returncode != 0:
        return
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


def _by_name(violations: Sequence[Violation]) -> dict[str, Broken]:
    details: dict[str, list[str]] = {}
    for name, detail in violations:
        details.setdefault(name, []).append(detail[:_EXAMPLE_LENGTH])
    return {name: Broken(len(all_), all_[:_EXAMPLES]) for name, all_ in details.items()}


def _show(report: Report) -> None:
    rows: dict[str, Any] = {
        "engine": report.engine,
        "servers": report.servers,
        "seed": str(report.seed),
        "attempts": report.attempts,
        "seconds": report.seconds,
        "attempts/s": report.attempts_per_second,
        "granted": report.granted,
        "replayed": report.replayed,
        "abandoned": report.abandoned,
        **{f"refused {reason}": count for reason, count in report.refused.items()},
        "repeated batches": report.batches_repeated,
    }
    for number, samples in enumerate(report.samples, 1):
        for share, sample in samples.items():
            rows[f"server {number} at {share}"] = f"{sample.rss_mib} MiB, {sample.fds} fds"
    rows["violations"] = sum(broken.count for broken in report.violations.values())
    for name, value in rows.items():
        _say(f"{name:<34}{value if isinstance(value, str) else format(value, ','):>20}")
    for name, broken in report.violations.items():
        _say(f"  {name}: {broken.count}", *(f"    {example}" for example in broken.examples))
    _say("")


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
