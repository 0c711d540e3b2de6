"""Copies of the product that are edited and tested, so that the product itself never is."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from xml.etree import ElementTree as ET

from tests.ablation.table import SERVER, Edit, Everywhere
from tests.support.databases import POSTGRES_URL_VARIABLE
from tests.support.repairs import EXACT_BUT

ROOT = Path(__file__).parents[2]
_COPIED = ("server", "gateway", "protos/gen", "tests", "pyproject.toml")
_SOURCES = ("server", "gateway", "protos/gen")
_TIME_OUT_SECONDS = 180
_PYTEST = (
    *("-m", "pytest", "-q", "--no-header", "--tb=line", "-o", "junit_family=xunit2"),
    *("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "tests.ablation.plain_logs"),
)
# What is imported must be the copy, though the environment has the product installed.
_WHERE_FROM = """
import redemption, redemption_gateway, redemption_server, tests.support
for module in (redemption, redemption_gateway, redemption_server, tests.support):
    print(module.__file__)
"""


class StaleTableError(Exception):
    """The table of guards does not fit the product any longer."""


@dataclass(frozen=True)
class Failure:
    """A test that failed, when it had, and what it said."""

    test: str
    seconds: float
    message: str

    @property
    def is_exact(self) -> bool:
        """Whether the state was right, and only took repairs to become so."""
        return EXACT_BUT in self.message


@dataclass(frozen=True)
class Run:
    """What became of some tests: how many there were and which failed, in their order."""

    tests: int
    failures: tuple[Failure, ...]
    output: str

    def failures_of(self, tests: Sequence[str]) -> list[Failure]:
        """The failures of tests that are given as files or node ids; of any, when they hang."""
        return [f for f in self.failures if not f.test or _is_one_of(tests, f.test)]


class Copy:
    """A copy of the product in a folder of its own."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._folder = folder
        for name in _COPIED:
            source, target = ROOT / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(folder / source) for source in _SOURCES),
            # A stale byte code file would hide an edit.
            "PYTHONDONTWRITEBYTECODE": "1",
            POSTGRES_URL_VARIABLE: database_url,
        }
        self._check_imports()

    def _check_imports(self) -> None:
        found = self._python("-c", _WHERE_FROM).stdout.split()
        if len(found) != 4 or not all(Path(f).is_relative_to(self._folder) for f in found):
            raise RuntimeError(f"not the copy is imported: {found}")

    @contextmanager
    def without(self, edits: Sequence[Edit]) -> Iterator[None]:
        """Takes out what the edits say, until the block is left."""
        before = {edit.file: self._file(edit.file).read_text() for edit in edits}
        after = dict(before)
        for edit in edits:
            after[edit.file] = _edited(after[edit.file], edit)
        try:
            for name, text in after.items():
                compile(text, name, "exec")
                self._file(name).write_text(text)
            yield
        finally:
            for name, text in before.items():
                self._file(name).write_text(text)

    def edits_everywhere(self, guard: Everywhere) -> list[Edit]:
        """An edit for each place at which the guard stands."""
        edits = []
        for file in sorted(self._file(guard.where).rglob("*.py")):
            name = str(file.relative_to(self._file(".")))
            text = file.read_text()
            for found in guard.pattern.finditer(text):
                new = text[: found.start()] + found.expand(guard.replacement) + text[found.end() :]
                edits.append(Edit(name, text, new))
        if not edits:
            raise StaleTableError(f"{guard.name}: it stands nowhere")
        return edits

    def test(
        self, tests: Sequence[str], *, before: Sequence[str] = (), first_only: bool = False
    ) -> Run:
        """Runs tests in the order given, those `before` first; their time does not count."""
        report = self._folder / "report.xml"
        report.unlink(missing_ok=True)
        begun = monotonic()
        options = [f"--junitxml={report}", *(["-x"] if first_only else [])]
        try:
            done = self._python(*_PYTEST, *options, *dict.fromkeys([*before, *tests]))
        except subprocess.TimeoutExpired:
            return Run(0, (Failure("", monotonic() - begun, "does not end"),), "")
        if done.returncode not in (0, 1):
            raise RuntimeError(f"pytest could not run:\n{done.stdout}{done.stderr}")
        return _read(report, before, done.stdout)

    def _python(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_TIME_OUT_SECONDS,
            check=False,
        )

    def _file(self, name: str) -> Path:
        below = "" if name.startswith("gateway/") else SERVER
        return self._folder / below / name


@contextmanager
def copy_of_product(database_url: str) -> Iterator[Copy]:
    """A copy that is gone when the block is left."""
    with tempfile.TemporaryDirectory(prefix="ablation-") as folder:
        yield Copy(Path(folder).resolve(), database_url)


def _edited(text: str, edit: Edit) -> str:
    count = text.count(edit.old)
    if count != 1:
        raise StaleTableError(f"{edit.file} has this {count} times, not once:\n{edit.old}")
    return text.replace(edit.old, edit.new)


def _read(report: Path, before: Sequence[str], output: str) -> Run:
    failures, seconds, tests = [], 0.0, 0
    for case in ET.parse(report).getroot().iter("testcase"):
        node = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        tests += 1
        if not _is_one_of(before, node):
            seconds += float(case.get("time", "0"))
        broken = next((e for e in case if e.tag in ("failure", "error")), None)
        if broken is not None:
            failures.append(Failure(node, seconds, _sentence(broken.get("message", ""))))
    return Run(tests, tuple(failures), output)


def _sentence(message: str) -> str:
    """The first line of what a test said, without the kind of exception that said it."""
    line = message.strip().splitlines()[0] if message.strip() else ""
    return line.removeprefix("AssertionError: ")


def _is_one_of(tests: Sequence[str], node: str) -> bool:
    return any(node == test or node.startswith((f"{test}[", f"{test}::")) for test in tests)
