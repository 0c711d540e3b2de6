"""`python -m tests.ablation.run`: takes guards out, one by one and in pairs, and runs tests."""

import argparse
import asyncio
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
_COPIES = 2


def main() -> int:
    """Returns 1 when something is not as the table says."""
    parser = argparse.ArgumentParser(prog="python -m tests.ablation.run", description=__doc__)
    parser.add_argument("--only", default="", metavar="NAME", help="guards whose name has this")
    parser.add_argument("--write", type=Path, metavar="FILE", help="renew the table in FILE")
    options = parser.parse_args()
    if options.only and options.write:
        parser.error("--write needs all guards")
    with workshop() as shop:
        findings = list(go_through(TABLE.named(options.only), shop))
    wrong = [problem for finding in findings for problem in finding.problems]
    for problem in wrong:
        _say(f"WRONG: {problem}")
    if options.write and not wrong:
        write_report(options.write, findings)
    return 1 if wrong else 0


class Workshop:
    """Some copies of the product, in which tests run side by side."""

    def __init__(self, copies: Sequence[Copy], pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._free: SimpleQueue[Copy] = SimpleQueue()
        for copy in copies:
            self._free.put(copy)

    @contextmanager
    def copy(self) -> Iterator[Copy]:
        """A copy that nobody else has until the block is left."""
        copy = self._free.get()
        try:
            yield copy
        finally:
            self._free.put(copy)

    def run(
        self,
        edits: Sequence[Edit],
        tests: Sequence[str],
        *,
        before: Sequence[str] = (),
        first_only: bool = False,
    ) -> "Future[Run]":
        """Runs tests in a copy with edits, as soon as one is free."""

        def work() -> Run:
            with self.copy() as copy, copy.without(edits):
                return copy.test(tests, before=before, first_only=first_only)

        return self._pool.submit(work)


@contextmanager
def workshop() -> Iterator[Workshop]:
    """A workshop; its copies, its threads and its databases are gone when the block is left."""
    with ExitStack() as stack:
        urls = [stack.enter_context(postgres()) for _ in range(_COPIES)]
        copies = [stack.enter_context(copy_of_product(url)) for url in urls]
        pool = stack.enter_context(ThreadPoolExecutor(_COPIES))
        stack.callback(pool.shutdown, cancel_futures=True)
        yield Workshop(copies, pool)


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL for many runs, which spares each its start; nothing on it has to be kept."""
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


def go_through(table: Table, shop: Workshop) -> Iterator[Finding]:
    """What is found out about each guard, as it is found out."""
    _check_table(table, shop)
    pending: list[Callable[[], Finding]] = [
        *(_without(shop, guard) for guard in table.guards),
        *(_without_both(shop, pair) for pair in table.pairs),
        *(_without_each(shop, everywhere) for everywhere in table.everywhere),
    ]
    for finding_of in pending:
        finding = finding_of()
        _say(finding.line)
        yield finding


def _check_table(table: Table, shop: Workshop) -> None:
    """Edits fit, and tests pass as long as nothing is taken out."""
    with shop.copy() as copy:
        for guard in table.guards:
            with copy.without(guard.edits):
                pass
    run = shop.run([], [_STILL_WORKS, STORM, *table.tests]).result()
    if run.failures:
        raise SystemExit(f"tests fail with all guards in place:\n{run.output}")
    _say(f"{run.tests} tests pass with all guards in place")


def _without(shop: Workshop, guard: Guard) -> Callable[[], Finding]:
    pairs = TABLE.pairs_of(guard)
    pair_tests = [test for pair in pairs for test in pair.tests]
    storm = [STORM] if guard.storm else []
    # The guard's own tests come last: one that fails may leave something open.
    others = [test for test in pair_tests if test not in guard.tests]
    running = shop.run(guard.edits, guard.tests, before=[_STILL_WORKS, *storm, *others])

    def finding() -> Finding:
        run = running.result()
        return GuardFinding(
            guard,
            broken=run.failures_of([_STILL_WORKS]),
            failures=run.failures_of(guard.tests),
            not_backed_up=[f for f in run.failures_of(pair_tests) if not f.is_exact],
            storm=run.failures_of(storm),
        )

    return finding


def _without_both(shop: Workshop, pair: Pair) -> Callable[[], Finding]:
    edits = [edit for name in (pair.first, pair.second) for edit in TABLE.guard(name).edits]
    storm = [STORM] if pair.storm else []
    running = shop.run(edits, pair.tests, before=[_STILL_WORKS, *storm])

    def finding() -> Finding:
        run = running.result()
        return PairFinding(
            pair,
            broken=run.failures_of([_STILL_WORKS]),
            failures=[f for f in run.failures_of(pair.tests) if not f.is_exact],
            storm=run.failures_of(storm),
        )

    return finding


def _without_each(shop: Workshop, guard: Everywhere) -> Callable[[], Finding]:
    with shop.copy() as copy:
        edits = copy.edits_everywhere(guard)
    running = [shop.run([edit], guard.tests, first_only=True) for edit in edits]

    def finding() -> Finding:
        runs = [run.result() for run in running]
        return EverywhereFinding(guard, list(zip(edits, runs, strict=True)))

    return finding


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
