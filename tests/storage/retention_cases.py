"""What was pruned of the ledger: what verifying no longer expects then, and what it still does.

Pruned is what is older than PRUNED, or all.
"""

from datetime import timedelta
from typing import NamedTuple

from redemption_server.storage.instants import to_ms
from redemption_server.storage.verify.findings import FindingKind

from tests.storage.corruptions import (
    OWN,
    Expected,
    changed,
    deleted,
    event_missing,
    gap,
    key_without_record,
    numbers,
)
from tests.storage.ledger import PRUNED
from tests.support.catalogs import ORG
from tests.support.clock import ODD_DATE

_MUCH_LATER = to_ms(ODD_DATE + timedelta(days=365))
_OLD = f"recorded_at_ms < {PRUNED}"
_THROUGH = f"(SELECT max(sequence) FROM event WHERE {OWN} AND {_OLD})"
_OF_COUPONS = "operation IN (2, 3)"
_OF_REVERSALS = "operation = 4"


def _retention(through: str = "0", events_before: int = 0, answers_before: int = 0) -> str:
    return (
        f"INSERT INTO retention (org_id, events_through, events_before_ms, answers_before_ms) "
        f"VALUES ({ORG}, {through}, {events_before}, {answers_before})"
    )


_EVENTS = (_retention(_THROUGH, events_before=PRUNED), deleted("event", _OLD))
_ALL_EVENTS = (_retention("{last}", events_before=_MUCH_LATER), deleted("event"))
_ANSWERS = (
    _retention(answers_before=PRUNED),
    deleted("claim", f"{_OF_COUPONS} AND claimed_at_ms < {PRUNED}"),
)
_ALL_ANSWERS = (
    _retention(answers_before=_MUCH_LATER),
    deleted("claim", f"({_OF_COUPONS} OR {_OF_REVERSALS})"),
)


class Case(NamedTuple):
    """What was pruned, and what is wrong all the same."""

    name: str
    statements: tuple[str, ...]
    findings: tuple[Expected, ...] = ()


def _of_event(name: str) -> Expected:
    return event_missing(f"reversed_record/{{{name}_of}}")


_LATE_KEY = "reversals/usual-FRAUD"
CASES = (
    Case("old events", _EVENTS),
    Case("all events", _ALL_EVENTS),
    Case("old answers", _ANSWERS),
    Case("all answers", _ALL_ANSWERS),
    Case(
        "old events, and one that is not old",
        (*_EVENTS, deleted("event", "sequence = {reversal_usual_FRAUD_event}")),
        (_of_event("reversal_usual_FRAUD"), gap("{reversal_usual_FRAUD_event}")),
    ),
    Case(
        "old events, and one number too few noted",
        (*_EVENTS, changed("retention", "events_through = events_through - 1")),
        (numbers("the first event is {first_late}"),),
    ),
    Case(
        "all events, and one number too few noted",
        (*_ALL_EVENTS, changed("retention", "events_through = events_through - 1")),
        (numbers("the newest event is None, the last number given is {last}"),),
    ),
    Case(
        "old answers, and one that is not old",
        (*_ANSWERS, deleted("claim", f"{_OF_REVERSALS} AND key = 'usual-FRAUD'")),
        (
            Expected(
                FindingKind.RECORD_WITHOUT_KEY,
                _LATE_KEY,
                "the reversal is recorded, its key is free",
            ),
        ),
    ),
    Case(
        "old answers, and a key of nothing",
        (*_ANSWERS, f"INSERT INTO claim VALUES ({ORG}, 4, 'ghost', 0, NULL, NULL)"),
        (key_without_record("reversals/ghost"),),
    ),
)
