"""How long a million codes take to import, and how much memory.

    python -m benchmarks.bulk_import

Runs the real command on a file, on each engine.
"""

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support import catalogs
from tests.support.databases import ENGINES, Databases
from tests.support.process import COMMAND, environment, run

SECONDS_AT_MOST = 300.0
MEBIBYTES_AT_MOST = 300.0
_SERIES = 1


@dataclass(frozen=True, slots=True)
class Import:
    """What an import took.

    `mebibytes` is the most resident memory of the process, or of this one if that had more.
    """

    engine: str
    codes: int
    seconds: float
    cpu_seconds: float
    mebibytes: float

    @property
    def is_within_bounds(self) -> bool:
        """Whether it was quick and small enough."""
        return self.seconds <= SECONDS_AT_MOST and self.mebibytes <= MEBIBYTES_AT_MOST


@contextmanager
def database_url(engine: str, folder: Path) -> Iterator[str]:
    """A fresh database with the schema."""
    with ExitStack() as stack:
        databases = Databases(folder)
        stack.callback(databases.close)
        if engine == "sqlite":
            yield databases.sqlite()
        else:
            yield stack.enter_context(databases.postgresql())


def write_codes(file: Path, count: int) -> None:
    """A CSV file of random codes, half of them with a last day."""
    with file.open("w") as opened:
        opened.write("code,valid_until\n")
        for number in range(count):
            until = "2030-12-31T23:59:59Z" if number % 2 else ""
            opened.write(f"{secrets.token_hex(5)}{number:07d},{until}\n")


def measure(engine: str, folder: Path, codes: int) -> Import:
    """Imports so many codes into a fresh database."""
    file = folder / "codes.csv"
    if not file.exists():
        write_codes(file, codes)
    with database_url(engine, folder) as url:
        series = catalogs.series(_SERIES, coupons=[])
        catalog = catalogs.write(folder, catalogs.organization(coupon_series=[series]))
        applied = run("catalog", "apply", str(catalog), folder=folder, database_url=url)
        assert not applied.returncode, applied.stderr
        begun = time.monotonic()
        process = subprocess.Popen(
            [COMMAND, "coupons", "import", file, "--series", str(_SERIES)],
            cwd=folder,
            env=environment(database_url=url),
            stdout=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        assert not process.returncode
        count = asyncio.run(_count(url))
        assert count == codes, f"{count:,} codes are in the database instead of {codes:,}"
    return Import(engine, codes, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1_024)


async def _count(url: str) -> int:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        count = (await connection.execute(text("SELECT count(*) FROM coupon"))).scalar_one()
    await engine.dispose()
    return int(count)


def main() -> int:
    """Prints what imports took; 1 when one was above the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codes", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=[*ENGINES, "both"], default="both")
    parser.add_argument("--json", type=Path, help="a file to write the figures to")
    arguments = parser.parse_args()
    engines = ENGINES if arguments.engine == "both" else (arguments.engine,)
    imports = []
    with tempfile.TemporaryDirectory() as folder:
        for engine in engines:
            imports.append(measure(engine, Path(folder), arguments.codes))
            _print(imports[-1])
    met = all(one.is_within_bounds for one in imports)
    print(
        f"at most {SECONDS_AT_MOST:.0f} s and {MEBIBYTES_AT_MOST:.0f} MiB: {'yes' if met else 'NO'}"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(list(map(asdict, imports)), indent=2) + "\n")
    return not met


def _print(one: Import) -> None:
    print(
        f"{one.engine}: {one.codes:,} codes in {one.seconds:.1f} s "
        f"({one.codes / one.seconds:,.0f} per second), {one.cpu_seconds:.1f} s of CPU, "
        f"{one.mebibytes:.0f} MiB at most",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
