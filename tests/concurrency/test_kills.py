"""Servers killed or frozen at bad moments, while the same tills go on."""

import asyncio
import itertools
import random
import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redemption_server.rules.facts import Scope

from tests.support import catalogs
from tests.support.chance import new_chance
from tests.support.freezing import Moment, freeze
from tests.support.process import run
from tests.support.records import (
    Counted,
    CouponRecord,
    PromotionRecord,
    Records,
    assert_same,
    read_records,
)
from tests.support.servers import Server, running_servers
from tests.support.tills import Answer, Ask, until_answered

KILLS = 12
KILLS_WHILE_STARTING = 4
TILLS = 12
CUSTOMERS = tuple(range(601, 607))

# Of each kind there are many; tills use them up one after the other, so that there is always a
# limit that a kill can hit.
STOCK = 200
TOTAL = 40
PER_CUSTOMER = 6
SERIES = 40
PER_COUPON = 25
CODES = "AB"

CALLS_BESIDE_A_FROZEN_SERVER = 40
SECONDS_BESIDE_A_FROZEN_SERVER = 30.0
PATIENCE_SECONDS = 120.0


def stock() -> dict[str, Any]:
    promotions = [catalogs.promotion("free")]
    series = []
    for number in range(STOCK):
        promotions += [
            catalogs.promotion(f"total-{number}", limits={"redemptions_total": TOTAL}),
            catalogs.promotion(f"each-{number}", limits={"redemptions_per_customer": PER_CUSTOMER}),
        ]
        series.append(
            catalogs.series(
                1 + number,
                max_redemptions=SERIES,
                max_redemptions_per_coupon=PER_COUPON,
                same_customer_may_repeat=True,
                coupons=[{"code": f"{code}{number}"} for code in CODES],
            )
        )
    customers = [{"id": customer, "mobile": f"919999{customer:06}"} for customer in CUSTOMERS]
    return catalogs.organization(promotions=promotions, coupon_series=series, customers=customers)


class Demand:
    """What tills ask for, more than every limit allows, and what they were answered."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._keys = itertools.count()
        self.used_up: Counter[str] = Counter()
        """How many of a kind are used up, and so the number of the one that is in use."""
        self.answers: dict[Ask, Answer] = {}
        self.closed = False

    def next(self) -> Ask:
        key = f"k{next(self._keys)}"
        customer_id = self._chance.choice(CUSTOMERS)
        kind = self._chance.choice(("free", "total", "each", "series"))
        if kind == "free":
            return Ask(key, "free", customer_id=customer_id)
        if kind == "series":
            code = f"{self._chance.choice(CODES)}{self._number(kind)}"
            return Ask(key, code=code, customer_id=customer_id)
        number = self._number(f"each {customer_id}" if kind == "each" else kind)
        return Ask(key, f"{kind}-{number}", customer_id=customer_id)

    def answered(self, ask: Ask, answer: Answer) -> None:
        self.answers[ask] = answer
        if answer.granted:
            return
        assert answer.reason == "LIMIT_REACHED", answer
        if ask.code:
            if answer.scope == "series":
                self._is_used_up("series", ask.code[1:])
            return
        kind, _, number = ask.promotion_id.partition("-")
        self._is_used_up(f"each {ask.customer_id}" if kind == "each" else kind, number)

    @property
    def granted(self) -> dict[Ask, Answer]:
        return {ask: answer for ask, answer in self.answers.items() if answer.granted}

    def _number(self, kind: str) -> int:
        return min(self.used_up[kind], STOCK - 1)

    def _is_used_up(self, kind: str, number: str) -> None:
        self.used_up[kind] = max(self.used_up[kind], int(number) + 1)


async def till(servers: list[Server], demand: Demand, chance: random.Random) -> None:
    """Asks for one thing after the other, each attempt at some server."""

    async def attempt(ask: Ask) -> Answer:
        return await chance.choice(servers).redeem(ask)

    while not demand.closed:
        ask = demand.next()
        demand.answered(ask, await until_answered(partial(attempt, ask)))


async def kill_again_and_again(servers: list[Server], chance: random.Random) -> None:
    for number in range(KILLS):
        server = servers[number % len(servers)]
        await server.is_under_load(answers=TILLS)
        await asyncio.sleep(chance.uniform(0, 0.3))
        await server.kill()
        if number % (KILLS // KILLS_WHILE_STARTING) == 0:
            await server.kill_while_it_starts(chance.uniform(0, 1.5))
        await server.start()


async def kill_under_demand(url: str, folder: Path, processes: int) -> None:
    """The whole story: kills, then the whole state compared with all that was answered."""
    chance = new_chance()
    demand = Demand(chance)
    async with running_servers(url, folder, stock(), processes) as servers:
        async with asyncio.TaskGroup() as tills:
            for _ in range(TILLS):
                tills.create_task(till(servers, demand, chance))
            await kill_again_and_again(servers, chance)
            demand.closed = True
        records = await read_records(url)
        assert_matches(records, demand)
        await assert_replayed(servers, demand, chance)
        assert await read_records(url) == records
    verified = run("verify", folder=folder, database_url=url)
    assert verified.returncode == 0, verified.stdout


def assert_matches(records: Records, demand: Demand) -> None:
    records.assert_agree()
    # Nothing acknowledged is lost, nothing is doubled, nothing is recorded that was refused.
    promotions = [ask for ask in demand.granted if not ask.code]
    assert_same(
        [record[1:] for record in records.promotions],
        [(ask.key, ask.promotion_id, ask.customer_id) for ask in promotions],
    )
    assert_same(
        [(r.id, r.request_id, r.code.upper(), r.customer_id) for r in records.coupons],
        [
            (answer.redemption_id, ask.key, ask.code, ask.customer_id)
            for ask, answer in demand.granted.items()
            if ask.code
        ],
    )
    counted = Counter(counter for record in records.redemptions for counter in counters_of(record))
    assert {key: row.used for key, row in records.usage.items()} == counted
    exact = dict(used_up(demand))
    assert len(exact) > KILLS
    assert {key: counted[key] for key in exact} == exact


def counters_of(record: PromotionRecord | CouponRecord) -> Iterator[tuple[int, str, str]]:
    if isinstance(record, CouponRecord):
        yield Scope.COUPON, record.code, ""
        yield Scope.SERIES, str(record.series_id), ""
    elif record.promotion_id.startswith("total"):
        yield Scope.PROMOTION, record.promotion_id, ""
    elif record.promotion_id.startswith("each"):
        yield Scope.PROMOTION_CUSTOMER, record.promotion_id, str(record.customer_id)


def used_up(demand: Demand) -> Iterator[tuple[tuple[int, str, str], int]]:
    """The counters whose limit somebody has been refused for, and that limit."""
    for kind, count in demand.used_up.items():
        name, _, customer_id = kind.partition(" ")
        for number in range(count):
            if name == "series":
                yield (Scope.SERIES, str(1 + number), ""), SERIES
            elif name == "total":
                yield (Scope.PROMOTION, f"total-{number}", ""), TOTAL
            else:
                yield (Scope.PROMOTION_CUSTOMER, f"each-{number}", customer_id), PER_CUSTOMER


async def assert_replayed(servers: list[Server], demand: Demand, chance: random.Random) -> None:
    """Some of what was granted, asked for once more."""
    for ask, answer in chance.sample(sorted(demand.granted.items()), 200):
        again = await chance.choice(servers).redeem(ask)
        assert again == answer._replace(replayed=True)


async def test_servers_that_are_killed_again_and_again_keep_an_exact_state(
    database_url: str, tmp_path: Path
) -> None:
    # One process writes a SQLite file; on PostgreSQL one serves while the other starts.
    processes = 1 if database_url.startswith("sqlite") else 2
    await kill_under_demand(database_url, tmp_path, processes)


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_frozen_server_does_not_hold_up_the_other(
    database_url: str, tmp_path: Path, moment: Moment
) -> None:
    limit = 1_000_000
    limited = catalogs.promotion(limits={"redemptions_total": limit})
    granted: list[str] = []
    closed = asyncio.Event()

    async def redeem(server: Server, key: str, seconds: float) -> None:
        answer = await until_answered(partial(server.redeem, Ask(key, "p1")), seconds)
        assert answer.granted, answer
        granted.append(key)

    async def patient_till(server: Server, name: int) -> None:
        for number in itertools.count():
            await redeem(server, f"{name}-{number}", PATIENCE_SECONDS)
            if closed.is_set():
                return

    organization = catalogs.organization(promotions=[limited])
    async with running_servers(database_url, tmp_path, organization, processes=2) as servers:
        frozen, other = servers
        async with asyncio.TaskGroup() as tills:
            for name in range(TILLS):
                tills.create_task(patient_till(frozen, name))
            await freeze(frozen, database_url, moment, new_chance())
            calls = range(CALLS_BESIDE_A_FROZEN_SERVER)
            await asyncio.gather(
                *(redeem(other, f"other-{call}", SECONDS_BESIDE_A_FROZEN_SERVER) for call in calls)
            )
            frozen.signal(signal.SIGCONT)
            # What this server left unanswered, it answers now.
            closed.set()
    records = await read_records(database_url)
    records.assert_agree()
    assert_same([record.transaction_identifier for record in records.promotions], granted)
    assert records.usage == {(Scope.PROMOTION, "p1", ""): Counted(len(granted), limit)}
