"""The storm, small: that its program runs, and finds nothing wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import ENGINES

ROOT = Path(__file__).parents[2]
ATTEMPTS = 2_000


@pytest.mark.parametrize("engine", ENGINES)
def test_a_small_storm_breaks_no_promise(engine: str, tmp_path: Path) -> None:
    file = tmp_path / "reports.json"
    options = ["--attempts", str(ATTEMPTS), "--engine", engine, "--json", str(file)]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.storm.storm", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (report,) = json.loads(file.read_text())
    assert report["violations"] == {}
    assert report["attempts"] >= ATTEMPTS
    # It stormed: calls were granted, repeated, refused and abandoned.
    assert all(report[what] > 0 for what in ("granted", "replayed", "abandoned"))
    assert report["refused"].keys() >= {"LIMIT_REACHED", "TRANSACTION_CONFLICT", "REQUEST_CONFLICT"}
