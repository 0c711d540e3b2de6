"""The published figures are those of the run that lies beside them."""

import json
from pathlib import Path

from benchmarks.report import rendered

DOCS = Path(__file__).parents[2] / "docs"


def test_the_tables_are_those_of_the_run() -> None:
    run = json.loads((DOCS / "performance.json").read_text())
    assert rendered(run) in (DOCS / "performance.md").read_text()


def test_what_must_be_reached_is() -> None:
    run = json.loads((DOCS / "performance.json").read_text())
    assert [one["case"] for one in run["results"] if not one["is_met"]] == []
