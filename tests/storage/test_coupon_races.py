"""Changes of one coupon that meet in two servers: one waits for the other, and nothing is lost."""

from datetime import timedelta
from typing import Any

import pytest
from redemption_server.bulk.generating import CodeFormat, Generation
from redemption_server.bulk.kinds import COUPONS
from redemption_server.commit.batch import Batch
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.coupons import IssueCoupon, RevokeCoupon
from redemption_server.storage.jobs import BeginJob, Job, Step

from tests.rules.coupon_desk import GRANTED, reasons
from tests.support import catalogs
from tests.support.catalogs import CUSTOMER, ORG, OTHER_CUSTOMER
from tests.support.desk import Desk, coupon, coupons
from tests.support.meeting import Meeting, result_of


async def prepare(desk: Desk, **changes: Any) -> None:
    series = catalogs.series(**changes)
    await desk.apply(catalogs.organization(credentials=[], coupon_series=[series]))


async def owners(desk: Desk) -> list[tuple[Any, ...]]:
    return await desk.rows("SELECT code, customer_id, revoked FROM coupon ORDER BY code")


def redemption(desk: Desk) -> Batch:
    return Batch([coupons(desk.ids.record_id(), coupon())], desk.clock.now, desk.ids)


def issue(desk: Desk, customer_id: int, series_id: int | None = None) -> IssueCoupon:
    code = "MADE" if series_id else "COUPON1"
    return IssueCoupon(ORG, code, series_id, customer_id, desk.clock.now)


@pytest.mark.provokes("COUPON_ISSUED")
@pytest.mark.parametrize("series_id", [None, 1], ids=["that exists", "that is made"])
async def test_of_two_who_issue_one_coupon_to_two_customers_exactly_one_wins(
    desk: Desk, meeting: Meeting, series_id: int | None
) -> None:
    await prepare(desk, any_user=False)
    first = await meeting.hold(issue(desk, CUSTOMER, series_id))
    second = meeting.start(issue(desk, OTHER_CUSTOMER, series_id))
    await meeting.waiting(second)
    assert (await first.commit()).customer == CUSTOMER
    with pytest.raises(Refused) as caught:
        await result_of(second)
    assert caught.value.reason is Reason.COUPON_ISSUED
    issued = [owner for _, owner, _ in await owners(desk) if owner]
    assert issued == [CUSTOMER]


async def test_a_coupon_that_the_first_does_not_issue_after_all_is_the_seconds(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk, any_user=False)
    first = await meeting.hold(issue(desk, CUSTOMER))
    second = meeting.start(issue(desk, OTHER_CUSTOMER))
    await meeting.waiting(second)
    await first.undo()
    assert (await result_of(second)).customer == OTHER_CUSTOMER


@pytest.mark.provokes("COUPON_REVOKED")
async def test_who_redeems_while_the_coupon_is_revoked_waits_and_is_refused(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    revoking = await meeting.hold(RevokeCoupon(ORG, "COUPON1"))
    redeeming = meeting.start(redemption(desk))
    await meeting.waiting(redeeming)
    assert (await revoking.commit()).revoked
    (outcome,) = await result_of(redeeming)
    assert reasons(outcome) == ["COUPON_REVOKED"]
    assert await desk.rows("SELECT * FROM coupon_redemption") == []


async def test_who_revokes_while_the_coupon_is_redeemed_waits_and_the_redemption_stands(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    redeeming = await meeting.hold(redemption(desk))
    revoking = meeting.start(RevokeCoupon(ORG, "COUPON1"))
    await meeting.waiting(revoking)
    (outcome,) = await redeeming.commit()
    assert reasons(outcome) == [GRANTED]
    assert (await result_of(revoking)).revoked
    assert len(await desk.rows("SELECT * FROM coupon_redemption")) == 1


def step(desk: Desk, job: Job, count: int) -> Step:
    generation = Generation(desk.database, COUPONS, ORG, 1, CodeFormat())
    codes = generation.draw(count)
    return Step(job, codes, generation.work(codes), desk.clock.now)


async def test_of_two_servers_that_take_the_same_step_of_a_job_one_adds_codes(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk, coupons=[])
    spec = {"series_id": 1, "length": 12, "prefix": "", "suffix": ""}
    job = await meeting.run(BeginJob(ORG, "r1", spec, 5, desk.clock.now))
    first = await meeting.hold(step(desk, job, 3))
    desk.clock.advance(timedelta(seconds=1))
    second = meeting.start(step(desk, job, 3))
    await meeting.waiting(second)
    after = await first.commit()
    assert (after.done, after.is_done) == (3, False)
    assert await result_of(second) == after
    last = await meeting.run(step(desk, after, 2))
    assert (last.done, last.is_done) == (5, True)
    assert await desk.rows("SELECT count(*) FROM coupon") == [(5,)]


async def test_a_step_counts_only_the_codes_that_were_free(desk: Desk, meeting: Meeting) -> None:
    await prepare(desk, coupons=[])
    spec = {"series_id": 1, "length": 12, "prefix": "", "suffix": ""}
    job = await meeting.run(BeginJob(ORG, "r1", spec, 5, desk.clock.now))
    taken = step(desk, job, 3)
    await meeting.run(taken.add)
    after = await meeting.run(taken)
    assert (after.done, after.is_done) == (0, False)
    assert await desk.rows("SELECT count(*) FROM coupon") == [(3,)]
