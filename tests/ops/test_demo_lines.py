"""The lines that `make run` prints work when they are pasted into a shell."""

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from redemption_server.demo import demo_lines

from tests.support.service import Service

PATH = os.pathsep.join([os.environ["PATH"], str(Path.home() / "go" / "bin")])
IN_CI = os.environ.get("CI") == "true"


async def paste(service: Service, command: str) -> str:
    """What the shell prints for the printed command line that begins with `command`."""
    if shutil.which(command, path=PATH) is None and not IN_CI:
        pytest.skip(f"{command} is not installed")
    printed = demo_lines(
        grpc=f"127.0.0.1:{service.grpc_port}", url=f"http://127.0.0.1:{service.http_port}"
    )
    line = re.search(rf"^  {command} (?:.*\\\n)*.*$", printed, re.MULTILINE)
    assert line is not None
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        line[0],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PATH": PATH},
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def test_the_curl_line_redeems_and_pasted_again_replays(demo_service: Service) -> None:
    first = await paste(demo_service, "curl")
    again = await paste(demo_service, "curl")
    assert first.startswith("HTTP/1.1 200")
    assert again.startswith("HTTP/1.1 200")
    assert "idempotent-replayed" not in first.lower()
    assert "idempotent-replayed: true" in again.lower()
    assert first.splitlines()[-1] == again.splitlines()[-1]


async def test_the_grpcurl_line_looks_the_redemption_up(demo_service: Service) -> None:
    await paste(demo_service, "curl")
    assert '"transaction_identifier": "txn-1"' in await paste(demo_service, "grpcurl")
