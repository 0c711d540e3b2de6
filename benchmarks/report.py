"""The figures of a run as Markdown, kept between two markers of a document in `docs`.

python -m benchmarks.report RUN.json DOCUMENT.md
"""

import json
import sys
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
_UNITS = {
    "throughput": "calls/s",
    "latency": "ms",
    "cpu": "µs",
    "latency_at_half_capacity": "ms",
    "memory_as_it_goes_on": "MiB",
}


def write_report(run: Path, document: Path) -> None:
    """Puts the tables between the markers."""
    before, _, rest = document.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"{document} has no markers"
    document.write_text(f"{before}{BEGIN}\n{rendered(json.loads(run.read_text()))}\n{END}{after}")


def rendered(report: dict[str, Any]) -> str:
    """The machine, and a row for each case."""
    machine = report["machine"]
    versions = ", ".join(
        f"{k} {v}" for k, v in machine.items() if k not in ("processors", "commit")
    )
    lines = [
        f"Commit `{machine['commit']}`, {machine['processors']}; {versions}.",
        "",
        "| case | first | second | ratio | from … to | needed | aim |",
        "|---|---|---|---|---|---|---|",
        *(_row(one) for one in report["results"]),
    ]
    return "\n".join(lines)


def needed(one: dict[str, Any]) -> str:
    """What a case must reach, empty when it is there to be looked at."""
    least, most = one["at_least"], one["at_most"]
    return f"≥ {least}" if least is not None else f"≤ {most}" if most is not None else ""


def _row(one: dict[str, Any]) -> str:
    unit = _UNITS[one["compared"]]
    missed = "" if one["is_met"] else " (missed)"
    cells = (
        one["case"],
        f"{_number(one['first'])} {unit}",
        f"{_number(one['second'])} {unit}",
        f"**{one['ratio']:.3f}**",
        f"{one['ratio_min']:.3f} … {one['ratio_max']:.3f}",
        needed(one) + missed,
        "" if one["aim"] is None else str(one["aim"]),
    )
    return "| " + " | ".join(cells) + " |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    write_report(Path(sys.argv[1]), Path(sys.argv[2]))
