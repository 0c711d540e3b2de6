"""Many tasks over few keys and limits, through two servers' worth of writers on one database."""

import asyncio
import random
from collections import Counter, defaultdict
from pathlib import Path

from redemption_server.rules.outcomes import Granted, Outcome, Replayed
from redemption_server.rules.refusals import Refused

from tests.support import catalogs
from tests.support.desk import Desk, coupon, open_desk, use
from tests.support.repairs import assert_nothing_was_repaired

KEYS = 400
LIMIT = 150
PER_CUSTOMER = 90
COUPONS = 30
TASKS = 48


async def storm(desks: list[Desk], seed: int) -> dict[str, list[Outcome]]:
    """Each key is sent several times, now and then with other content; answers by key."""
    chance = random.Random(seed)
    attempts = [(f"t{key}", use(discount=1 + (chance.random() < 0.1))) for key in range(KEYS)] * 3
    chance.shuffle(attempts)
    answers: dict[str, list[Outcome]] = defaultdict(list)

    async def task() -> None:
        while attempts:
            key, what = attempts.pop()
            desk = chance.choice(desks)
            customer = catalogs.CUSTOMER + int(key[1:]) % 2
            answer = await desk.redeem(what, transaction_identifier=key, customer_id=customer)
            answers[key].append(answer)

    await asyncio.gather(*(task() for _ in range(TASKS)))
    return answers


async def test_a_storm_leaves_an_exact_state(database_url: str, tmp_path: Path) -> None:
    writers = 1 if database_url.startswith("sqlite") else 3
    limits = {"redemptions_total": LIMIT, "redemptions_per_customer": PER_CUSTOMER}
    async with (
        open_desk(database_url, tmp_path, writers=writers) as first,
        open_desk(database_url, tmp_path, writers=writers) as second,
    ):
        await first.apply(catalogs.organization(promotions=[catalogs.promotion(limits=limits)]))
        answers = await storm([first, second], seed=1)
        kinds = {
            key: Counter(
                a.reason.value if isinstance(a, Refused) else type(a).__name__ for a in outcomes
            )
            for key, outcomes in answers.items()
        }
        assert sum(len(outcomes) for outcomes in answers.values()) == 3 * KEYS
        granted = {key for key, kind in kinds.items() if kind["Granted"]}
        # Demand exceeds the limit: it ends at exactly the limit, each key granted once.
        assert len(granted) == LIMIT
        assert all(kind["Granted"] <= 1 for kind in kinds.values())
        for key in granted:
            assert_no_acknowledged_key_was_refused_later(answers[key])
        rows = await first.rows("SELECT transaction_identifier FROM promotion_transaction")
        assert {row[0] for row in rows} == granted
        usage = await first.rows("SELECT scope, member, used FROM usage ORDER BY scope, member")
        by_customer = Counter(str(catalogs.CUSTOMER + int(key[1:]) % 2) for key in granted)
        assert usage == [(1, "", LIMIT), *((2, m, n) for m, n in sorted(by_customer.items()))]
        events = await first.rows("SELECT sequence FROM event ORDER BY sequence")
        assert events == [(number,) for number in range(1, LIMIT + 1)]
        claims = await first.rows("SELECT count(*) FROM claim")
        assert claims == [(LIMIT,)]
        answered = sum(kinds.values(), Counter())
        expected = {"Granted", "Replayed", "LIMIT_REACHED", "TRANSACTION_CONFLICT"}
        unexpected = Counter({k: n for k, n in answered.items() if k not in expected})
        assert_nothing_was_repaired(repairs(first, second) + unexpected)


def repairs(*desks: Desk) -> Counter[str]:
    """What went wrong and was put right: transactions run again, batches run one by one."""
    counted: Counter[str] = Counter()
    for desk in desks:
        counted += desk.database.repeats
        counted["batches split"] += desk.queue.statistics.split
    return counted


def assert_no_acknowledged_key_was_refused_later(outcomes: list[Outcome]) -> None:
    first = next(i for i, outcome in enumerate(outcomes) if isinstance(outcome, Granted | Replayed))
    for outcome in outcomes[first:]:
        if isinstance(outcome, Refused):
            reason = outcome.reason.value
            assert reason == "TRANSACTION_CONFLICT", f"{reason} after it was acknowledged"


async def test_a_storm_on_coupons_redeems_each_once(database_url: str, tmp_path: Path) -> None:
    writers = 1 if database_url.startswith("sqlite") else 3
    codes = [f"C{number}" for number in range(COUPONS)]
    series = catalogs.series(coupons=[{"code": code} for code in codes], max_redemptions=20)
    async with (
        open_desk(database_url, tmp_path, writers=writers) as first,
        open_desk(database_url, tmp_path, writers=writers) as second,
    ):
        await first.apply(catalogs.organization(coupon_series=[series]))
        attempts = codes * 10
        random.Random(2).shuffle(attempts)
        outcomes = await asyncio.gather(
            *(
                (first, second)[number % 2].redeem_coupons(coupon(code))
                for number, code in enumerate(attempts)
            )
        )
        assert sum(isinstance(outcome, Granted) for outcome in outcomes) == 20
        redeemed = await first.rows("SELECT code_key FROM coupon_redemption")
        assert len(redeemed) == len(set(redeemed)) == 20
        assert await first.rows("SELECT used FROM usage WHERE scope = 12") == [(20,)]
        answered = Counter(type(outcome).__name__ for outcome in outcomes)
        unexpected = Counter({k: n for k, n in answered.items() if k not in {"Granted", "Judged"}})
        assert_nothing_was_repaired(repairs(first, second) + unexpected)
