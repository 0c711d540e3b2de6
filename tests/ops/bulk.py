"""What the tests of bulk commands share: commands that are done or fail, and what they left."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support import catalogs
from tests.support.process import COMMAND, environment, run

COUPONS = ("--series", "1")
ALL_COUPONS = "SELECT code, customer_id, validation_code, revoked FROM coupon ORDER BY code_key"
ALL_CODES = "SELECT code, customer_id, active FROM promotion_code ORDER BY code"


def stock(folder: Path, *org_ids: int) -> None:
    organizations = [
        catalogs.organization(
            id=org_id,
            credentials=[],
            coupon_series=[catalogs.series(coupons=[])],
            promotions=[catalogs.promotion()],
        )
        for org_id in org_ids
    ]
    done("catalog", "apply", str(catalogs.write(folder, *organizations)), folder=folder)


def done(*arguments: str, folder: Path) -> str:
    """What a command prints that succeeds."""
    result = run(*arguments, folder=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout


def failed(*arguments: str, folder: Path) -> str:
    """What a command prints about its failure, without a traceback."""
    result = run(*arguments, folder=folder)
    assert result.returncode == 1, result
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def rows(folder: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "var" / "redemption.db")) as connection:
        return connection.execute(statement).fetchall()


def count(folder: Path, table: str = "coupon") -> int:
    return int(rows(folder, f"SELECT count(*) FROM {table}")[0][0])


def write(folder: Path, text: str, name: str = "rows.csv") -> str:
    (folder / name).write_bytes(text.encode())
    return name


def piped(
    *arguments: str, folder: Path, given: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    """Runs a command on bytes, where nothing says that text is UTF-8."""
    return subprocess.run(
        [str(COMMAND), *arguments],
        cwd=folder,
        env={**environment(), "PYTHONIOENCODING": "latin-1"},
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )
