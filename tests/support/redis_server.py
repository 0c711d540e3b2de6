"""A real Redis (or Valkey) in a process of its own."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

COMMAND = shutil.which("redis-server") or shutil.which("valkey-server")
_START_SECONDS = 20


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def redis_server(folder: Path, port: int) -> Iterator[str]:
    """Runs one that keeps nothing on disk; gives its URL and ends it."""
    assert COMMAND is not None, "CI must install redis-server"
    process = subprocess.Popen(
        [COMMAND, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def _wait(port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            with closing(socket.create_connection(("127.0.0.1", port), 1)) as connection:
                connection.sendall(b"PING\r\n")
                assert connection.recv(16).startswith(b"+PONG")
                return
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)
