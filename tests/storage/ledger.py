"""A ledger with something of everything in it, and a way to corrupt it that leaves no trace.

It is built once per engine. A corruption is planted, looked at and rolled back in one transaction.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from redemption_server.rules.commands import CouponCustomer
from redemption_server.rules.outcomes import Granted, Judged, Outcome, Replayed
from redemption_server.rules.refusals import Refused
from redemption_server.rules.reversal_policy import ReversalReason
from redemption_server.storage.database import Database, open_database
from redemption_server.storage.dialect import allow_pauses
from redemption_server.storage.instants import to_ms
from redemption_server.storage.schema import METADATA
from redemption_server.storage.verify.checks import CHECKS
from redemption_server.storage.verify.findings import FINDINGS_MAX, Finding
from sqlalchemy import Connection

from tests.storage import reversed_ledger
from tests.storage.reversed_ledger import Reverser
from tests.support import catalogs
from tests.support.catalogs import CUSTOMER, ORG, OTHER_CUSTOMER, OTHER_ORG, promotion, series
from tests.support.clock import ODD_DATE
from tests.support.desk import Desk, coupon, open_desk, rows_of, use

VISITOR = 503
ANONYMOUS = -1
MOMENTS = (
    "2026-01-31T18:29:59.999+00:00",  # Saturday, 31 January in Kolkata
    "2026-01-31T18:30:00.000+00:00",  # Sunday, 1 February
    "2026-03-01T18:29:59.999+00:00",  # Sunday, 1 March
    "2026-03-01T18:30:00.000+00:00",  # Monday, 2 March
)
UNLIMITED = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}
Findings = list[Finding]
Result = TypeVar("Result")


def _each(window: str) -> dict[str, Any]:
    """Limits that start anew by a window, with room for all."""
    return {
        "redemptions_total": {"limit": 99, "window": window},
        "redemptions_per_customer": {"limit": 99, "window": window},
        "discount_total": {"limit": "999", "window": window},
    }


def _all(limit: int) -> dict[str, Any]:
    """All limits, without windows."""
    return {
        "redemptions_total": limit,
        "redemptions_per_customer": limit,
        "redemptions_per_code": limit,
        "redemptions_per_transaction": limit,
        "discount_total": str(limit),
    }


def _codes(*names: str) -> list[dict[str, Any]]:
    return [{"id": f"id-{name}", "code": name} for name in names]


_PROMOTIONS = (
    promotion("plain"),
    promotion("all", limits=_all(99), codes=_codes("A1", "A2")),
    promotion("daily", limits=_each("DAY"), codes=_codes("ONLY")),
    promotion("weekly", limits=_each("WEEK")),
    promotion("monthly", limits=_each("MONTH")),
    promotion("record", over_limit="RECORD", limits=_all(2), codes=_codes("R1", "R2")),
    promotion("linked", codes=[{"id": "id-L", "code": "L", "customer": CUSTOMER}]),
    promotion("earned"),
    promotion("gift", limits={"discount_total": "9"}),
    promotion("unused", limits=_all(99), codes=_codes("U1")),
)
_CHANGING_PROMOTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "lowered": (_all(9), {**_all(9), "redemptions_total": 1, "discount_total": "1"}),
    "added": ({}, {**_each("MONTH"), "redemptions_per_code": 99}),
    "rewindowed": (_each("DAY"), {**_all(99), **_each("WEEK"), "redemptions_total": 99}),
    "removed": (_all(99), {}),
    # Redeemed for more than a counter can hold, before there was one.
    "vast": ({}, {"discount_total": {"limit": "999", "window": "DAY"}}),
    "vaster": ({}, {"discount_total": "999"}),
    **reversed_ledger.CHANGING_PROMOTIONS,
}
_EARNED = [
    {"id": f"earned-{number}", "promotion": "earned", "customer": CUSTOMER, "status": "UNLOCKED"}
    for number in (1, 2, 3)
]
_SERIES = (
    series(1, coupons=[{"code": f"S{number}"} for number in range(1, 6)]),
    series(
        2,
        max_redemptions=99,
        max_redemptions_per_coupon=9,
        max_redemptions_per_customer=9,
        same_customer_may_repeat=True,
        coupons=[{"code": "MANY"}, {"code": "MORE"}],
    ),
    series(3, **UNLIMITED, coupons=[{"code": "FREE"}, {"code": "FREER"}]),
    series(4, **UNLIMITED, min_days_between_redemptions=1, coupons=[{"code": "GAP"}]),
)
_CHANGING_SERIES: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {
    5: (UNLIMITED, {"max_redemptions": 9, "max_redemptions_per_customer": 9}),
    6: ({"max_redemptions": 9, "max_redemptions_per_customer": 9}, UNLIMITED),
    7: ({**UNLIMITED, "max_redemptions": 9}, {**UNLIMITED, "max_redemptions": 1}),
}


def organization(*, later: bool, **changes: Any) -> dict[str, Any]:
    """The catalog, before and after it changes."""
    changing = [
        promotion(name, limits=limits[later], codes=_codes(f"{name}-code"))
        for name, limits in _CHANGING_PROMOTIONS.items()
    ]
    changing_series = [
        series(number, coupons=[{"code": f"{number}A"}, {"code": f"{number}B"}], **limits[later])
        for number, limits in _CHANGING_SERIES.items()
    ]
    customers = [*catalogs.organization()["customers"], {"id": VISITOR, "external_id": "visitor"}]
    return catalogs.organization(
        credentials=[],
        time_zone="Asia/Kolkata",
        customers=customers,
        promotions=[*_PROMOTIONS, *reversed_ledger.PROMOTIONS, *changing],
        earned_promotions=[*_EARNED, *reversed_ledger.EARNED],
        coupon_series=[*_SERIES, *reversed_ledger.SERIES, *changing_series],
        **changes,
    )


async def fill(desk: Desk) -> None:
    """Requests before and after catalog changes; then another organisation with the same rows."""
    for later in (False, True):
        await desk.apply(organization(later=later))
        teller, reverser = _Teller(desk, "late" if later else "early"), Reverser(desk)
        if later:
            await reverser.reverse_after_change()
        await teller.redeem_where_limits_change(late=later)
        if not later:
            await teller.redeem_promotions()
            await teller.redeem_by_window()
            await teller.redeem_coupons()
            await reverser.reverse()
    await desk.database.transact(_copy_organization)


def _copy_organization(connection: Connection) -> None:
    """All ids are the same, so that whoever forgets the organisation finds the other's rows."""
    for table in METADATA.tables.values():
        owner = "org_id" if "org_id" in table.columns else "id"
        if owner in table.columns:
            names = [column.name for column in table.columns]
            cells = ", ".join(str(OTHER_ORG) if name == owner else name for name in names)
            connection.exec_driver_sql(
                f"INSERT INTO {table.name} SELECT {cells} FROM {table.name} WHERE {owner} = {ORG}"
            )
    # And one coupon of their own.
    plant(
        connection,
        f"UPDATE coupon SET code_key = 'theirs' WHERE org_id = {OTHER_ORG} AND code_key = 's5'",
    )


class _Teller:
    """Sends requests, and sees that each comes out as it should."""

    def __init__(self, desk: Desk, prefix: str) -> None:
        self._desk = desk
        self._prefix = prefix

    async def redeem_promotions(self) -> None:
        both = (use("all", promo_code="A1", redemption_count=3, discount=1_500_000),)
        lines = (use("all", promo_code="A2", redemption_count=2, discount=750_000, sku="s"),)
        await self._promotions("plain", use("plain", discount=0), customer_id=VISITOR)
        await self._promotions("two", use("plain"), use("plain"), customer_id=ANONYMOUS)
        await self._promotions("all-1", *both, line_items=lines)
        await self._promotions("all-1", *both, line_items=lines, expected=Replayed)
        nothing = use("all", promo_code="A1", discount=0)
        await self._promotions("all-2", nothing, customer_id=OTHER_CUSTOMER)
        over = use("record", promo_code="R1", redemption_count=3, discount=4_000_000)
        await self._promotions("record-1", over)
        await self._promotions("record-2", over, over)
        await self._promotions("record-3", use("record"), customer_id=ANONYMOUS)
        most = [use(name, discount=2**62) for name in ("vast", "vaster")]
        for number in (1, 2):
            await self._promotions(f"vast-{number}", *most)
        await self._promotions("gift", use("gift", discount=0))
        await self._promotions("linked", use("linked"))
        await self._promotions("not linked", use("linked"), customer_id=OTHER_CUSTOMER)
        earned = use("earned", earned_promotion_id="earned-1")
        await self._promotions("earned-1", earned, customer_id=OTHER_CUSTOMER)
        line = (use("earned", earned_promotion_id="earned-2", sku="s"),)
        await self._promotions("earned-2", line_items=line)
        await self._promotions("again", earned, expected=Refused)
        await self._promotions("unknown", use("unknown"), expected=Refused)
        await self._promotions("too many", use("all", redemption_count=100), expected=Refused)

    async def redeem_by_window(self) -> None:
        uses = [use(window) for window in ("daily", "weekly", "monthly")]
        await self._at_each_moment("window", *uses)

    async def redeem_where_limits_change(self, *, late: bool) -> None:
        uses = [use(name, discount=333_333) for name in ("added", "rewindowed", "removed")]
        await self._at_each_moment("change", *uses)
        over = Refused if late else Granted
        lowered = use("lowered", redemption_count=3, discount=3_000_000)
        await self._promotions(f"{self._prefix}-lowered", lowered, expected=over)
        letter = "B" if late else "A"
        for number in _CHANGING_SERIES:
            expected = Judged if late and number == 7 else Granted
            await self._coupons(f"{number}{letter}", expected=expected)
        if not late:
            await self._promotions("no customer", use("added"), customer_id=ANONYMOUS)
            await self._coupons("7A", "7B")

    async def redeem_coupons(self) -> None:
        await self._coupons("S1", request_id="single")
        await self._coupons("S1", request_id="single", expected=Replayed)
        await self._coupons("S2", "unknown", request_id="partial")
        await self._coupons("S3")
        await self._coupons("S1", request_id="repeated", expected=Judged)
        await self._coupons("MANY", "FREE", request_id="both", atomic=True)
        await self._coupons("FREE", "unknown", request_id="none", atomic=True, expected=Judged)
        await self._coupons("many")
        await self._coupons("MANY", "MORE", customer_id=OTHER_CUSTOMER)
        await self._coupons("GAP", request_id="gap")
        await self._coupons("GAP", expected=Judged)
        await self._coupons("FREER", customer_id=VISITOR, request_id="visit")

    async def _at_each_moment(self, name: str, *uses: Any) -> None:
        for number, moment in enumerate(MOMENTS):
            await self._promotions(
                f"{self._prefix}-{name}-{number}",
                *uses,
                customer_id=(CUSTOMER, OTHER_CUSTOMER)[number % 2],
                transaction_date=datetime.fromisoformat(moment),
            )

    async def _promotions(
        self, identifier: str, *uses: Any, expected: type[Outcome] = Granted, **changes: Any
    ) -> None:
        outcome = await self._desk.redeem(*uses, transaction_identifier=identifier, **changes)
        assert isinstance(outcome, expected), (identifier, outcome)

    async def _coupons(
        self,
        *codes: str,
        expected: type[Outcome] = Granted,
        customer_id: int = CUSTOMER,
        **changes: Any,
    ) -> None:
        customer = CouponCustomer(customer_id=customer_id)
        uses = [coupon(code, customer=customer) for code in codes]
        outcome = await self._desk.redeem_coupons(*uses, **changes)
        assert isinstance(outcome, expected), (codes, outcome)


CROWD = FINDINGS_MAX + 100
PRUNED = to_ms(ODD_DATE + timedelta(minutes=30))
"""After the first redemptions and before their reversals."""


async def crowd(desk: Desk) -> None:
    """As many codes and coupons as CROWD, each redeemed once and reversed for nothing."""
    codes = [{"id": f"code-{number}", "code": f"code-{number}"} for number in range(CROWD)]
    coupons = [{"code": f"coupon-{number}"} for number in range(CROWD)]
    await desk.apply(
        catalogs.organization(
            credentials=[],
            promotions=[promotion("crowd", limits={"redemptions_per_code": 9}, codes=codes)],
            coupon_series=[series(coupons=coupons)],
        )
    )
    requests = [
        request
        for number in range(CROWD)
        for request in (
            desk.redeem(
                use("crowd", promo_code=f"code-{number}"), transaction_identifier=f"t{number}"
            ),
            desk.redeem_coupons(coupon(f"coupon-{number}"), request_id=f"r{number}"),
        )
    ]
    await _granted(*requests)
    reasons = itertools.cycle((ReversalReason.FRAUD, ReversalReason.CHARGEBACK))
    redeemed = await desk.rows("SELECT id FROM coupon_redemption")
    await _granted(
        *(
            desk.reverse(
                transaction_identifier=f"t{number}", reason=reason, request_id=f"v{number}"
            )
            for number, reason in zip(range(CROWD), reasons, strict=False)
        ),
        *(
            desk.reverse(redemption_id, reason=reason, request_id=f"w{redemption_id}")
            for (redemption_id,), reason in zip(redeemed, reasons, strict=False)
        ),
    )


async def _granted(*requests: Coroutine[Any, Any, Outcome]) -> None:
    outcomes = await asyncio.gather(*requests)
    assert all(isinstance(outcome, Granted) for outcome in outcomes)


class _RolledBackError(Exception):
    """Ends a transaction that must leave no trace."""


async def rolled_back(database: Database, work: Callable[[Connection], Result]) -> Result:
    """What `work` returns; it may write whatever it likes, since it never happened."""
    results = []

    def run(connection: Connection) -> None:
        results.append(work(connection))
        raise _RolledBackError

    with pytest.raises(_RolledBackError):
        await database.transact(run)
    return results[0]


class Ledger(NamedTuple):
    """A filled database. `names` are ids of ORG's records by what a test calls them."""

    database: Database
    names: dict[str, Any]

    async def look(self, work: Callable[[Connection], Result], *statements: str) -> Result:
        """What `work` returns once the statements have run, of which nothing stays.

        They may name records (`{plain}`), and break what the database itself guards.
        """

        def run(connection: Connection) -> Result:
            allow_pauses(connection)
            drop_guards(connection)
            for statement in statements:
                plant(connection, statement.format_map(self.names))
            return work(connection)

        return await rolled_back(self.database, run)

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a statement finds."""
        return await rows_of(self.database, statement)

    async def findings(self, *statements: str) -> dict[int, Findings]:
        """What verifying finds in each organisation once the statements have run."""
        return await self.look(
            lambda connection: {org_id: find(connection, org_id) for org_id in (ORG, OTHER_ORG)},
            *statements,
        )


@asynccontextmanager
async def open_ledger(
    url: str, folder: Path, fill: Callable[[Desk], Awaitable[None]]
) -> AsyncIterator[Ledger]:
    """Fills a database."""
    async with open_desk(url, folder) as desk:
        await fill(desk)
        yield Ledger(desk.database, await _names(desk))


async def _names(desk: Desk) -> dict[str, Any]:
    """Ids of records: of transactions and keyed requests, of what is in them, of their events."""
    used = await desk.rows(
        "SELECT t.transaction_identifier, t.id, r.id, e.sequence FROM promotion_transaction t "
        "JOIN promotion_redemption r ON r.org_id = t.org_id AND r.transaction_id = t.id "
        "JOIN event e ON e.org_id = t.org_id AND e.kind = 1 AND e.record_id = r.id "
        f"WHERE t.org_id = {ORG} ORDER BY r.id"
    )
    redeemed = await desk.rows(
        "SELECT c.code_key, c.id, c.claim_key, e.sequence FROM coupon_redemption c "
        "JOIN event e ON e.org_id = c.org_id AND e.kind IN (2, 5) "
        f"AND e.record_id = CAST(c.id AS VARCHAR) WHERE c.org_id = {ORG} ORDER BY c.id"
    )
    undone = await desk.rows(
        "SELECT v.claim_key, v.id, d.record_id, e.sequence FROM reversal v "
        "JOIN reversed_record d ON d.org_id = v.org_id AND d.reversal_id = v.id "
        "JOIN event e ON e.org_id = v.org_id AND e.kind = d.kind + 2 AND e.record_id = d.record_id "
        f"WHERE v.org_id = {ORG} ORDER BY d.record_id"
    )
    last = len(used + redeemed + undone)
    names: dict[str, Any] = {"before": last - 1, "last": last, "next": last + 1}
    names["beyond"] = last + 5
    names["binary"] = "BLOB" if desk.database.mixes_organizations else "BYTEA"
    for identifier, transaction_id, use_id, sequence in used:
        word = _fresh(identifier.replace("-", "_").replace(" ", "_"), names)
        names |= {word: transaction_id, f"{word}_use": use_id, f"{word}_event": sequence}
    for code, redemption_id, key, sequence in redeemed:
        word = _fresh(f"coupon_{code}", names)
        names |= {word: redemption_id, f"{word}_key": key, f"{word}_event": sequence}
    for key, reversal_id, record_id, sequence in undone:
        word = _fresh(f"reversal_{key.replace('-', '_')}", names)
        names |= {word: reversal_id, f"{word}_of": record_id, f"{word}_event": sequence}
    [(names["first_late"],)] = await desk.rows(
        f"SELECT min(sequence) FROM event WHERE org_id = {ORG} AND recorded_at_ms >= :pruned",
        pruned=PRUNED,
    )
    return names


def _fresh(word: str, names: dict[str, Any]) -> str:
    """The word, numbered from the second record of its name on."""
    numbered = (f"{word}_{number}" for number in range(2, 99))
    return word if word not in names else next(name for name in numbered if name not in names)


def find(connection: Connection, org_id: int) -> Findings:
    """What all checks find, in an order of its own."""
    return sorted(
        (finding for check in CHECKS for finding in check.run(connection, org_id)),
        key=lambda finding: (finding.kind.value, finding.subject, finding.description),
    )


def drop_guards(connection: Connection) -> None:
    """Lets counters take any value."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        return
    for constraint in ("usage_not_negative", "usage_within_limit"):
        connection.exec_driver_sql(f"ALTER TABLE usage DROP CONSTRAINT {constraint}")


def plant(connection: Connection, statement: str) -> None:
    """Runs a statement, which must change something."""
    changed = connection.exec_driver_sql(statement).rowcount
    assert changed or statement.startswith("DROP"), statement


async def corrupt(url: str, statements: Iterable[str]) -> None:
    """Plants a corruption for good, without what the database guards."""
    database = open_database(url)

    def work(connection: Connection) -> None:
        for statement in statements:
            plant(connection, statement)

    await database.transact(work)
    await database.close()
