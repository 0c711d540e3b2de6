"""Runs the jobs that make codes, a step at a time, whichever server began them."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from redemption_server.bulk.generating import CHUNK, CodeFormat, Generation
from redemption_server.bulk.kinds import COUPONS
from redemption_server.rules.commands import Clock
from redemption_server.storage.database import Database
from redemption_server.storage.jobs import Job, Step, running_jobs

# Jobs of servers that were killed are found by looking.
_LOOK_SECONDS = 10.0
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class JobRunner:
    """Takes steps until it is closed; made inside the event loop."""

    database: Database
    clock: Clock
    _begun: asyncio.Event = field(default_factory=asyncio.Event)
    _closing: bool = False
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to run jobs."""
        self._task = asyncio.create_task(self._run())

    def begun(self) -> None:
        """There is a new job."""
        self._begun.set()

    async def close(self) -> None:
        """Ends after the step under way; jobs go on with the next start."""
        self._closing = True
        self._begun.set()
        if self._task:
            await self._task

    async def _run(self) -> None:
        while not self._closing:
            try:
                jobs = await self.database.read(running_jobs)
            except Exception as error:  # noqa: BLE001 — tried again later, whatever it is
                _log.warning("jobs cannot be read", error=type(error).__name__)
                jobs = []
            # Every job has its step, so that one that fails holds up no other.
            went_on = [await self._went_on(job) for job in jobs]
            if not any(went_on):
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._begun.wait()
                self._begun.clear()

    async def _went_on(self, job: Job) -> bool:
        try:
            await self._step(job)
        except Exception as error:  # noqa: BLE001 — tried again later, whatever it is
            _log.warning("job step failed", job_id=job.id, error=type(error).__name__)
            return False
        return True

    async def _step(self, job: Job) -> None:
        if self._closing:
            return
        look = CodeFormat(job.spec["length"], job.spec["prefix"], job.spec["suffix"])
        generation = Generation(self.database, COUPONS, job.org_id, job.spec["series_id"], look)
        codes = generation.draw(min(CHUNK, job.total - job.done))
        step = Step(job, codes, generation.work(codes), self.clock())
        after = await self.database.transact(step)
        if after.is_done:
            _log.info("job done", job_id=job.id, org_id=job.org_id, codes=job.total)
