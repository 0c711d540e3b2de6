"""Pruning events: what goes, what stays, and that nobody notices; and what servers prune."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redemption_server.commit import pruner as pruning
from redemption_server.commit.batch import Batch
from redemption_server.rules.outcomes import Granted
from redemption_server.settings import SettingsError, load_settings
from redemption_server.storage import retention

from tests.storage.pruning import (
    DAY,
    OTHER_ORG,
    is_healthy,
    numbers,
    prepare,
    prune,
    prune_events,
    reverse,
    sale,
    sell,
    state,
    through,
)
from tests.support.desk import Desk, coupon
from tests.support.eventually import eventually
from tests.support.meeting import Meeting
from tests.support.service import run_service


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAGE", 3)
    monkeypatch.setattr(pruning, "_PAUSE_SECONDS", 0.0)


async def test_old_events_go_page_by_page_from_the_first(desk: Desk) -> None:
    await prepare(desk)
    await sell(desk, *(f"old-{n}" for n in range(7)))
    await sell(desk, "theirs", org_id=OTHER_ORG)
    desk.clock.advance(timedelta(milliseconds=1))
    await sell(desk, "new-1", "new-2")
    before, kept = await state(desk), desk.clock.now
    for first, more in ((4, True), (7, True), (8, False), (8, False)):
        assert await desk.database.transact(prune_events(kept)) is more
        # Between pages everything is as it should be, too.
        assert await numbers(desk) == list(range(first, 10))
        assert await through(desk) == first - 1
        assert await is_healthy(desk)
    assert await numbers(desk, OTHER_ORG) == [1]
    assert await through(desk, OTHER_ORG) == 0
    assert await state(desk) == before


async def test_numbers_go_on_after_everything_was_pruned(desk: Desk) -> None:
    await prepare(desk)
    await sell(desk, *(f"old-{n}" for n in range(4)))
    await sell(desk, "theirs", org_id=OTHER_ORG)
    desk.clock.advance(2 * DAY)
    await prune(desk, events=1)
    assert (await numbers(desk), await through(desk)) == ([], 4)
    assert (await numbers(desk, OTHER_ORG), await through(desk, OTHER_ORG)) == ([], 1)
    assert await is_healthy(desk)
    await sell(desk, "new")
    assert isinstance(await reverse(desk, "r1", "old-0"), Granted)
    assert (await numbers(desk), await through(desk)) == ([5, 6], 4)
    assert await is_healthy(desk)


async def test_an_event_of_a_server_whose_clock_is_behind_waits_for_its_turn(desk: Desk) -> None:
    await prepare(desk)
    await sell(desk, "old")
    desk.clock.advance(2 * DAY)
    await sell(desk, "new")
    desk.clock.advance(-2 * DAY)
    await sell(desk, "old again")
    desk.clock.advance(2 * DAY)
    await prune(desk, events=1)
    assert await numbers(desk) == [2, 3]
    assert await is_healthy(desk)


async def test_redemptions_and_pruning_do_not_wait_for_one_another(
    desk: Desk, meeting: Meeting, database_url: str
) -> None:
    await prepare(desk)
    await sell(desk, *(f"old-{n}" for n in range(4)))
    desk.clock.advance(DAY)
    one_writer = database_url.startswith("sqlite")

    def batch(identifier: str) -> Batch:
        return Batch([sale(desk, identifier)], desk.clock.now, desk.ids)

    held_pruning = await meeting.hold(prune_events(desk.clock.now))
    redeeming = meeting.start(batch("t1"))
    await meeting.met(redeeming)
    assert redeeming.done() is not one_writer
    assert await held_pruning.commit() is True
    assert [type(outcome) for outcome in await redeeming] == [Granted]

    held_redeeming = await meeting.hold(batch("t2"))
    pruning_page = meeting.start(prune_events(desk.clock.now))
    await meeting.met(pruning_page)
    assert pruning_page.done() is not one_writer
    assert [type(outcome) for outcome in await held_redeeming.commit()] == [Granted]
    assert await pruning_page is False
    assert (await numbers(desk), await through(desk)) == ([5, 6], 4)
    assert not meeting.repeats
    assert await is_healthy(desk)


async def test_two_servers_that_prune_together_prune_once(desk: Desk, meeting: Meeting) -> None:
    await prepare(desk)
    await sell(desk, *(f"old-{n}" for n in range(4)))
    desk.clock.advance(DAY)
    await sell(desk, "new")
    first = await meeting.hold(prune_events(desk.clock.now))
    second = meeting.start(prune_events(desk.clock.now))
    await meeting.waiting(second)
    await first.commit()
    await second
    await desk.database.transact(prune_events(desk.clock.now))
    assert (await numbers(desk), await through(desk)) == ([5], 4)
    assert await is_healthy(desk)


async def test_a_server_prunes_as_its_settings_say(
    desk: Desk, database_url: str, tmp_path: Path
) -> None:
    await prepare(desk)
    await sell(desk, "t1")
    await desk.redeem_coupons(coupon(), request_id="r1")
    desk.clock.advance(29 * DAY)
    await desk.redeem_coupons(coupon(), request_id="r2")
    desk.clock.advance(2 * DAY)
    await sell(desk, "t2")

    async def is_pruned() -> bool:
        keys = sorted(key for (key,) in await desk.rows("SELECT key FROM claim"))
        return await numbers(desk) == [4] and keys == ["r2", "t1", "t2"]

    async with run_service(database_url, clock=desk.clock):
        pass
    assert await numbers(desk) == [1, 2, 3, 4]
    settings: dict[str, Any] = {"event_retention_days": 1, "answer_retention_days": 30}
    async with run_service(database_url, clock=desk.clock, **settings):
        await eventually(is_pruned)
    assert await is_healthy(desk)


@pytest.mark.parametrize(
    ("name", "least"), [("EVENT_RETENTION_DAYS", 1), ("ANSWER_RETENTION_DAYS", 30)]
)
def test_how_long_things_are_kept_has_limits(
    monkeypatch: pytest.MonkeyPatch, name: str, least: int
) -> None:
    assert getattr(load_settings(), name.lower()) is None
    for days in (least, 36_500):
        monkeypatch.setenv(f"REDEMPTION_{name}", str(days))
        assert getattr(load_settings(), name.lower()) == days
    for refused in (least - 1, -1, 36_501, "x"):
        monkeypatch.setenv(f"REDEMPTION_{name}", str(refused))
        with pytest.raises(SettingsError, match=f"REDEMPTION_{name}: must be an integer from"):
            load_settings()
