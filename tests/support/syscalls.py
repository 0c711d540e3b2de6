"""What a process asked of its disk and of the network, in order, as strace saw it."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

from tests.support.process import COMMAND, Process, environment
from tests.support.tools import REQUIRE_TOOLS

Test = TypeVar("Test", bound=Callable[..., Any])
STRACE = shutil.which("strace")


def _may_trace() -> bool:
    """Whether this machine lets a process be traced; some containers do not."""
    assert STRACE
    tried = subprocess.run([STRACE, "-o", "/dev/null", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def needs_strace(test: Test) -> Test:
    """Marks a test that traces."""
    missing = pytest.mark.skipif(
        STRACE is None and not REQUIRE_TOOLS, reason="strace is missing: apt-get install strace"
    )
    forbidden = pytest.mark.skipif(
        STRACE is not None and not _may_trace(), reason="this machine lets no process be traced"
    )
    marked: Test = missing(forbidden(test))
    return marked


_END_SECONDS = 30
# Longer than a page, which is the most that SQLite writes at once.
_STRING_BYTES = 8_192
# With a question mark: not every processor has it.
_TRACED = (
    "?open,openat,?creat,?unlink,unlinkat,?rename,?renameat,?renameat2,ftruncate,?truncate,fallocate,"
    "write,writev,pwrite64,pwritev,?pwritev2,fsync,fdatasync,?sync_file_range,sendto,sendmsg,sendmmsg"
)

_LINE = re.compile(r"(?P<thread>\d+) +(?P<rest>.*)")
_WHOLE = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
_BEGUN = re.compile(r"(?P<name>\w+)\((?P<arguments>.*) <unfinished \.\.\.>$")
_ENDED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<arguments>.*)\) += (?P<result>-?\d+)")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_PLACE = re.compile(r"\d+<((?:\\x[0-9a-f]{2})+)>")


class Moment(NamedTuple):
    """A system call begins (`result` is None) or ends."""

    thread: int
    name: str
    arguments: str
    result: int | None

    @property
    def strings(self) -> list[bytes]:
        """What is between quotes."""
        return [_bytes(escaped) for escaped in _STRING.findall(self.arguments)]

    @property
    def place(self) -> Path | None:
        """The file of the first descriptor, None when it is a socket."""
        found = _PLACE.match(self.arguments)
        return Path(_bytes(found[1]).decode()) if found else None

    @property
    def numbers(self) -> list[int]:
        """The arguments that are numbers, after the descriptor."""
        return [int(part) for part in self.arguments.split(", ")[1:] if part.isdigit()]


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def moments(trace: Path) -> Iterator[Moment]:
    """All that is in a trace, in order."""
    begun: dict[int, str] = {}
    with trace.open() as lines:
        for line in lines:
            parts = _LINE.match(line)
            assert parts, line
            thread, rest = int(parts["thread"]), parts["rest"]
            if whole := _WHOLE.match(rest):
                yield Moment(thread, whole["name"], whole["arguments"], None)
                yield Moment(thread, whole["name"], whole["arguments"], int(whole["result"]))
            elif beginning := _BEGUN.match(rest):
                begun[thread] = beginning["arguments"]
                yield Moment(thread, beginning["name"], beginning["arguments"], None)
            elif end := _ENDED.match(rest):
                arguments = begun.pop(thread) + end["arguments"]
                yield Moment(thread, end["name"], arguments, int(end["result"]))


@contextmanager
def traced(*arguments: str, folder: Path, trace: Path, **settings: str) -> Iterator[Process]:
    """Starts `redemption …` under strace; its process id is the command's own."""
    options = ["-q", "-yy", "-xx", "-s", str(_STRING_BYTES), "-e", f"trace={_TRACED}"]
    with _under_strace([*options, "-o", str(trace)], arguments, folder, settings) as process:
        yield process


@contextmanager
def with_slow_commits(
    *arguments: str, folder: Path, milliseconds: int, **settings: str
) -> Iterator[Process]:
    """Starts `redemption …` on a disk that takes that long, at least, to make a write durable."""
    calls = "fsync,fdatasync"
    delay = f"inject={calls}:delay_exit={milliseconds}ms"
    # Only those calls stop the process: the others run at their own speed.
    options = ["--seccomp-bpf", "-qq", "-e", f"trace={calls}", "-e", delay]
    with _under_strace([*options, "-o", "/dev/null"], arguments, folder, settings) as process:
        yield process


@contextmanager
def _under_strace(
    options: Sequence[str], arguments: Sequence[str], folder: Path, settings: dict[str, str]
) -> Iterator[Process]:
    assert STRACE
    process = Process(
        subprocess.Popen(
            [STRACE, "-D", "-f", *options, str(COMMAND), *arguments],
            cwd=folder,
            env=environment(grpc_address="127.0.0.1:0", log_format="json", **settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    try:
        yield process
    finally:
        process.stop()


def wait_for_end(trace: Path, pid: int) -> None:
    """Waits until strace has written the last of a process that has ended."""
    deadline = time.monotonic() + _END_SECONDS
    end = re.compile(rf"^{pid} +\+\+\+ ", re.MULTILINE)
    while not end.search(trace.read_text()[-1_000:]):
        assert time.monotonic() < deadline, f"no end in {trace}"
        time.sleep(0.05)
