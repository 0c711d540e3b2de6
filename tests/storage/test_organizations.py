"""What an organisation sees and records does not depend on what others have under the same ids.

Two organisations live through a story, each with the other and each without it. Promotions, codes,
customers, transactions and records have the same ids in both and differ in all else.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redemption_server.commit.batch import Batch
from redemption_server.rules.commands import (
    Caller,
    Command,
    CouponCustomer,
)
from redemption_server.rules.facts import CounterKey, PromotionMode, Scope
from redemption_server.rules.outcomes import Outcome
from redemption_server.rules.refusals import Refused
from redemption_server.storage import claims, credentials, facts, lookups, records, usage
from redemption_server.storage.schema import METADATA
from redemption_server.storage.verify.checks import CHECKS
from sqlalchemy import Connection

from tests.storage.two_organizations import KEY, SECRET_HASH, CountingIds
from tests.support.catalogs import ORG, OTHER_ORG, organization, promotion, series
from tests.support.databases import Databases
from tests.support.desk import Desk, coupon, coupons, open_desk, promotions, use

ALL_LIMITS = {
    "redemptions_total": 90,
    "redemptions_per_customer": 80,
    "redemptions_per_code": 70,
    "discount_total": 6_000,
}
DAILY = {
    "redemptions_total": {"limit": 60, "window": "DAY"},
    "redemptions_per_customer": {"limit": 50, "window": "DAY"},
}
UNLIMITED: dict[str, Any] = {
    "max_redemptions_per_coupon": "unlimited",
    "same_customer_may_repeat": True,
}


# The catalogs: those of one organisation, then those of the other.


def here() -> dict[str, Any]:
    return organization(
        id=ORG,
        name="Here",
        tills=[{"id": 11, "code": "till-1"}, {"id": 12, "code": "till-2"}],
        credentials=[{"key": KEY, "secret_hash": SECRET_HASH, "till": "till-1"}],
        customers=[{"id": 501, "mobile": "919999988881"}, {"id": 502, "card_number": "C"}],
        products=[{"id": 1, "sku": "S"}],
        promotions=[
            promotion("p1", limits=ALL_LIMITS, codes=[{"id": "c1", "code": "A"}]),
            promotion("p2"),
            promotion("p3", codes=[{"id": "c3", "code": "C"}, {"id": "c4", "code": "D"}]),
            promotion("p4", limits=DAILY),
        ],
        earned_promotions=[{"id": "e1", "promotion": "p1", "customer": 501}],
        coupon_series=[
            series(1, coupons=[{"code": "X"}, {"code": "U"}]),
            series(2, discount_value="3", coupons=[{"code": "Y"}]),
            series(3, coupons=[{"code": "Z"}], tills=["till-2"]),
        ],
    )


def there() -> dict[str, Any]:
    return organization(
        id=OTHER_ORG,
        name="There",
        region="GB",
        tills=[
            {"id": 21, "code": "till-1"},
            {"id": 22, "code": "till-2"},
            {"id": 23, "code": "till-3"},
        ],
        credentials=[
            {"key": KEY, "secret_hash": SECRET_HASH, "till": "till-2"},
            {"key": "only-there", "secret_hash": SECRET_HASH, "till": "till-3"},
        ],
        customers=[{"id": 501, "card_number": "C"}, {"id": 502, "mobile": "919999988881"}],
        products=[{"id": 2, "sku": "S"}],
        promotions=[
            promotion(
                "p1",
                name="Other",
                codes=[{"id": "c1", "code": "A", "customer": 501}, {"id": "c5", "code": "E"}],
            ),
            promotion("p2", limits=ALL_LIMITS, codes=[{"id": "c2", "code": "B"}]),
            promotion(
                "p3", limits=DAILY, codes=[{"id": "c3", "code": "D"}, {"id": "c4", "code": "C"}]
            ),
            promotion("p4", limits={"redemptions_per_customer": 40, **DAILY}),
        ],
        earned_promotions=[
            {"id": "e1", "promotion": "p2", "customer": 502},
            {"id": "e2", "promotion": "p2", "customer": 502},
        ],
        coupon_series=[
            series(1, discount_value="7", coupons=[{"code": "Y"}, {"code": "U"}], **UNLIMITED),
            series(2, coupons=[{"code": "X"}], max_redemptions_per_customer=4),
            series(
                3,
                coupons=[{"code": "Z"}, {"code": "V"}],
                max_redemptions=6,
                tills=["till-2", "till-3"],
            ),
        ],
    )


def here_later() -> dict[str, Any]:
    """Limits come and go, so that counters are made anew from the records."""
    return {
        "id": ORG,
        "name": "Here",
        "region": "IN",
        "redemption_without_evaluation": True,
        "promotions": [
            promotion("p2", limits=ALL_LIMITS, codes=[{"id": "c2", "code": "B"}]),
            promotion("p1", limits=DAILY, codes=[{"id": "c1", "code": "A"}]),
        ],
        "coupon_series": [
            series(1, coupons=[], max_redemptions_per_coupon="unlimited", max_redemptions=9)
        ],
    }


def there_later() -> dict[str, Any]:
    return {
        "id": OTHER_ORG,
        "name": "There",
        "region": "GB",
        "redemption_without_evaluation": True,
        "promotions": [
            promotion("p1", name="Other", limits={"redemptions_total": 90, "discount_total": 900}),
            promotion("p2", codes=[{"id": "c2", "code": "B"}]),
        ],
        "coupon_series": [series(2, coupons=[], max_redemptions=5)],
    }


def other_tills(org_id: int) -> Callable[[], dict[str, Any]]:
    """Takes away the code of a till that a series names: refused."""
    changed = {"id": org_id // 10 + 2, "code": "till-7"}
    return lambda: {"id": org_id, "name": "Refused", "region": "IN", "tills": [changed]}


# What is redeemed in them.


def caller(org_id: int) -> Caller:
    return Caller(org_id, KEY, None, "till-2")


def sale(desk: Desk, org_id: int, number: int, *promotion_ids: str, **changes: Any) -> Command:
    uses = [
        use(promotion_id, **{"discount": org_id * number, "sku": "S", **changes})
        for promotion_id in promotion_ids
    ]
    return promotions(
        desk.clock.now,
        line_items=tuple(uses),
        caller=caller(org_id),
        transaction_identifier=f"t{number}",
        transaction_number=f"bill-{org_id}",
        customer_id=501 + number % 2,
    )


def by_mobile(desk: Desk, org_id: int) -> Command:
    return promotions(
        desk.clock.now,
        use("p3"),
        caller=caller(org_id),
        transaction_identifier="by-mobile",
        identifier_pair=("mobile", "919999988881"),
    )


def request(org_id: int, code: str, request_id: str, customer_id: int = 501) -> Command:
    customer = CouponCustomer(customer_id=customer_id)
    used = coupon(code, customer=customer)
    return coupons("", used, request_id=request_id, caller=caller(org_id))


def early(desk: Desk, org_id: int) -> list[Command]:
    return [
        sale(desk, org_id, 1, "p1", "p2", "p4", "p3"),
        sale(desk, org_id, 2, "p1", promo_code="A"),
        sale(desk, org_id, 3, "p3", promo_code="C"),
        sale(desk, org_id, 4, "p1" if org_id == ORG else "p2", earned_promotion_id="e1"),
        by_mobile(desk, org_id),
        *(request(org_id, code, f"r-{code}") for code in "XYZ"),
    ]


def late(desk: Desk, org_id: int) -> list[Command]:
    """Once more what was sent before, then other content, then what is new."""
    again = early(desk, org_id)
    return [
        *again,
        sale(desk, org_id, 1, "p1"),
        request(org_id, "Y", "r-X"),
        sale(desk, org_id, 6, "p1", "p2", "p3", "p4"),
        request(org_id, "Y", "r-2", customer_id=502),
    ]


# What is done to the records behind the service's back.

DAMAGE = (
    "UPDATE usage SET used = used + {n} WHERE org_id = {org} AND subject = 'p4'",
    "UPDATE usage SET use_limit = used - 1 WHERE org_id = {org} AND scope = 5",
    "INSERT OR IGNORE INTO usage VALUES ({org}, 1, 'p3', '', 0, 1, NULL, 1)",
    "INSERT OR IGNORE INTO usage VALUES ({org}, 5, 'e2', '', 0, 1, NULL, 1)",
    "INSERT OR IGNORE INTO usage VALUES ({org}, 10, 'v', '', 0, 1, NULL, 1)",
    "INSERT OR IGNORE INTO usage VALUES ({org}, 12, '3', '', 0, 1, NULL, 1)",
    "DELETE FROM event WHERE org_id = {org} AND sequence IN ({n}, {n} + 3, {n} + 4)",
    "INSERT OR IGNORE INTO event VALUES ({org}, 900, 1, 'nothing', 1)",
    "DELETE FROM claim WHERE org_id = {org} AND key IN ('t{n}', 'r-Z')",
    "INSERT OR IGNORE INTO claim VALUES ({org}, 1, 'free', 1, NULL, NULL)",
    "DELETE FROM promotion_redemption WHERE org_id = {org} AND promotion_id = 'p1'",
    "DELETE FROM promotion_transaction WHERE org_id = {org} AND transaction_identifier = 't3'",
    "DELETE FROM coupon WHERE org_id = {org} AND code_key = 'y'",
    "DELETE FROM customer WHERE org_id = {org} AND id = 502",
)


async def damage(org_id: int, desk: Desk) -> None:
    ((*_, file),) = await desk.rows("PRAGMA database_list")
    with closing(sqlite3.connect(file)) as broken:
        broken.execute("PRAGMA ignore_check_constraints = ON")
        for statement in DAMAGE:
            broken.execute(statement.format(org=org_id, n=1 if org_id == ORG else 2))
        broken.commit()


# What an organisation sees.

Told = dict[str, Any]


async def seen(desk: Desk, org_id: int) -> Told:
    """All that is recorded of an organisation and all that storage tells about it."""
    if not await desk.rows("SELECT 1 FROM organization WHERE id = :id", id=org_id):
        return {}
    told = await desk.database.transact(
        lambda connection: {**rows(connection, org_id), **loaded(connection, desk, org_id)}
    )
    return {**told, **await callers(desk, org_id)}


def rows(connection: Connection, org_id: int) -> Told:
    """The rows of each table."""
    return {
        table.name: connection.execute(
            table.select().where(table.c.org_id == org_id).order_by(*table.primary_key)
        ).all()
        for table in METADATA.sorted_tables
        if "org_id" in table.columns
    }


def loaded(connection: Connection, desk: Desk, org_id: int) -> Told:
    """What batches, lookups and verification read."""
    commands = late(desk, org_id)
    keys = [command.key for command in commands]
    counters = [CounterKey(scope, f"p{n}") for scope in Scope for n in range(5)]
    codes = [
        code
        for mode in PromotionMode
        for code in lookups.find_codes(connection, org_id, ["a", "b", "c", "d"], mode)
    ]
    return {
        "facts": facts.load_facts(connection, org_id, commands),
        "counters": usage.lock_usage(connection, org_id, counters).counts,
        "transactions": records.load_transactions(connection, org_id, [k.key for k in keys], "IN"),
        "answers": claims.load_answers(connection, org_id, keys),
        "organization": lookups.load_organization(connection, org_id).organization,
        "codes": codes,
        "redeemed codes": lookups.redeemed_code_ids(connection, org_id, codes),
        "summaries": lookups.summarize(connection, org_id, codes),
        "redemptions": lookups.find_redemptions(connection, org_id, codes, "", 100),
        "newest redemption": lookups.find_redemptions(connection, org_id, codes, "", 1),
        **{check.name: check.run(connection, org_id) for check in CHECKS},
    }


async def callers(desk: Desk, org_id: int) -> Told:
    """What callers are known by."""
    database = desk.database
    credential = await database.read(credentials.load_credential, KEY)
    tills = [
        await database.read(credentials.load_till_id, org_id, f"till-{n}") for n in range(1, 4)
    ]
    assert credential
    return {
        "memberships": [m for m in credential.memberships if m.org_id == org_id],
        "tills": tills,
    }


# The story.


class Step(NamedTuple):
    org_id: int
    do: Callable[[Desk], Awaitable[Any]]


def applying(org_id: int, catalog: Callable[[], dict[str, Any]]) -> Step:
    async def do(desk: Desk) -> Any:
        try:
            await desk.apply(catalog())
        except Refused as refused:
            return refused.violations
        return None

    return Step(org_id, do)


def redeeming(
    org_id: int, ids: CountingIds, commands: Callable[[Desk, int], list[Command]]
) -> Step:
    async def do(desk: Desk) -> list[Outcome]:
        return await desk.database.transact(Batch(commands(desk, org_id), desk.clock.now, ids))

    return Step(org_id, do)


def chapters() -> Iterator[list[Step]]:
    ids, others_ids = CountingIds(0), CountingIds(1_000)
    yield [applying(ORG, here), applying(OTHER_ORG, there)]
    yield [redeeming(ORG, ids, early), redeeming(OTHER_ORG, others_ids, early)]
    yield [applying(ORG, here_later), applying(OTHER_ORG, there_later)]
    yield [applying(org_id, other_tills(org_id)) for org_id in (ORG, OTHER_ORG)]
    yield [redeeming(ORG, ids, late), redeeming(OTHER_ORG, others_ids, late)]
    yield [Step(ORG, partial(damage, ORG))]
    yield [Step(OTHER_ORG, partial(damage, OTHER_ORG))]


async def story(url: str, folder: Path, *org_ids: int) -> dict[int, list[Told]]:
    """What each of the organisations is answered in each chapter, and sees after it."""
    told: dict[int, list[Told]] = {org_id: [] for org_id in org_ids}
    async with open_desk(url, folder) as desk:
        for chapter in chapters():
            answers = {s.org_id: await s.do(desk) for s in chapter if s.org_id in org_ids}
            for org_id in org_ids:
                answer = repr(answers.get(org_id))
                told[org_id].append({"answer": answer, **await seen(desk, org_id)})
    return told


@pytest.fixture
def urls(databases: Databases) -> list[str]:
    return [databases.sqlite() for _ in range(3)]


async def test_nothing_of_an_organisation_depends_on_another_with_the_same_ids(
    urls: list[str], tmp_path: Path
) -> None:
    together = await story(urls.pop(), tmp_path, ORG, OTHER_ORG)
    for org_id in (ORG, OTHER_ORG):
        alone = await story(urls.pop(), tmp_path, org_id)
        pairs = zip(alone[org_id], together[org_id], strict=True)
        for number, (expected, found) in enumerate(pairs):
            for name, value in expected.items():
                assert found[name] == value, f"{name} of {org_id} after chapter {number}"
