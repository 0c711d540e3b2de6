"""What a check finds."""

from enum import Enum
from typing import NamedTuple

FINDINGS_MAX = 1_000
"""How many findings a check names; a corruption of millions is as clear from the first ones."""


class FindingKind(Enum):
    """What does not agree: `redemption.v1.LedgerFindingKind` without its prefix says it in full."""

    COUNTER_WRONG = "COUNTER_WRONG"
    COUNTER_WITHOUT_LIMIT = "COUNTER_WITHOUT_LIMIT"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    KEY_WITHOUT_RECORD = "KEY_WITHOUT_RECORD"
    RECORD_WITHOUT_KEY = "RECORD_WITHOUT_KEY"
    KEY_REPEATED = "KEY_REPEATED"
    ANSWER_WRONG = "ANSWER_WRONG"
    USE_WITHOUT_TRANSACTION = "USE_WITHOUT_TRANSACTION"
    TRANSACTION_WITHOUT_USE = "TRANSACTION_WITHOUT_USE"
    REFERENCE_DANGLING = "REFERENCE_DANGLING"
    EVENT_MISSING = "EVENT_MISSING"
    EVENT_WITHOUT_RECORD = "EVENT_WITHOUT_RECORD"
    EVENT_SEQUENCE_BROKEN = "EVENT_SEQUENCE_BROKEN"
    REVERSAL_WITHOUT_REDEMPTION = "REVERSAL_WITHOUT_REDEMPTION"


class Finding(NamedTuple):
    """One thing that does not agree; `description` is a sentence with what was found."""

    kind: FindingKind
    subject: str
    description: str
