"""What can be wrong with the reversals of the ledger, and what verifying must say of it."""

from redemption_server.rules.facts import Scope
from redemption_server.storage.verify.findings import FindingKind

from tests.storage.corruptions import (
    ANYTHING,
    ONE_MORE,
    OWN,
    Corruption,
    Counter,
    Expected,
    changed,
    copied,
    deleted,
    event_missing,
    event_without_record,
    gap,
    ghost_key,
    key_without_record,
)

# Nothing came back for these two, so that no counter minds what becomes of them.
_USE, _COUPON = "record_id = '{reversal_usual_FRAUD_of}'", "claim_key = 'coupon-usual-FRAUD'"
_OF_COUPON = "record_id = '{reversal_coupon_usual_FRAUD_of}'"
_REVERSAL = "id = '{reversal_usual_FRAUD}'"
_KEY = "operation = 4 AND key = 'usual-FRAUD'"
_EVENT = "sequence = {reversal_usual_FRAUD_event}"
_COUPON_EVENT = "sequence = {reversal_coupon_usual_FRAUD_event}"


def _without(subject: str, text: str) -> Expected:
    return Expected(FindingKind.REVERSAL_WITHOUT_REDEMPTION, f"reversals/{subject}", text)


def _no_redemption(subject: str) -> Expected:
    return _without(subject, "there is no such redemption")


def _no_reversal(record: str, reversal: str) -> Expected:
    return _without(record, f"there is no reversal {reversal}")


def _reversed_nothing(reversal: str) -> Expected:
    return _without(reversal, "it reversed nothing")


def _without_key(key: str) -> Expected:
    text = "the reversal is recorded, its key is free"
    return Expected(FindingKind.RECORD_WITHOUT_KEY, f"reversals/{key}", text)


_RECORDS = (
    Corruption(
        "a reversal of no use",
        (changed("reversed_record", "record_id = 'ghost'", _USE),),
        (
            _no_redemption("promotion_redemption/ghost"),
            event_missing("reversed_record/ghost"),
            event_without_record("{reversal_usual_FRAUD_event}", "{reversal_usual_FRAUD_of}"),
        ),
    ),
    Corruption(
        "a reversal of no coupon redemption",
        (changed("reversed_record", "record_id = 'ghost'", _OF_COUPON),),
        (
            _no_redemption("coupon_redemption/ghost"),
            event_missing("reversed_record/ghost"),
            event_without_record(
                "{reversal_coupon_usual_FRAUD_event}", "{reversal_coupon_usual_FRAUD_of}"
            ),
        ),
    ),
    Corruption(
        "a reversed use is a coupon redemption",
        (changed("reversed_record", "kind = 2", _USE),),
        (
            _no_redemption("coupon_redemption/{reversal_usual_FRAUD_of}"),
            event_missing("reversed_record/{reversal_usual_FRAUD_of}"),
            event_without_record("{reversal_usual_FRAUD_event}", "{reversal_usual_FRAUD_of}"),
        ),
    ),
    Corruption(
        "a redemption reversed by no reversal",
        (changed("reversed_record", "reversal_id = 'ghost'", _USE),),
        (
            _no_reversal("{reversal_usual_FRAUD_of}", "ghost"),
            _reversed_nothing("{reversal_usual_FRAUD}"),
        ),
    ),
    Corruption(
        "one of two redemptions reversed by no reversal",
        (changed("reversed_record", "reversal_id = 'ghost'", "record_id = '{reversal_rest_of}'"),),
        (_no_reversal("{reversal_rest_of}", "ghost"),),
    ),
    Corruption(
        "a reversal deleted",
        (deleted("reversal", _COUPON),),
        (
            _no_reversal("{reversal_coupon_usual_FRAUD_of}", "{reversal_coupon_usual_FRAUD}"),
            key_without_record("reversals/coupon-usual-FRAUD"),
        ),
    ),
    Corruption(
        "what a reversal reversed deleted",
        (deleted("reversed_record", _USE),),
        (
            _reversed_nothing("{reversal_usual_FRAUD}"),
            event_without_record("{reversal_usual_FRAUD_event}", "{reversal_usual_FRAUD_of}"),
        ),
    ),
    Corruption(
        "a reversal of nothing too many",
        (ghost_key(4), copied("reversal", _REVERSAL, id="'empty'", claim_key="'ghost'")),
        (_reversed_nothing("empty"),),
    ),
    Corruption(
        "a reversed use deleted",
        (deleted("promotion_redemption", "id = '{reversal_back_0_4_of}'"),),
        (
            _no_redemption("promotion_redemption/{reversal_back_0_4_of}"),
            Expected(FindingKind.EVENT_WITHOUT_RECORD, ANYTHING, ANYTHING),
        ),
    ),
)

_KEYS = (
    Corruption(
        "a reversal key too many", (ghost_key(4),), (key_without_record("reversals/ghost"),)
    ),
    Corruption("a reversal key deleted", (deleted("claim", _KEY),), (_without_key("usual-FRAUD"),)),
    Corruption(
        "a reversal key changed",
        (changed("claim", "key = 'ghost'", _KEY),),
        (_without_key("usual-FRAUD"), key_without_record("reversals/ghost")),
    ),
    Corruption(
        "a reversal under another key",
        (changed("reversal", "claim_key = 'ghost'", _REVERSAL),),
        (_without_key("ghost"), key_without_record("reversals/usual-FRAUD")),
    ),
    Corruption(
        "a reversal key is of another operation",
        (changed("claim", "operation = 2", _KEY),),
        (_without_key("usual-FRAUD"), key_without_record("requests/usual-FRAUD")),
    ),
)

_EVENTS = (
    Corruption(
        "an event of a reversed use deleted",
        (deleted("event", _EVENT),),
        (
            event_missing("reversed_record/{reversal_usual_FRAUD_of}"),
            gap("{reversal_usual_FRAUD_event}"),
        ),
    ),
    Corruption(
        "an event of a reversed coupon redemption deleted",
        (deleted("event", _COUPON_EVENT),),
        (
            event_missing("reversed_record/{reversal_coupon_usual_FRAUD_of}"),
            gap("{reversal_coupon_usual_FRAUD_event}"),
        ),
    ),
    Corruption(
        "a second event of a reversed use",
        (copied("event", _EVENT, sequence="{next}"), ONE_MORE),
        (event_missing("reversed_record/{reversal_usual_FRAUD_of}", "the record has 2 events"),),
    ),
    Corruption(
        "a second event of a reversed coupon redemption",
        (copied("event", _COUPON_EVENT, sequence="{next}"), ONE_MORE),
        (
            event_missing(
                "reversed_record/{reversal_coupon_usual_FRAUD_of}", "the record has 2 events"
            ),
        ),
    ),
    Corruption(
        "an event of the reversal of a use that stands",
        (
            copied("event", "sequence = {plain_event}", sequence="{next}", kind="3"),
            ONE_MORE,
        ),
        (event_without_record("{next}", "{plain_use}"),),
    ),
    Corruption(
        "an event of the reversal of a coupon redemption that stands",
        (
            copied("event", "sequence = {coupon_s1_event}", sequence="{next}", kind="4"),
            ONE_MORE,
        ),
        (event_without_record("{next}", "{coupon_s1}"),),
    ),
    Corruption(
        "an event of a reversal says that a use was redeemed",
        (changed("event", "kind = 1", _EVENT),),
        (
            event_missing("reversed_record/{reversal_usual_FRAUD_of}"),
            event_missing(
                "promotion_redemption/{reversal_usual_FRAUD_of}", "the record has 2 events"
            ),
        ),
    ),
    Corruption(
        "an event of a reversal is of another kind of redemption",
        (changed("event", "kind = 4", _EVENT),),
        (
            event_missing("reversed_record/{reversal_usual_FRAUD_of}"),
            event_without_record("{reversal_usual_FRAUD_event}", "{reversal_usual_FRAUD_of}"),
        ),
    ),
    Corruption(
        "a second event of a coupon redeemed among others, as if redeemed alone",
        (
            copied("event", "sequence = {coupon_free_event}", sequence="{next}", kind="2"),
            ONE_MORE,
        ),
        (event_missing("coupon_redemption/{coupon_free}", "the record has 2 events"),),
    ),
)


def _returned(what: int, key: str, record: str = "") -> str:
    record = record or f"{{reversal_{key}_of}}"
    return changed("reversed_record", f"returned = {what}", f"record_id = '{record}'")


_COUNTERS = (
    Corruption(
        "all of a use came back",
        (_returned(7, "usual_FRAUD"),),
        (
            Counter(Scope.PROMOTION, "usual", 8).wrong(8, 6),
            Counter(Scope.PROMOTION_CUSTOMER, "usual", 10, "501").wrong(10, 8),
            Counter(Scope.PROMOTION_CODE, "usual", 10, "id-usual").wrong(10, 8),
            Counter(Scope.PROMOTION_DISCOUNT, "usual", 0).wrong(4_000_000, 3_000_000),
        ),
    ),
    Corruption(
        "only the code of a use came back",
        (_returned(1, "usual_FRAUD"),),
        (Counter(Scope.PROMOTION_CODE, "usual", 10, "id-usual").wrong(10, 8),),
    ),
    Corruption(
        "nothing of a use came back",
        (_returned(0, "part"),),
        (
            Counter(Scope.PROMOTION, "usual", 8).wrong(8, 9),
            Counter(Scope.PROMOTION_CUSTOMER, "usual", 10, "501").wrong(10, 11),
            Counter(Scope.PROMOTION_CODE, "usual", 10, "id-usual").wrong(10, 11),
            Counter(Scope.PROMOTION_DISCOUNT, "usual", 0).wrong(4_000_000, 4_500_000),
        ),
    ),
    Corruption(
        "all of a coupon redemption came back",
        (_returned(7, "coupon_usual_FRAUD"),),
        (
            Counter(Scope.COUPON, "usual", 5).wrong(5, 4),
            Counter(Scope.SERIES, "11", 3).wrong(3, 2),
            Counter(Scope.SERIES_CUSTOMER, "11", 6, "501").wrong(6, 5),
        ),
    ),
    Corruption(
        "nothing of a coupon redemption came back",
        (_returned(0, "once"),),
        (
            Counter(Scope.COUPON, "once", 1).wrong(1, 2),
            Counter(Scope.COUPON_CUSTOMER, "once", 1, "501").wrong(1, 2),
        ),
    ),
    Corruption(
        "nothing of an earned promotion came back",
        (_returned(0, "earned_back"),),
        (Counter(Scope.EARNED_PROMOTION, "earned-back", 1).wrong(0, 1),),
    ),
    Corruption(
        "an earned promotion came back",
        (_returned(5, "earned_spent"),),
        (Counter(Scope.EARNED_PROMOTION, "earned-spent", 1).wrong(1, 0),),
    ),
    Corruption(
        "nothing came back to a day of a limit that was added later",
        (_returned(0, "back_0"),),
        (
            Counter(Scope.PROMOTION, "back_added", 1, day="2026-03-01").wrong(0, 1),
            Counter(Scope.PROMOTION_CUSTOMER, "back_added", 2, "501").wrong(2, 3),
            Counter(Scope.PROMOTION_CODE, "back_added", 2, "id-back_added-code").wrong(2, 3),
            Counter(Scope.PROMOTION_DISCOUNT, "back_added", 1).wrong(2_000_000, 4_000_000),
        ),
    ),
    Corruption(
        "nothing came back to a window that is another now",
        (_returned(0, "back_0_2"), _returned(0, "back_1_2")),
        (
            Counter(Scope.PROMOTION, "back_rewindowed", 1, day="2026-02-23").wrong(0, 1),
            Counter(Scope.PROMOTION, "back_rewindowed", 1, day="2026-03-02").wrong(1, 2),
        ),
    ),
)


def _last_visit(value: str) -> str:
    visits = f"FROM coupon_redemption WHERE {OWN} AND series_id = 13"
    customer = Counter(Scope.SERIES_CUSTOMER, "13", 2, "501")
    cell = f"(SELECT {value} {visits})" if value != "NULL" else value
    return f"UPDATE usage SET last_at_ms = {cell} WHERE {customer.where}"


def _gap_wrong(name: str, value: str) -> Corruption:
    found = Expected(FindingKind.COUNTER_WRONG, "counters/SERIES_CUSTOMER/13/501", ANYTHING)
    return Corruption(f"a gap counts from {name}", (_last_visit(value),), (found,))


_GAPS = (
    _gap_wrong("a visit that was reversed", "max(redeemed_at_ms)"),
    _gap_wrong("before a visit for which nothing came back", "min(redeemed_at_ms)"),
    _gap_wrong("nothing", "NULL"),
)

REVERSAL_CORRUPTIONS = (*_RECORDS, *_KEYS, *_EVENTS, *_COUNTERS, *_GAPS)
