"""A commit is durable, comes before the answer, and is not the caller's to take back."""

import asyncio
from contextlib import suppress

import pytest
from redemption_server.rules.outcomes import Replayed
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.database import PostgresDatabase, SqliteDatabase, Work
from sqlalchemy import Connection, Engine, event

from tests.support import catalogs
from tests.support.desk import Desk, use
from tests.support.meeting import Meeting

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

RECORDED = "SELECT transaction_identifier FROM promotion_transaction"


async def prepare(desk: Desk) -> None:
    await desk.apply(catalogs.organization(credentials=[], promotions=[catalogs.promotion()]))


def writing_engine(desk: Desk) -> Engine:
    if isinstance(desk.database, SqliteDatabase):
        return desk.database._writer_engine
    assert isinstance(desk.database, PostgresDatabase)
    return desk.database._writers.sync_engine


@pytest.mark.provokes("UNAVAILABLE")
async def test_a_call_whose_commit_fails_is_not_answered_as_granted(desk: Desk) -> None:
    await prepare(desk)

    def fail(_connection: Connection) -> None:
        raise TimeoutError

    event.listen(writing_engine(desk), "commit", fail)
    outcome = await desk.redeem(use())
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.UNAVAILABLE
    assert await desk.rows(RECORDED) == []


WAITING = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$
"""
IN_COMMIT = """
CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON promotion_transaction
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()
"""


@on_postgresql
async def test_a_caller_that_is_cancelled_during_the_commit_undoes_nothing(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    for statement in (WAITING, IN_COMMIT):
        await meeting.run(executing(statement))
    gate = await meeting.hold(executing("SELECT pg_advisory_xact_lock(1)"))
    caller = asyncio.create_task(desk.redeem(use()))
    await meeting.waiting(caller)
    caller.cancel()
    with suppress(asyncio.CancelledError):
        await caller
    await gate.commit()
    assert isinstance(await desk.redeem(use()), Replayed)
    assert await desk.rows(RECORDED) == [("t1",)]


def executing(statement: str) -> Work[None]:
    def work(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return work


@on_postgresql
@pytest.mark.parametrize(
    ("default", "expected"),
    [("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply", "remote_apply")],
)
async def test_a_commit_is_durable_whatever_the_database_is_set_to(
    meeting: Meeting, default: str, expected: str
) -> None:
    def set_default(connection: Connection) -> None:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = '{default}'")

    await meeting.run(set_default)
    effective = "SELECT current_setting('synchronous_commit')"
    assert await meeting.run(lambda c: c.exec_driver_sql(effective).scalar()) == expected
