"""What can be wrong in the ledger of `tests.storage.ledger`, and what verifying must say of it.

Each corruption touches one organisation alone. Texts may name records of it (`{plain_use}`).
"""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from redemption_server.rules.facts import Scope
from redemption_server.storage.schema import METADATA
from redemption_server.storage.verify.findings import FindingKind

from tests.support.catalogs import ORG

OWN = f"org_id = {ORG}"
ANYTHING = ""


class Expected(NamedTuple):
    """A finding; ANYTHING as its description stands for each."""

    kind: FindingKind
    subject: str
    description: str


class Corruption(NamedTuple):
    """Statements, and all that verifying finds after them."""

    name: str
    statements: tuple[str, ...]
    findings: tuple[Expected, ...]


class Counter(NamedTuple):
    """A counter and what it says."""

    scope: Scope
    subject: str
    used: int
    member: str = ""
    day: str = ""

    @property
    def name(self) -> str:
        parts = ("counters", self.scope.name, self.subject, self.member, self.day)
        return "/".join(part for part in parts if part)

    @property
    def window_start(self) -> int:
        return date.fromisoformat(self.day).toordinal() if self.day else 0

    @property
    def where(self) -> str:
        return (
            f"{OWN} AND scope = {int(self.scope)} AND subject = '{self.subject}' "
            f"AND member = '{self.member}' AND window_start = {self.window_start}"
        )

    def insert(self) -> str:
        return (
            f"INSERT INTO usage VALUES ({ORG}, {int(self.scope)}, '{self.subject}', "
            f"'{self.member}', {self.window_start}, {self.used}, NULL, NULL)"
        )

    def wrong(self, used: int, records: int) -> Expected:
        text = f"counter says {used}, records add up to {records}"
        return Expected(FindingKind.COUNTER_WRONG, self.name, text)

    def without_limit(self) -> Expected:
        text = f"counter says {self.used}, the catalog has no such limit"
        return Expected(FindingKind.COUNTER_WITHOUT_LIMIT, self.name, text)


COUNTERS = (
    Counter(Scope.PROMOTION, "all", 6),
    Counter(Scope.PROMOTION, "daily", 1, day="2026-02-01"),
    Counter(Scope.PROMOTION, "record", 10),
    Counter(Scope.PROMOTION, "lowered", 3),
    Counter(Scope.PROMOTION, "added", 5, day="2026-03-01"),
    Counter(Scope.PROMOTION, "rewindowed", 8),
    Counter(Scope.PROMOTION_CUSTOMER, "all", 5, "501"),
    Counter(Scope.PROMOTION_CUSTOMER, "weekly", 1, "501", "2026-01-26"),
    Counter(Scope.PROMOTION_CUSTOMER, "rewindowed", 2, "502", "2026-03-02"),
    Counter(Scope.PROMOTION_CODE, "all", 4, "id-A1"),
    Counter(Scope.PROMOTION_CODE, "added", 9, "id-added-code"),
    Counter(Scope.PROMOTION_DISCOUNT, "all", 2_250_000),
    Counter(Scope.PROMOTION_DISCOUNT, "monthly", 20_000_000, day="2026-03-01"),
    Counter(Scope.PROMOTION_DISCOUNT, "rewindowed", 1_333_332, day="2026-01-26"),
    Counter(Scope.EARNED_PROMOTION, "earned-1", 1),
    Counter(Scope.COUPON, "s1", 1),
    Counter(Scope.COUPON, "many", 3),
    Counter(Scope.COUPON_CUSTOMER, "s1", 1, "501"),
    Counter(Scope.SERIES, "2", 4),
    Counter(Scope.SERIES, "7", 3),
    Counter(Scope.SERIES_CUSTOMER, "2", 2, "502"),
    Counter(Scope.SERIES_CUSTOMER, "4", 1, "501"),
    # Less than was redeemed, by what came back.
    Counter(Scope.PROMOTION, "usual", 8),
    Counter(Scope.PROMOTION, "chosen", 8),
    Counter(Scope.PROMOTION, "back_lowered", 1),
    Counter(Scope.PROMOTION, "back_rewindowed", 1, day="2026-03-02"),
    Counter(Scope.PROMOTION_CUSTOMER, "usual", 10, "501"),
    Counter(Scope.PROMOTION_CUSTOMER, "chosen", 6, "501"),
    Counter(Scope.PROMOTION_CODE, "usual", 10, "id-usual"),
    Counter(Scope.PROMOTION_CODE, "chosen", 6, "id-chosen"),
    Counter(Scope.PROMOTION_DISCOUNT, "usual", 4_000_000),
    Counter(Scope.PROMOTION_DISCOUNT, "chosen", 4_000_000),
    Counter(Scope.EARNED_PROMOTION, "earned-spent", 1),
    Counter(Scope.COUPON, "usual", 5),
    Counter(Scope.COUPON, "chosen", 3),
    Counter(Scope.COUPON, "once", 1),
    Counter(Scope.COUPON_CUSTOMER, "once", 1, "501"),
    Counter(Scope.SERIES, "11", 3),
    Counter(Scope.SERIES, "12", 4),
    Counter(Scope.SERIES_CUSTOMER, "11", 6, "501"),
    Counter(Scope.SERIES_CUSTOMER, "12", 3, "501"),
    Counter(Scope.SERIES_CUSTOMER, "13", 2, "501"),
)
# Their limits exist, but nothing is recorded that they could count.
UNFOUNDED = (
    Counter(Scope.PROMOTION, "unused", 2),
    Counter(Scope.PROMOTION, "all", 2, "501"),
    Counter(Scope.PROMOTION, "daily", 2, day="2026-02-02"),
    Counter(Scope.PROMOTION, "daily", 2),
    Counter(Scope.PROMOTION_CUSTOMER, "all", 2, "503"),
    Counter(Scope.PROMOTION_CUSTOMER, "record", 1, "-1"),
    Counter(Scope.PROMOTION_CUSTOMER, "monthly", 2, "501", "2026-04-01"),
    Counter(Scope.PROMOTION_CODE, "all", 2, "id-U1"),
    Counter(Scope.PROMOTION_CODE, "record", 1),
    Counter(Scope.PROMOTION_DISCOUNT, "unused", 2),
    Counter(Scope.PROMOTION_DISCOUNT, "weekly", 2, day="2026-01-27"),
    Counter(Scope.EARNED_PROMOTION, "earned-3", 1),
    Counter(Scope.EARNED_PROMOTION, "earned-1", 1, "501"),
    Counter(Scope.COUPON, "s4", 1),
    Counter(Scope.COUPON_CUSTOMER, "s1", 1, "502"),
    Counter(Scope.SERIES, "2", 1, "x"),
    Counter(Scope.SERIES_CUSTOMER, "2", 1, "503"),
)
WITHOUT_LIMIT = (
    Counter(Scope.PROMOTION, "plain", 3),
    Counter(Scope.PROMOTION, "removed", 8),
    Counter(Scope.PROMOTION, "unknown", 1, day="2026-03-01"),
    Counter(Scope.PROMOTION_CUSTOMER, "plain", 1, "503"),
    Counter(Scope.PROMOTION_CODE, "daily", 4, "id-ONLY"),
    Counter(Scope.PROMOTION_DISCOUNT, "plain", 0),
    Counter(Scope.EARNED_PROMOTION, "unknown", 0),
    Counter(Scope.COUPON, "free", 1),
    Counter(Scope.COUPON, "unknown", 1),
    Counter(Scope.COUPON, "theirs", 1),
    Counter(Scope.COUPON_CUSTOMER, "free", 1, "501"),
    Counter(Scope.COUPON_CUSTOMER, "6b", 1, "501"),
    Counter(Scope.SERIES, "1", 3),
    Counter(Scope.SERIES, "unknown", 1),
    Counter(Scope.SERIES_CUSTOMER, "3", 1, "501"),
)
# An un-windowed limit whose counter stands under a day.
STRAY = (
    Counter(Scope.PROMOTION, "all", 6, day="2026-03-01"),
    Counter(Scope.PROMOTION_CUSTOMER, "all", 5, "501", "2026-03-01"),
    Counter(Scope.PROMOTION_CODE, "all", 4, "id-A1", "2026-03-01"),
    Counter(Scope.PROMOTION_DISCOUNT, "all", 2_250_000, day="2026-03-01"),
    Counter(Scope.EARNED_PROMOTION, "earned-1", 1, day="2026-03-01"),
    Counter(Scope.COUPON, "s1", 1, day="2026-03-01"),
    Counter(Scope.COUPON_CUSTOMER, "s1", 1, "501", "2026-03-01"),
    Counter(Scope.SERIES, "2", 4, day="2026-03-01"),
    Counter(Scope.SERIES_CUSTOMER, "4", 1, "501", "2026-03-01"),
)


def copied(table: str, where: str, **changes: str) -> str:
    """Inserts a row that is like another one but for some cells."""
    columns = [column.name for column in METADATA.tables[table].columns]
    cells = ", ".join(changes.get(column, column) for column in columns)
    return f"INSERT INTO {table} SELECT {cells} FROM {table} WHERE {OWN} AND {where}"


def deleted(table: str, where: str = "TRUE") -> str:
    return f"DELETE FROM {table} WHERE {OWN} AND {where}"


def changed(table: str, cells: str, where: str = "TRUE") -> str:
    return f"UPDATE {table} SET {cells} WHERE {OWN} AND {where}"


def _every(name: str, cells: str, *found: Expected) -> Corruption:
    """All of COUNTERS are changed in the same way."""
    statements = (f"UPDATE usage SET {cells} WHERE {counter.where}" for counter in COUNTERS)
    return Corruption(f"each counter {name}", tuple(statements), found)


def _held_to_less(counter: Counter) -> Expected:
    text = f"used {counter.used}, held to {counter.used - 1}"
    return Expected(FindingKind.LIMIT_EXCEEDED, counter.name, text)


def _added(name: str, counters: tuple[Counter, ...], *found: Expected) -> Corruption:
    return Corruption(f"counters {name}", tuple(counter.insert() for counter in counters), found)


_BY_DAY = tuple(counter for counter in COUNTERS if counter.day)
_MOVED = tuple(counter._replace(day="2026-03-03") for counter in _BY_DAY)
_COUNTERS = (
    _every(
        "raised",
        "used = used + 1, use_limit = NULL",
        *(c.wrong(c.used + 1, c.used) for c in COUNTERS),
    ),
    _every("lowered", "used = used - 1", *(c.wrong(c.used - 1, c.used) for c in COUNTERS)),
    _every("negative", "used = -1", *(c.wrong(-1, c.used) for c in COUNTERS)),
    _every("held to less", "use_limit = used - 1", *map(_held_to_less, COUNTERS)),
    Corruption(
        "each counter deleted",
        tuple(f"DELETE FROM usage WHERE {counter.where}" for counter in COUNTERS),
        tuple(counter.wrong(0, counter.used) for counter in COUNTERS),
    ),
    Corruption(
        "each counter of a day moved to another",
        tuple(
            f"UPDATE usage SET window_start = {after.window_start} WHERE {before.where}"
            for before, after in zip(_BY_DAY, _MOVED, strict=True)
        ),
        tuple(counter.wrong(0, counter.used) for counter in _BY_DAY)
        + tuple(counter.wrong(counter.used, 0) for counter in _MOVED),
    ),
    _added("of nothing", UNFOUNDED, *(c.wrong(c.used, 0) for c in UNFOUNDED)),
    _added("without limit", WITHOUT_LIMIT, *(c.without_limit() for c in WITHOUT_LIMIT)),
)


_ALL = (
    COUNTERS[0],
    Counter(Scope.PROMOTION_CUSTOMER, "all", 5, "501"),
    Counter(Scope.PROMOTION_CUSTOMER, "all", 1, "502"),
    Counter(Scope.PROMOTION_CODE, "all", 4, "id-A1"),
    Counter(Scope.PROMOTION_CODE, "all", 2, "id-A2"),
    Counter(Scope.PROMOTION_DISCOUNT, "all", 2_250_000),
)
_DAYS = ("2026-01-31", "2026-02-01", "2026-03-01", "2026-03-02")


def _day(window: str, day: str) -> Counter:
    return Counter(Scope.PROMOTION, window, 1, day=day)


# What the use of the transaction all-2 (once, by code A1, for nothing) counts for.
_LESS_BY_ALL_2 = (
    _ALL[0].wrong(6, 5),
    _ALL[2].wrong(1, 0),
    _ALL[3].wrong(4, 3),
)
# What the transaction early-window-0 counts for, once it is a millisecond later: in Kolkata another
# day and month, but the same week.
_LATER_BY_A_DAY = tuple(
    finding
    for name, before, after in (
        ("daily", "2026-01-31", "2026-02-01"),
        ("monthly", "2026-01-01", "2026-02-01"),
    )
    for scope, member, amount in (
        (Scope.PROMOTION, "", 1),
        (Scope.PROMOTION_DISCOUNT, "", 10_000_000),
    )
    for finding in (
        Counter(scope, name, amount, member, before).wrong(amount, 0),
        Counter(scope, name, amount, member, after).wrong(amount, 2 * amount),
    )
) + tuple(
    finding
    for name, before, after in (
        ("daily", "2026-01-31", "2026-02-01"),
        ("monthly", "2026-01-01", "2026-02-01"),
    )
    for finding in (
        Counter(Scope.PROMOTION_CUSTOMER, name, 1, "501", before).wrong(1, 0),
        Counter(Scope.PROMOTION_CUSTOMER, name, 1, "501", after).wrong(0, 1),
    )
)

_RECORDS = (
    Corruption(
        "a use counts more",
        (changed("promotion_redemption", "redemption_count = 2", "id = '{all_2_use}'"),),
        (_ALL[0].wrong(6, 7), _ALL[2].wrong(1, 2), _ALL[3].wrong(4, 5)),
    ),
    Corruption(
        "a use gives more",
        (changed("promotion_redemption", "discount_micros = 1", "id = '{all_2_use}'"),),
        (_ALL[5].wrong(2_250_000, 2_250_001),),
    ),
    Corruption(
        "a use is of no code",
        (changed("promotion_redemption", "code_id = ''", "id = '{all_2_use}'"),),
        (_ALL[3].wrong(4, 3),),
    ),
    Corruption(
        "a transaction is another customer's",
        (changed("promotion_transaction", "customer_id = 501", "id = '{all_2}'"),),
        (_ALL[1].wrong(5, 6), _ALL[2].wrong(1, 0)),
    ),
    Corruption(
        "a transaction is nobody's",
        (changed("promotion_transaction", "customer_id = -1", "id = '{all_2}'"),),
        (_ALL[2].wrong(1, 0),),
    ),
    Corruption(
        "a transaction is a millisecond later",
        (
            changed(
                "promotion_transaction",
                "transaction_at_ms = transaction_at_ms + 1",
                "id = '{early_window_0}'",
            ),
        ),
        _LATER_BY_A_DAY,
    ),
    Corruption(
        "a use is of no earned promotion",
        (changed("promotion_redemption", "earned_promotion_id = ''", "id = '{earned_1_use}'"),),
        (Counter(Scope.EARNED_PROMOTION, "earned-1", 1).wrong(1, 0),),
    ),
    Corruption(
        "an earned promotion is used twice",
        (
            changed(
                "promotion_redemption", "earned_promotion_id = 'earned-2'", "id = '{plain_use}'"
            ),
        ),
        (Counter(Scope.EARNED_PROMOTION, "earned-2", 1).wrong(1, 2),),
    ),
    Corruption(
        "a coupon redemption is another customer's",
        (changed("coupon_redemption", "customer_id = 502", "id = {coupon_s1}"),),
        (
            Counter(Scope.COUPON_CUSTOMER, "s1", 1, "501").wrong(1, 0),
            Counter(Scope.COUPON_CUSTOMER, "s1", 1, "502").wrong(0, 1),
        ),
    ),
    Corruption(
        "a coupon redemption is of another coupon",
        (changed("coupon_redemption", "code_key = 'more'", "id = {coupon_many}"),),
        (
            Counter(Scope.COUPON, "many", 3).wrong(3, 2),
            Counter(Scope.COUPON, "more", 1).wrong(1, 2),
        ),
    ),
)

_CATALOG = (
    Corruption(
        "a limit is gone",
        (changed("promotion", "total_limit = NULL", "id = 'all'"),),
        (_ALL[0].without_limit(),),
    ),
    Corruption(
        "a limit appeared",
        (changed("promotion", "total_limit = 9", "id = 'plain'"),),
        (Counter(Scope.PROMOTION, "plain", 3).wrong(0, 3),),
    ),
    Corruption(
        "a window changed",
        (changed("promotion", "total_window = 'WEEK'", "id = 'daily'"),),
        (
            _day("daily", "2026-01-26").wrong(0, 2),
            _day("daily", "2026-01-31").wrong(1, 0),
            _day("daily", "2026-02-01").wrong(1, 0),
            _day("daily", "2026-02-23").wrong(0, 1),
            _day("daily", "2026-03-01").wrong(1, 0),
        ),
    ),
    Corruption(
        "a window appeared",
        (changed("promotion", "total_window = 'MONTH'", "id = 'all'"),),
        (_ALL[0].wrong(6, 0), _ALL[0]._replace(day="2026-03-01").wrong(0, 6)),
    ),
    Corruption(
        "a series has another limit",
        (changed("coupon_series", "max_redemptions = 9", "id = 3"),),
        (Counter(Scope.SERIES, "3", 2).wrong(0, 2),),
    ),
    Corruption(
        "a series has a gap",
        (changed("coupon_series", "min_days_between_redemptions = 1", "id = 3"),),
        (
            Counter(Scope.SERIES_CUSTOMER, "3", 1, "501").wrong(0, 1),
            Counter(Scope.SERIES_CUSTOMER, "3", 1, "503").wrong(0, 1),
        ),
    ),
    Corruption(
        "a series has no gap",
        (changed("coupon_series", "min_days_between_redemptions = 0", "id = 4"),),
        (Counter(Scope.SERIES_CUSTOMER, "4", 1, "501").without_limit(),),
    ),
)


def key_without_record(subject: str) -> Expected:
    kinds = {"transactions": "transaction", "requests": "redemption", "reversals": "reversal"}
    record = kinds[subject.partition("/")[0]]
    text = f"the key is taken, no {record} is recorded under it"
    return Expected(FindingKind.KEY_WITHOUT_RECORD, subject, text)


def _transaction_without_key(identifier: str) -> Expected:
    text = "the transaction is recorded, its key is free"
    return Expected(FindingKind.RECORD_WITHOUT_KEY, f"transactions/{identifier}", text)


def _coupon_without_key(name: str, key: str) -> Expected:
    text = f"the redemption is recorded, its key {key} is free"
    return Expected(FindingKind.RECORD_WITHOUT_KEY, f"couponRedemptions/{{coupon_{name}}}", text)


def _answer_wrong(key: str, answered: str, recorded: str) -> Expected:
    text = f"the answer names redemptions {answered}, recorded are {recorded}"
    return Expected(FindingKind.ANSWER_WRONG, f"requests/{key}", text)


def ghost_key(operation: int) -> str:
    return f"INSERT INTO claim VALUES ({ORG}, {operation}, 'ghost', 0, NULL, NULL)"


_SINGLE = "operation = 2 AND key = 'single'"
_KEYS = (
    Corruption(
        "a promotion key too many", (ghost_key(1),), (key_without_record("transactions/ghost"),)
    ),
    Corruption("a request key too many", (ghost_key(2),), (key_without_record("requests/ghost"),)),
    Corruption("a made-up key too many", (ghost_key(3),), (key_without_record("requests/ghost"),)),
    Corruption(
        "a promotion key deleted",
        (deleted("claim", "operation = 1 AND key = 'plain'"),),
        (_transaction_without_key("plain"),),
    ),
    Corruption(
        "a request key deleted",
        (deleted("claim", _SINGLE),),
        (_coupon_without_key("s1", "single"),),
    ),
    Corruption(
        "the key of several redemptions deleted",
        (deleted("claim", "key = 'both'"),),
        (_coupon_without_key("many", "both"), _coupon_without_key("free", "both")),
    ),
    Corruption(
        "a made-up key deleted",
        (deleted("claim", "operation = 3 AND key = '{coupon_s3_key}'"),),
        (_coupon_without_key("s3", "{coupon_s3_key}"),),
    ),
    Corruption(
        "a promotion key changed",
        (changed("claim", "key = 'ghost'", "operation = 1 AND key = 'plain'"),),
        (_transaction_without_key("plain"), key_without_record("transactions/ghost")),
    ),
    Corruption(
        "a request key changed",
        (changed("claim", "key = 'ghost'", _SINGLE),),
        (_coupon_without_key("s1", "single"), key_without_record("requests/ghost")),
    ),
    Corruption(
        "a request key is of another operation",
        (changed("claim", "operation = 3", _SINGLE),),
        (_coupon_without_key("s1", "single"), key_without_record("requests/single")),
    ),
    Corruption(
        "a promotion key is of another operation",
        (changed("claim", "operation = 2", "operation = 1 AND key = 'plain'"),),
        (_transaction_without_key("plain"), key_without_record("requests/plain")),
    ),
    Corruption(
        "a transaction's identifier changed",
        (changed("promotion_transaction", "transaction_identifier = 'other'", "id = '{plain}'"),),
        (_transaction_without_key("other"), key_without_record("transactions/plain")),
    ),
    Corruption(
        "two transactions under one key",
        (
            "DROP INDEX promotion_transaction_identifier",
            copied("promotion_transaction", "id = '{two}'", id="'copy'"),
            changed("promotion_redemption", "transaction_id = 'copy'", "id = '{two_2_use}'"),
        ),
        (
            Expected(
                FindingKind.KEY_REPEATED,
                "transactions/two",
                "2 transactions are recorded under the key",
            ),
        ),
    ),
    Corruption(
        "an answer removed",
        (changed("claim", "answer = NULL", _SINGLE),),
        (_answer_wrong("single", "[]", "[{coupon_s1}]"),),
    ),
    Corruption(
        "the answer of a made-up key removed",
        (changed("claim", "answer = NULL", "key = '{coupon_s3_key}'"),),
        (_answer_wrong("{coupon_s3_key}", "[]", "[{coupon_s3}]"),),
    ),
    Corruption(
        "an answer of nothing",
        (changed("claim", "answer = CAST('[]' AS {binary})", _SINGLE),),
        (_answer_wrong("single", "[]", "[{coupon_s1}]"),),
    ),
    Corruption(
        "the answer to another request",
        (
            changed(
                "claim",
                f"answer = (SELECT answer FROM claim WHERE {OWN} AND key = 'gap')",
                _SINGLE,
            ),
        ),
        (_answer_wrong("single", "[{coupon_gap}]", "[{coupon_s1}]"),),
    ),
    Corruption(
        "a redemption under another request's key",
        (changed("coupon_redemption", "claim_key = 'partial'", "id = {coupon_s1}"),),
        (
            _answer_wrong("partial", "[{coupon_s2}]", "[{coupon_s1}, {coupon_s2}]"),
            key_without_record("requests/single"),
        ),
    ),
    Corruption(
        "a redemption under an unknown key",
        (changed("coupon_redemption", "claim_key = 'ghost'", "id = {coupon_free}"),),
        (
            _answer_wrong("both", "[{coupon_many}, {coupon_free}]", "[{coupon_many}]"),
            _coupon_without_key("free", "ghost"),
        ),
    ),
)


def event_without_record(event: str, record: str) -> Expected:
    text = f"there is no record {record}"
    return Expected(FindingKind.EVENT_WITHOUT_RECORD, f"events/{event}", text)


def event_missing(record: str, text: str = "the record has no event") -> Expected:
    return Expected(FindingKind.EVENT_MISSING, record, text)


def _use_without_transaction(use: str, transaction: str) -> Expected:
    text = f"there is no transaction {transaction}"
    return Expected(FindingKind.USE_WITHOUT_TRANSACTION, f"redemptions/{use}", text)


def _transaction_without_use(transaction: str) -> Expected:
    subject = f"transactions/{transaction}"
    return Expected(FindingKind.TRANSACTION_WITHOUT_USE, subject, "no use is recorded")


_TRANSACTIONS = (
    Corruption(
        "a transaction deleted",
        (deleted("promotion_transaction", "id = '{plain}'"),),
        (
            _use_without_transaction("{plain_use}", "{plain}"),
            key_without_record("transactions/plain"),
        ),
    ),
    Corruption(
        "a transaction of a limited promotion deleted",
        (deleted("promotion_transaction", "id = '{all_2}'"),),
        (
            *_LESS_BY_ALL_2,
            _use_without_transaction("{all_2_use}", "{all_2}"),
            key_without_record("transactions/all-2"),
        ),
    ),
    Corruption(
        "a use deleted",
        (deleted("promotion_redemption", "id = '{plain_use}'"),),
        (
            _transaction_without_use("{plain}"),
            event_without_record("{plain_event}", "{plain_use}"),
        ),
    ),
    Corruption(
        "one of two uses deleted",
        (deleted("promotion_redemption", "id = '{two_use}'"),),
        (event_without_record("{two_event}", "{two_use}"),),
    ),
    Corruption(
        "a use of a limited promotion deleted",
        (deleted("promotion_redemption", "id = '{all_2_use}'"),),
        (
            *_LESS_BY_ALL_2,
            _transaction_without_use("{all_2}"),
            event_without_record("{all_2_event}", "{all_2_use}"),
        ),
    ),
    Corruption(
        "a use in an unknown transaction",
        (changed("promotion_redemption", "transaction_id = 'ghost'", "id = '{plain_use}'"),),
        (
            _use_without_transaction("{plain_use}", "ghost"),
            _transaction_without_use("{plain}"),
        ),
    ),
    Corruption(
        "a transaction without use too many",
        (
            ghost_key(1),
            copied(
                "promotion_transaction",
                "id = '{plain}'",
                id="'empty'",
                transaction_identifier="'ghost'",
            ),
        ),
        (_transaction_without_use("empty"),),
    ),
    Corruption(
        "a coupon redemption deleted",
        (deleted("coupon_redemption", "id = {coupon_s1}"),),
        (
            Counter(Scope.COUPON, "s1", 1).wrong(1, 0),
            Counter(Scope.COUPON_CUSTOMER, "s1", 1, "501").wrong(1, 0),
            key_without_record("requests/single"),
            event_without_record("{coupon_s1_event}", "{coupon_s1}"),
        ),
    ),
    Corruption(
        "one of two coupon redemptions deleted",
        (deleted("coupon_redemption", "id = {coupon_free}"),),
        (
            _answer_wrong("both", "[{coupon_many}, {coupon_free}]", "[{coupon_many}]"),
            event_without_record("{coupon_free_event}", "{coupon_free}"),
        ),
    ),
)


def _dangling(record: str, target: str) -> Expected:
    return Expected(FindingKind.REFERENCE_DANGLING, record, f"there is no {target}")


_REFERENCES = (
    Corruption(
        "a promotion deleted",
        (deleted("promotion", "id = 'linked'"),),
        (
            _dangling("redemptions/{linked_use}", "promotion linked"),
            _dangling("redemptions/{not_linked_use}", "promotion linked"),
        ),
    ),
    Corruption(
        "a limited promotion deleted",
        (deleted("promotion", "id = 'all'"),),
        (
            *(counter.without_limit() for counter in _ALL),
            _dangling("redemptions/{all_1_use}", "promotion all"),
            _dangling("redemptions/{all_1_2_use}", "promotion all"),
            _dangling("redemptions/{all_2_use}", "promotion all"),
        ),
    ),
    Corruption(
        "a code deleted",
        (deleted("promotion_code", "id = 'id-L'"),),
        (_dangling("redemptions/{linked_use}", "promotion_code id-L"),),
    ),
    Corruption(
        "an earned promotion deleted",
        (deleted("earned_promotion", "id = 'earned-1'"),),
        (
            _dangling("redemptions/{earned_1_use}", "earned_promotion earned-1"),
            Counter(Scope.EARNED_PROMOTION, "earned-1", 1).without_limit(),
        ),
    ),
    Corruption(
        "a customer deleted",
        (deleted("customer", "id = 503"),),
        (
            _dangling("transactions/{plain}", "customer 503"),
            _dangling("couponRedemptions/{coupon_freer}", "customer 503"),
        ),
    ),
    Corruption(
        "a coupon deleted",
        (deleted("coupon", "code_key = 'free'"),),
        (_dangling("couponRedemptions/{coupon_free}", "coupon free"),),
    ),
    Corruption(
        "a series deleted",
        (deleted("coupon_series", "id = 3"),),
        (
            _dangling("couponRedemptions/{coupon_free}", "coupon_series 3"),
            _dangling("couponRedemptions/{coupon_freer}", "coupon_series 3"),
        ),
    ),
    Corruption(
        "a limited series deleted",
        (deleted("coupon_series", "id = 4"),),
        (
            _dangling("couponRedemptions/{coupon_gap}", "coupon_series 4"),
            Counter(Scope.SERIES_CUSTOMER, "4", 1, "501").without_limit(),
        ),
    ),
    Corruption(
        "a use of an unknown promotion",
        (changed("promotion_redemption", "promotion_id = 'ghost'", "id = '{plain_use}'"),),
        (_dangling("redemptions/{plain_use}", "promotion ghost"),),
    ),
    Corruption(
        "a use of an unknown code",
        (changed("promotion_redemption", "code_id = 'ghost'", "id = '{plain_use}'"),),
        (_dangling("redemptions/{plain_use}", "promotion_code ghost"),),
    ),
    Corruption(
        "a redemption of an unknown coupon",
        (changed("coupon_redemption", "code_key = 'ghost'", "id = {coupon_free}"),),
        (_dangling("couponRedemptions/{coupon_free}", "coupon ghost"),),
    ),
    Corruption(
        "a redemption in an unknown series",
        (changed("coupon_redemption", "series_id = 99", "id = {coupon_free}"),),
        (_dangling("couponRedemptions/{coupon_free}", "coupon_series 99"),),
    ),
    Corruption(
        "a redemption by an unknown customer",
        (changed("coupon_redemption", "customer_id = 999", "id = {coupon_free}"),),
        (_dangling("couponRedemptions/{coupon_free}", "customer 999"),),
    ),
)


def numbers(text: str) -> Expected:
    return Expected(FindingKind.EVENT_SEQUENCE_BROKEN, f"eventSequences/{ORG}", text)


def gap(number: str) -> Expected:
    text = "the event is missing"
    return Expected(FindingKind.EVENT_SEQUENCE_BROKEN, f"events/{number}", text)


ONE_MORE = changed("event_sequence", "last = last + 1")
_PLAIN = "sequence = {plain_event}"
_EVENTS = (
    Corruption(
        "the last event deleted and its number given back",
        (deleted("event", "sequence = {last}"), changed("event_sequence", "last = last - 1")),
        (event_missing("coupon_redemption/{coupon_6b}"),),
    ),
    Corruption(
        "an event deleted",
        (deleted("event", _PLAIN),),
        (event_missing("promotion_redemption/{plain_use}"), gap("{plain_event}")),
    ),
    Corruption(
        "the first event deleted",
        (deleted("event", "sequence = 1"),),
        (
            event_missing("promotion_redemption/{early_change_0_use}"),
            numbers("the first event is 2"),
        ),
    ),
    Corruption(
        "the last event deleted",
        (deleted("event", "sequence = {last}"),),
        (
            event_missing("coupon_redemption/{coupon_6b}"),
            numbers("the newest event is {before}, the last number given is {last}"),
        ),
    ),
    Corruption(
        "a second event of a use",
        (copied("event", _PLAIN, sequence="{next}"), ONE_MORE),
        (event_missing("promotion_redemption/{plain_use}", "the record has 2 events"),),
    ),
    Corruption(
        "a second event of a coupon redemption",
        (copied("event", "sequence = {coupon_s1_event}", sequence="{next}"), ONE_MORE),
        (event_missing("coupon_redemption/{coupon_s1}", "the record has 2 events"),),
    ),
    Corruption(
        "an event of no use",
        (copied("event", _PLAIN, sequence="{next}", record_id="'ghost'"), ONE_MORE),
        (event_without_record("{next}", "ghost"),),
    ),
    Corruption(
        "an event of no coupon redemption",
        (copied("event", _PLAIN, sequence="{next}", kind="2", record_id="'ghost'"), ONE_MORE),
        (event_without_record("{next}", "ghost"),),
    ),
    Corruption(
        "an event of another kind",
        (changed("event", "kind = 2", _PLAIN),),
        (
            event_missing("promotion_redemption/{plain_use}"),
            event_without_record("{plain_event}", "{plain_use}"),
        ),
    ),
    Corruption(
        "an event of another record",
        (changed("event", "record_id = 'ghost'", _PLAIN),),
        (
            event_missing("promotion_redemption/{plain_use}"),
            event_without_record("{plain_event}", "ghost"),
        ),
    ),
    Corruption(
        "the last event renumbered",
        (changed("event", "sequence = {beyond}", "sequence = {last}"),),
        (numbers("the newest event is {beyond}, the last number given is {last}"), gap("{last}")),
    ),
    Corruption(
        "an event in the middle renumbered",
        (changed("event", "sequence = {next}", _PLAIN), ONE_MORE),
        (gap("{plain_event}"),),
    ),
    Corruption(
        "the first event renumbered to the end",
        (changed("event", "sequence = {next}", "sequence = 1"), ONE_MORE),
        (numbers("the first event is 2"),),
    ),
    Corruption(
        "the first event renumbered to 0",
        (changed("event", "sequence = 0", "sequence = 1"),),
        (numbers("the first event is 0"), gap("1")),
    ),
    Corruption(
        "a number too many given",
        (ONE_MORE,),
        (numbers("the newest event is {last}, the last number given is {next}"),),
    ),
    Corruption(
        "a number given back",
        (changed("event_sequence", "last = last - 1"),),
        (numbers("the newest event is {last}, the last number given is {before}"),),
    ),
    Corruption(
        "the last number deleted",
        (deleted("event_sequence"),),
        (numbers("the newest event is {last}, the last number given is None"),),
    ),
)

CORRUPTIONS = (
    *_COUNTERS,
    *_RECORDS,
    *_CATALOG,
    *_KEYS,
    *_TRANSACTIONS,
    *_REFERENCES,
    *_EVENTS,
)


def _strays() -> Iterator[Corruption]:
    for counter in STRAY:
        finding = counter.wrong(counter.used, 0)
        yield Corruption(f"{counter.name} added", (counter.insert(),), (finding,))


# By the reason why verifying does not find them, or not only them.
HIDDEN = {
    "counters of limits without a window are looked at only without their day": (
        *_strays(),
        Corruption(
            "a window is gone",
            (changed("promotion", "total_window = 'NONE'", "id = 'daily'"),),
            (
                Counter(Scope.PROMOTION, "daily", 4).wrong(0, 4),
                *(_day("daily", day).wrong(1, 0) for day in _DAYS),
            ),
        ),
    ),
    "an answer that cannot be read ends the verification": (
        Corruption(
            "an answer is no JSON",
            (changed("claim", "answer = CAST('no JSON' AS {binary})", _SINGLE),),
            (Expected(FindingKind.ANSWER_WRONG, "requests/single", ANYTHING),),
        ),
        Corruption(
            "an answer is no list of results",
            (changed("claim", "answer = CAST('[1]' AS {binary})", _SINGLE),),
            (Expected(FindingKind.ANSWER_WRONG, "requests/single", ANYTHING),),
        ),
    ),
    "only the scopes that are known are looked at": (
        Corruption(
            "a counter of an unknown scope",
            (f"INSERT INTO usage VALUES ({ORG}, 99, 'all', '', 0, 1, NULL, NULL)",),
            (Expected(FindingKind.COUNTER_WITHOUT_LIMIT, ANYTHING, ANYTHING),),
        ),
    ),
    "only the kinds that are known are looked at": (
        Corruption(
            "an event of an unknown kind",
            (copied("event", _PLAIN, sequence="{next}", kind="9"), ONE_MORE),
            (event_without_record("{next}", "{plain_use}"),),
        ),
    ),
    "the counters of a deleted coupon are taken for missing": (
        Corruption(
            "a limited coupon deleted",
            (deleted("coupon", "code_key = 's1'"),),
            (
                _dangling("couponRedemptions/{coupon_s1}", "coupon s1"),
                Counter(Scope.COUPON, "s1", 1).without_limit(),
                Counter(Scope.COUPON_CUSTOMER, "s1", 1, "501").without_limit(),
            ),
        ),
    ),
    "the last use of a counter, by which gaps are judged, is not looked at": (
        Corruption(
            "the last use is another",
            (
                "UPDATE usage SET last_at_ms = last_at_ms - 1 WHERE "
                + Counter(Scope.SERIES_CUSTOMER, "4", 1, "501").where,
            ),
            (Expected(FindingKind.COUNTER_WRONG, "counters/SERIES_CUSTOMER/4/501", ANYTHING),),
        ),
    ),
}
