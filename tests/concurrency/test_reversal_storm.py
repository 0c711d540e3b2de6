"""Redemptions and reversals that race at a limit, through two servers' worth of writers."""

import asyncio
import random
from collections import Counter
from pathlib import Path

from redemption_server.rules.outcomes import Granted, Outcome, RecordedCoupons
from redemption_server.rules.refusals import Refused
from redemption_server.rules.reversal_policy import ReversalReason

from tests.storage.ledger import find
from tests.support import catalogs
from tests.support.catalogs import ORG
from tests.support.desk import Desk, coupon, open_desk, use

LIMIT = 5
TILLS = 12
ROUNDS = 12
CODES = [f"C{number}" for number in range(4)]
COUNTERS = "SELECT scope, used FROM usage WHERE used > use_limit OR used < 0 OR used > :limit"
ORGANIZATION = catalogs.organization(
    credentials=[],
    promotions=[catalogs.promotion(limits={"redemptions_total": LIMIT})],
    coupon_series=[
        catalogs.series(
            max_redemptions=LIMIT,
            max_redemptions_per_coupon=2,
            same_customer_may_repeat=True,
            coupons=[{"code": code} for code in CODES],
        )
    ],
)


class Till:
    """Redeems and reverses what it redeemed, each reversal sent more than once, anywhere."""

    def __init__(self, desks: list[Desk], number: int) -> None:
        self._desks = desks
        self._chance = random.Random(number)
        self._name = f"till-{number}"
        self.answers: Counter[str] = Counter()
        self.standing: Counter[str] = Counter()

    async def work(self) -> None:
        for number in range(ROUNDS):
            await self._sell(f"{self._name}-{number}")
            await self._use_coupon(f"{self._name}-{number}")

    async def _sell(self, key: str) -> None:
        outcome = await self._desk.redeem(use(), transaction_identifier=key)
        if self._count("sale", outcome):
            self.standing["p1"] += 1
            if self._chance.random() < 0.9:
                await self._undo("p1", key)

    async def _use_coupon(self, key: str) -> None:
        code = self._chance.choice(CODES)
        outcome = await self._desk.redeem_coupons(coupon(code), request_id=key)
        if self._count("coupon", outcome) and isinstance(outcome, Granted):
            assert isinstance(outcome.answer, RecordedCoupons)
            [result] = outcome.answer.results
            assert result.redemption
            self.standing["series"] += 1
            if self._chance.random() < 0.9:
                await self._undo("series", "", result.redemption.redemption_id)

    async def _undo(self, what: str, identifier: str, *record_ids: int) -> None:
        """Reverses under two keys at once, one of them twice: one reversal wins."""
        reason = self._chance.choice([ReversalReason.CANCEL, ReversalReason.RETURN])
        keys = [f"{identifier}{record_ids}-{name}" for name in ("a", "a", "b")]
        outcomes = await asyncio.gather(
            *(
                self._desk.reverse(
                    *record_ids,
                    transaction_identifier=identifier,
                    request_id=key,
                    reason=reason,
                )
                for key in keys
            )
        )
        kinds = Counter(kind(outcome) for outcome in outcomes)
        assert kinds["Granted"] == 1, kinds
        assert set(kinds) <= {"Granted", "Replayed", "REDEMPTION_REVERSED"}
        # What one request was told, its twin is told as well.
        assert kinds["Replayed"] == (kind(outcomes[2]) == "REDEMPTION_REVERSED"), kinds
        self.standing[what] -= 1

    def _count(self, what: str, outcome: Outcome) -> bool:
        self.answers[f"{what} {kind(outcome)}"] += 1
        return isinstance(outcome, Granted)

    @property
    def _desk(self) -> Desk:
        return self._chance.choice(self._desks)


def kind(outcome: Outcome) -> str:
    return outcome.reason.value if isinstance(outcome, Refused) else type(outcome).__name__


async def watch(desk: Desk, tills: asyncio.Future[list[None]]) -> int:
    """Looks at the counters until the tills are done; returns how often it looked."""
    looks = 0
    while not tills.done():
        # A coupon is limited to less than the series, which is what `use_limit` is for.
        assert await desk.rows(COUNTERS, limit=LIMIT) == []
        looks += 1
    return looks


async def test_counters_stay_between_nothing_and_the_limit(
    database_url: str, tmp_path: Path
) -> None:
    writers = 1 if database_url.startswith("sqlite") else 3
    async with (
        open_desk(database_url, tmp_path, writers=writers) as first,
        open_desk(database_url, tmp_path, writers=writers) as second,
    ):
        await first.apply(ORGANIZATION)
        tills = [Till([first, second], number) for number in range(TILLS)]
        working = asyncio.gather(*(till.work() for till in tills))
        looks = await watch(first, working)
        await working
        assert looks > 3
        answered = sum((till.answers for till in tills), Counter())
        expected = {"sale Granted", "sale LIMIT_REACHED", "coupon Granted", "coupon Judged"}
        assert set(answered) <= expected, answered
        assert answered["sale Granted"] > 2 * LIMIT
        assert answered["sale LIMIT_REACHED"]
        standing = sum((till.standing for till in tills), Counter())
        used = dict(await first.rows("SELECT scope, used FROM usage WHERE scope IN (1, 12)"))
        assert used == {1: standing["p1"], 12: standing["series"]}
        async with first.database.snapshot() as connection:
            assert await connection.run_sync(find, ORG) == []
