"""Webhooks of real processes: one that is killed while it delivers, and the commands."""

import asyncio
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest
from redemption_server.access.seal import new_key
from redemption_server.storage.database import open_database
from redemption_server.storage.webhooks import load_parked
from sqlalchemy import text

from tests.support import catalogs
from tests.support.eventually import eventually
from tests.support.process import run
from tests.support.receiver import FAILS, TAKES, Receiver, waits_for
from tests.support.servers import Server
from tests.support.tills import Ask, until_answered
from tests.webhooks.office import organization, webhook

KILLED_AT = 60
EVENTS = 100
LATER = 5
# As many are delivered before it is noted how far a webhook has come, and one is under way.
REPEATS_MAX = 51
SECONDS = 60.0

pytestmark = pytest.mark.alone


async def redeem(server: Server, name: str, times: int) -> None:
    asks = [Ask(f"{name}-{number}", "p1") for number in range(times)]
    await asyncio.gather(*(until_answered(partial(server.redeem, ask)) for ask in asks))


async def end_holds(url: str) -> None:
    """As if so much time had passed that a server which says nothing must be dead."""
    database = open_database(url)
    await database.transact(
        lambda connection: connection.execute(text("UPDATE webhook_delivery SET held_until_ms = 0"))
    )
    await database.close()


async def are_parked(url: str, count: int) -> bool:
    database = open_database(url)
    found = len(await database.read(load_parked))
    await database.close()
    return found == count


@pytest.fixture
def settings(database_url: str, tmp_path: Path, receiver: Receiver) -> dict[str, str]:
    catalog = organization(webhook(receiver), credentials=[catalogs.CREDENTIAL])
    return {
        "database_url": database_url,
        "catalog": str(catalogs.write(tmp_path, catalog)),
        "webhook_keys": new_key(),
        "webhook_private_addresses": "true",
        "webhook_patience_seconds": "1",
    }


async def test_a_server_that_is_killed_leaves_nothing_out_and_repeats_little(
    database_url: str, settings: dict[str, str], tmp_path: Path, receiver: Receiver
) -> None:
    settings["webhook_patience_seconds"] = "3600"
    receiver.manners = [TAKES] * (KILLED_AT - 1) + [waits_for(asyncio.Event(), FAILS)]
    async with aclosing(Server(tmp_path, **settings)) as server:
        await server.start()
        await redeem(server, "before", EVENTS)
        await receiver.got(KILLED_AT, SECONDS)
        # The message that is under way is not answered.
        await server.kill()
        await end_holds(database_url)
        await server.start()
        await redeem(server, "after", LATER)
        last = EVENTS + LATER
        async with asyncio.timeout(SECONDS):
            while last not in receiver.sequences:
                await receiver.took(len(receiver.taken) + 1, SECONDS)
    before = list(range(1, KILLED_AT))
    after = receiver.sequences[len(before) :]
    assert receiver.sequences[: len(before)] == before
    assert after == list(range(after[0], last + 1))
    assert KILLED_AT - REPEATS_MAX < after[0] <= KILLED_AT
    # A repeat is one by its id, and says the same.
    told = {(message.id, message.body) for message in receiver.messages}
    assert len(told) == last


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_was_given_up_is_listed_and_delivered_again_by_commands(
    settings: dict[str, str], tmp_path: Path, receiver: Receiver
) -> None:
    async def command(name: str) -> tuple[int, list[str]]:
        done = await asyncio.to_thread(run, "webhooks", name, folder=tmp_path, **settings)
        assert receiver.secret not in done.stdout + done.stderr
        return done.returncode, done.stdout.splitlines()

    receiver.manner = FAILS
    async with aclosing(Server(tmp_path, **settings)) as server:
        await server.start()
        await redeem(server, "t", 2)
        await eventually(partial(are_parked, settings["database_url"], 2), SECONDS)
        code, lines = await command("parked")
        assert code == 0
        shown = [line.rpartition(": ")[0] for line in lines]
        assert shown == [f"organisation {catalogs.ORG} webhook w1 event {n}" for n in (1, 2)]
        assert all(line.endswith(" attempts, answered 500") for line in lines)
        assert await command("redeliver") == (1, [f"{line}: answered 500" for line in lines])
        receiver.manner = TAKES
        assert await command("redeliver") == (0, [f"{line}: delivered" for line in lines])
        assert await command("parked") == (0, [])
        await redeem(server, "later", 1)
        await receiver.took(3)
    assert receiver.sequences == [1, 2, 3]
