"""Draws who holds the interpreter of a server under redemptions, as a flame graph.

python -m benchmarks.flame [--engine postgresql] FILE.svg
"""

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.sides import Ours, new_setting

_WARM_UP_SECONDS, _SECONDS = 3, 15
_PER_SECOND = 400


def main() -> None:
    """Loads a server with 64 calls in flight and samples it meanwhile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    arguments = parser.parse_args()
    with new_setting() as setting, Ours(arguments.engine).open(setting) as running:
        running.run(_WARM_UP_SECONDS, warm_up=True)
        sampling = _sample(running.service.processes[0].pid, arguments.file)
        running.run(_SECONDS + 1)
        if sampling.wait():
            sys.exit("py-spy failed")
        running.check()


def _sample(pid: int, file: Path) -> "subprocess.Popen[bytes]":
    when = ("--duration", str(_SECONDS), "--rate", str(_PER_SECOND))
    # The graph says by which command it was made: without the folders of this machine.
    return subprocess.Popen(
        ["py-spy", "record", "--gil", *when, "--output", file.name, "--pid", str(pid)],
        executable=Path(sys.executable).with_name("py-spy"),
        cwd=file.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
