"""Runs the cases and says what they showed; writes it as JSON too.

    python -m benchmarks.run [--quick] [--only TEXT] [--json FILE]

Both sides of a case run at once, in processes of their own, and are loaded in turn, the one that
begins changing from round to round. Every answer is looked at; after a case the records of both
sides are counted and those of ours verified. Each ratio is the median of the rounds' ratios.
"""

import argparse
import json
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.cases import CASES, Case, median_ratio
from benchmarks.machine import described
from benchmarks.report import needed
from benchmarks.sides import Setting, new_setting
from benchmarks.single import FIGURES, Figure

_console = Console(width=150)


def measure(case: Case, setting: Setting, rounds: int, seconds: float) -> dict[str, Any]:
    """Runs a case; what it showed."""
    begun = time.monotonic()
    with ExitStack() as stack:
        sides = [stack.enter_context(side.open(setting)) for side in (case.first, case.second)]
        for side in sides:
            side.run(seconds, warm_up=True)
        for number in range(rounds):
            for side in sides if number % 2 else reversed(sides):
                side.run(seconds)
        for side in sides:
            side.check()
    first, second = (case.seen(side) for side in sides)
    ratio, least, greatest = median_ratio(first, second)
    return {
        "case": case.name,
        "ratio": ratio,
        "ratio_min": least,
        "ratio_max": greatest,
        "at_least": case.at_least,
        "at_most": case.at_most,
        "aim": case.aim,
        "is_met": case.is_met(ratio),
        "compared": case.seen.__name__,
        "first": statistics.median(first),
        "second": statistics.median(second),
        "rounds": {"first": first, "second": second},
        "seconds": time.monotonic() - begun,
    }


def measure_single(figure: Figure, setting: Setting, rounds: int) -> dict[str, Any]:
    """Measures a figure of our service alone; what it showed."""
    begun = time.monotonic()
    found = figure.measure(setting, rounds)
    ratios = found.pop("rounds")
    ratio = statistics.median(ratios)
    return {
        "case": figure.name,
        "ratio": ratio,
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "at_least": None,
        "at_most": figure.at_most,
        "aim": figure.aim,
        "is_met": ratio <= figure.at_most,
        "compared": figure.measure.__name__,
        **found,
        "rounds": ratios,
        "seconds": time.monotonic() - begun,
    }


def show(results: list[dict[str, Any]]) -> None:
    """Prints a table."""
    table = Table("case", "first", "second", "ratio", "from", "to", "needed", "aim", "met")
    for one in results:
        bound = needed(one)
        table.add_row(
            one["case"],
            f"{one['first']:,.1f}",
            f"{one['second']:,.1f}",
            f"{one['ratio']:.3f}",
            f"{one['ratio_min']:.3f}",
            f"{one['ratio_max']:.3f}",
            bound,
            "" if one["aim"] is None else str(one["aim"]),
            "" if not bound else "yes" if one["is_met"] else "NO",
        )
    _console.print(table)


def main() -> int:
    """Runs; 1 when something that must be reached is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few cases, shorter")
    parser.add_argument("--only", default="", help="cases whose name has this")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--json", type=Path, default=Path("var/bench.json"))
    arguments = parser.parse_args()
    chosen = [
        one
        for one in (*CASES, *FIGURES)
        if arguments.only in one.name and (one.quick or not arguments.quick)
    ]
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    seconds = arguments.seconds or (2 if arguments.quick else 3)
    results = []
    with new_setting() as setting:
        for one in chosen:
            if isinstance(one, Figure):
                results.append(measure_single(one, setting, rounds))
            else:
                results.append(measure(one, setting, rounds, seconds))
            show(results[-1:])
    show(results)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": described(), "results": results}
    arguments.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return not all(one["is_met"] for one in results)


if __name__ == "__main__":
    sys.exit(main())
