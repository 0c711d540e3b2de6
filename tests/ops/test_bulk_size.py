"""Imports that are long: killed in the middle, and larger than memory should be."""

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ops.bulk import COUPONS, count, done, rows, write
from tests.support.process import COMMAND, environment

KILLED_AFTER = 4_000
# Runs a command and prints how much memory it took at most, in KB.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@contextmanager
def importing(folder: Path, file: str) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(
        [str(COMMAND), "coupons", "import", file, *COUPONS],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_an_import_that_was_killed_is_run_again_and_nothing_is_lost_or_twice(folder: Path) -> None:
    total = 60_000
    file = write(folder, "code\n" + "".join(f"C{n:06}\n" for n in range(total)))
    deadline = time.monotonic() + 60
    with importing(folder, file) as process:
        while count(folder) < KILLED_AFTER:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    there = count(folder)
    assert KILLED_AFTER <= there < total
    # All rows before one that is there are there as well.
    assert rows(folder, "SELECT max(code) FROM coupon") == [(f"C{there - 1:06}",)]
    printed = done("coupons", "import", file, *COUPONS, folder=folder)
    assert f"{total - there} coupons imported, {there} kept, 0 bad" in printed
    assert rows(folder, "SELECT count(*), min(code), max(code) FROM coupon") == [
        (total, "C000000", f"C{total - 1:06}")
    ]


@pytest.mark.alone
def test_memory_does_not_grow_with_the_file(folder: Path) -> None:
    def peak_kb(name: str, total: int) -> int:
        with (folder / f"{name}.csv").open("w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(["code", "validation_code"])
            writer.writerows([f"{name}{n}", "x" * 100] for n in range(total))
        result = subprocess.run(
            [
                sys.executable,
                "-c",
                MEASURE,
                str(COMMAND),
                "coupons",
                "import",
                f"{name}.csv",
                *COUPONS,
            ],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        assert f"{total} coupons imported" in result.stdout
        return int(result.stdout.split()[-1])

    few, many = peak_kb("few", 20_000), peak_kb("many", 200_000)
    assert count(folder) == 220_000
    # The file grew by 20 MB.
    assert many < few + 10_000
