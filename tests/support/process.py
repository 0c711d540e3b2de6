"""The real command in a process of its own, ended by whoever started it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

COMMAND = Path(sys.executable).parent / "redemption"
_START_SECONDS = 60
_STOP_SECONDS = 60


class Process:
    """A started command; its log lines, as JSON, are read as they come."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lines: Queue[str | None] = Queue()
        self.log: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def port(self, event: str) -> int:
        """The port in the log line with the event."""
        while True:
            try:
                line = self._lines.get(timeout=_START_SECONDS)
            except Empty:
                raise AssertionError(f"no {event!r} in {self.log}") from None
            assert line is not None, self.log
            entry = self._entry(line)
            if entry["event"] == event:
                return int(entry["port"])

    def whole_log(self) -> list[dict[str, Any]]:
        """All its log lines, once it has ended."""
        while (line := self._lines.get(timeout=_STOP_SECONDS)) is not None:
            self._entry(line)
        return self.log

    def _entry(self, line: str) -> dict[str, Any]:
        entry: dict[str, Any] = json.loads(line) if line.startswith("{") else {"event": line}
        self.log.append(entry)
        return entry

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit code; negative when a signal ended it."""
        return self._process.wait(_STOP_SECONDS)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()


def environment(**settings: str) -> dict[str, str]:
    """The environment of a command: nothing of ours but `settings`, named without the prefix."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("REDEMPTION_")}
    ours = {f"REDEMPTION_{name.upper()}": value for name, value in settings.items()}
    return {**kept, **ours}


@contextmanager
def started(*arguments: str, folder: Path, **settings: str) -> Iterator[Process]:
    """Starts `redemption …` on free ports; kills it at the end if it still runs."""
    defaults = {
        "grpc_address": "127.0.0.1:0",
        "http_address": "127.0.0.1:0",
        "log_format": "json",
    }
    process = Process(
        subprocess.Popen(
            [str(COMMAND), *arguments],
            cwd=folder,
            env=environment(**{**defaults, **settings}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    )
    try:
        yield process
    finally:
        process.stop()


def run(*arguments: str, folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Runs `redemption …` to its end."""
    return subprocess.run(
        [str(COMMAND), *arguments],
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=_START_SECONDS,
        check=False,
    )
