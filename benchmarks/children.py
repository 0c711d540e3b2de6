"""Processes of a benchmark that are told things, a line of JSON each, and answer the same way."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Handler = Callable[..., Awaitable[dict[str, Any]]]
_ROOT = Path(__file__).parents[1]
_LINE_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Child:
    """A process that answers."""

    process: asyncio.subprocess.Process

    async def ask(self, what: str, **details: Any) -> dict[str, Any]:
        """Its answer. Raises RuntimeError when it ended instead."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"what": what, **details}).encode() + b"\n")
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError("a process of the benchmark ended, see above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def started(module: str, *arguments: object) -> AsyncIterator[Child]:
    """Runs a module that calls `answer`; ends it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, *map(str, arguments)),
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_MAX,
    )
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def answer(handlers: Mapping[str, Handler]) -> None:
    """Answers on standard output what is asked on standard input, until that ends."""
    loop = asyncio.get_running_loop()
    questions = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    async for line in questions:
        question = json.loads(line)
        answered = await handlers[question.pop("what")](**question)
        sys.stdout.write(json.dumps(answered) + "\n")
        sys.stdout.flush()
