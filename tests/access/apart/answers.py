"""What is answered."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from google.rpc.error_details_pb2 import ErrorInfo
from redemption.v1.coupon_service_pb2 import COUPON_JOB_STATE_DONE
from redemption.v1.outcome_service_pb2 import GetOutcomeResponse, OutcomeState
from redemption_gateway.http import REPLAYED

from tests.support.service import detail

# What differs from answer to answer, whoever asks. The last two are ids of reversals, and codes
# that the service makes up.
VOLATILE = re.compile(
    r'"(redemption_?id|reversal_?id|accessToken|timestamp|\w+edAt|readAt)": ?(?:"[^"]*"|\d+)'
    r'|"(id)": ?"[0-9a-f]{24}"|"(code)": ?"[0-9A-Z]{16}"',
    re.IGNORECASE,
)


def without(text: str, value: Any) -> str:
    """A text without a value, where that stands as a word."""
    return re.sub(rf"(?<![0-9A-Za-z]){re.escape(str(value))}(?![0-9A-Za-z])", "…", text)


class Answer(NamedTuple):
    """What became of a call, and all that was answered."""

    outcome: str
    text: str

    def about(self, value: Any) -> "Answer":
        """Without the value that was sent, and without what always differs."""
        return Answer(self.outcome, without(VOLATILE.sub(r'"\1\2\3"', self.text), value))


Door = Callable[..., Awaitable[Answer]]
# At either door.
GRANTED, REPLAYED_TOO = ("", "200"), ("REPLAYED", f"200 {REPLAYED}")
REFUSED = ("LIMIT_REACHED", "EARNED_PROMOTION_REDEEMED", "400")
# What is said by a field that is set.
_WORDS = {"replayed": "REPLAYED", "missing_codes": "MISSING", "bad_coupons": "BAD_COUPONS"}
NOTHING = "NOTHING"
"""A stream that told of nothing."""


def outcome_of_stream(responses: list[Any]) -> str:
    """A word for the responses of a stream; empty for a plain success."""
    for told in ("events", "coupons"):
        if all(hasattr(response, told) for response in responses):
            return "" if any(getattr(response, told) for response in responses) else NOTHING
    return ""


def outcome_of(response: Any) -> str:
    """A word for a response; empty for a plain success."""
    if isinstance(response, GetOutcomeResponse):
        return OutcomeState.Name(response.state).removeprefix("OUTCOME_STATE_")
    if hasattr(response, "job"):
        return "DONE" if response.job.state == COUPON_JOB_STATE_DONE else ""
    for field, word in _WORDS.items():
        if getattr(response, field, None):
            return word
    return _refusal_of_a_coupon(response)


def _refusal_of_a_coupon(response: Any) -> str:
    results = [
        *getattr(response, "results", ()),
        *(validation.result for validation in getattr(response, "validations", ())),
    ]
    for result in results:
        if result.HasField("error"):
            return str(detail(result.error, ErrorInfo).reason)
    return ""
