"""Jobs: work that takes long, remembered so that it goes on where it stopped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, select

from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.bulk import AddCodes, require_target
from redemption_server.storage.dialect import insert_rows, table_of
from redemption_server.storage.instants import to_ms
from redemption_server.storage.record_tables import JobRow

_job = table_of(JobRow)
RUNNING, DONE = "RUNNING", "DONE"


class Job(NamedTuple):
    """A job that makes codes. `spec` says what it makes; `done` of `total` are made."""

    org_id: int
    id: str
    spec: dict[str, Any]
    total: int
    done: int
    is_done: bool


@dataclass(frozen=True, slots=True)
class BeginJob:
    """The work of beginning a job, once for its id."""

    org_id: int
    id: str
    spec: dict[str, Any]
    total: int
    now: datetime

    def __call__(self, connection: Connection) -> Job:
        """The job, begun now or before. Raises Refused: SERIES_NOT_FOUND, REQUEST_CONFLICT."""
        require_target(connection, self.org_id, "coupons", self.spec["series_id"])
        spec = orjson.dumps(self.spec, option=orjson.OPT_SORT_KEYS).decode()
        now_ms = to_ms(self.now)
        row = (
            self.org_id,
            self.id,
            "coupons",
            spec,
            self.total,
            0,
            0,
            RUNNING,
            "",
            now_ms,
            now_ms,
        )
        insert_rows(connection, _job, [row], "ON CONFLICT DO NOTHING")
        job = load_job(connection, self.org_id, self.id)
        if (job.spec, job.total) != (self.spec, self.total):
            raise Refused.because(
                Reason.REQUEST_CONFLICT,
                f"Request {self.id} began another job",
                request_id=self.id,
            )
        return job


@dataclass(frozen=True, slots=True)
class Step:
    """The work of one step of a job: adding codes. Servers that step at once take turns."""

    job: Job
    codes: Sequence[str]
    add: AddCodes
    now: datetime

    def __call__(self, connection: Connection) -> Job:
        """Adds as many codes as the job still lacks, and are free; returns how it stands."""
        where = (_job.c.org_id == self.job.org_id, _job.c.id == self.job.id)
        done = connection.execute(select(_job.c.done).where(*where).with_for_update()).scalar_one()
        if done != self.job.done:
            return load_job(connection, self.job.org_id, self.job.id)
        done += self.add(connection)
        connection.execute(
            _job.update()
            .where(*where)
            .values(
                done=done,
                state=DONE if done >= self.job.total else RUNNING,
                updated_at_ms=to_ms(self.now),
            )
        )
        return load_job(connection, self.job.org_id, self.job.id)


def load_job(connection: Connection, org_id: int, job_id: str) -> Job:
    """A job. Raises Refused (JOB_NOT_FOUND)."""
    row = connection.execute(
        select(_job).where(_job.c.org_id == org_id, _job.c.id == job_id)
    ).one_or_none()
    if row is None:
        raise Refused.because(
            Reason.JOB_NOT_FOUND, f"Job {job_id} does not exist", field="job_id", job_id=job_id
        )
    return _job_of(row)


def running_jobs(connection: Connection) -> list[Job]:
    """The jobs of all organisations that go on."""
    rows = connection.execute(
        select(_job).where(_job.c.state == RUNNING).order_by(_job.c.updated_at_ms)
    )
    return [_job_of(row) for row in rows]


def _job_of(row: Row[Any]) -> Job:
    spec = orjson.loads(row.spec)
    return Job(row.org_id, row.id, spec, row.total, row.done, row.state == DONE)
