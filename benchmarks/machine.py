"""Where figures were made: the machine, the versions and the commit."""

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("grpcio", "protobuf", "sqlalchemy", "sqlmodel", "asyncpg", "fastapi")


def described() -> dict[str, str]:
    """What to put beside figures."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "processors": f"{os.cpu_count()} × {models[0] if models else platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "commit": commit.stdout.strip(),
        **{name: version(name) for name in _PACKAGES},
    }
