"""`python -m tests.ablation.run`: takes guards out, one by one and in pairs, and runs tests."""

import argparse
import asyncio
import sys
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue

from tests.ablation.copies import Copy, Run, copy_of_product
from tests.ablation.findings import EverywhereFinding, Finding, GuardFinding, PairFinding
from tests.ablation.guards import TABLE
from tests.ablation.report import write_report
from tests.ablation.table import STORM, Edit, Everywhere, Guard, Pair, Table
from tests.support.databases import Databases, _execute

_STILL_WORKS = "tests/ablation/still_works.py"
_SIDE_BY_SIDE = 2


def main() -> int:
    """Returns 1 when something is not as the table says."""
    parser = argparse.ArgumentParser(prog="python -m tests.ablation.run", description=__doc__)
    parser.add_argument("--only", default="", metavar="NAME", help="guards whose name has this")
    parser.add_argument("--write", type=Path, metavar="FILE", help="renew the table in FILE")
    options = parser.parse_args()
    if options.only and options.write:
        parser.error("--write needs all guards")
    with postgres() as url, copy_of_product(url) as copy:
        findings = list(go_through(TABLE.named(options.only), copy, url))
    wrong = [problem for finding in findings for problem in finding.problems]
    if options.write and not wrong:
        write_report(options.write, findings)
    for problem in wrong:
        _say(f"WRONG: {problem}")
    return 1 if wrong else 0


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL for all runs, which spares each its start; nothing on it has to be kept."""
    warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
    with tempfile.TemporaryDirectory() as folder:
        databases = Databases(Path(folder))
        url = databases._start_postgres()
        for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
            asyncio.run(_execute(url, statement))
        try:
            yield url.render_as_string(hide_password=False)
        finally:
            databases.close()


def go_through(table: Table, copy: Copy, url: str) -> Iterator[Finding]:
    """What is found out about each guard, as it is found out."""
    for guard in table.guards:
        with copy.without(guard.edits):
            pass
    _check_baseline(copy, table)
    for guard in table.guards:
        yield _tell(_take_out(copy, table, guard))
    for pair in table.pairs:
        yield _tell(_take_out_both(copy, pair))
    for everywhere in table.everywhere:
        yield _tell(_take_out_everywhere(copy, url, everywhere))


def _check_baseline(copy: Copy, table: Table) -> None:
    run = copy.test([_STILL_WORKS, STORM, *table.tests])
    if run.failures:
        raise SystemExit(f"tests fail with all guards in place:\n{run.output}")
    _say(f"{run.tests} tests pass with all guards in place")


def _take_out(copy: Copy, table: Table, guard: Guard) -> GuardFinding:
    pairs = TABLE.pairs_of(guard)
    pair_tests = [test for pair in pairs for test in pair.tests]
    storm = [STORM] if guard.storm else []
    with copy.without(guard.edits):
        run = copy.test([*guard.tests, *pair_tests], before=[_STILL_WORKS, *storm])
    return GuardFinding(
        guard,
        pairs,
        broken=run.failures_of([_STILL_WORKS]),
        failures=run.failures_of([*guard.tests, *pair_tests, ""]),
        not_backed_up=[f for f in run.failures_of(pair_tests) if not f.is_exact],
        storm=run.failures_of(storm),
    )


def _take_out_both(copy: Copy, pair: Pair) -> PairFinding:
    edits: list[Edit] = []
    for name in (pair.first, pair.second):
        edits += TABLE.guard(name).edits
    storm = [STORM] if pair.storm else []
    with copy.without(edits):
        run = copy.test(pair.tests, before=[_STILL_WORKS, *storm])
    return PairFinding(
        pair,
        broken=run.failures_of([_STILL_WORKS]),
        failures=[f for f in run.failures_of([*pair.tests, ""]) if not f.is_exact],
        storm=run.failures_of(storm),
    )


def _take_out_everywhere(copy: Copy, url: str, guard: Everywhere) -> EverywhereFinding:
    edits = copy.edits_everywhere(guard)
    with ExitStack() as stack, ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for _ in range(_SIDE_BY_SIDE):
            copies.put(stack.enter_context(copy_of_product(url)))

        def take_out(edit: Edit) -> Run:
            free = copies.get()
            try:
                with free.without([edit]):
                    return free.test(guard.tests, first_only=True)
            finally:
                copies.put(free)

        runs = list(pool.map(take_out, edits))
    return EverywhereFinding(guard, list(zip(edits, runs, strict=True)))


def _tell(finding: Finding) -> Finding:
    _say(finding.line)
    return finding


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
