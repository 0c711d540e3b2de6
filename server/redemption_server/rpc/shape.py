"""Checks the shape of requests (contract section 5, step 1) while they are decoded.

A `Shape` collects every violation, so that a caller learns of all of them at once.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from redemption_server.rules.decimals import DecimalError, parse_micros
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused, Violation, field_invalid

TEXT_LENGTH_MAX = 250
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MAX = 253_402_300_800  # year 10000
# The order in which violations of a shape give the reason of the refusal.
_REASON_ORDER = (Reason.USES_REQUIRED, Reason.CUSTOMER_REQUIRED, Reason.FIELD_INVALID)


class Shape:
    """Collects what is wrong with a request."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []

    def add(self, violation: Violation) -> None:
        """Notes a violation."""
        self._violations.append(violation)

    def fail(self, field: str, description: str) -> None:
        """Notes that a field is invalid."""
        self._violations.append(field_invalid(field, description))

    def check(self) -> None:
        """Raises Refused if anything is wrong."""
        if self._violations:
            order = _REASON_ORDER.index
            raise Refused(sorted(self._violations, key=lambda v: order(v.reason)))

    def text(self, field: str, value: str, *, required: bool = False) -> str:
        """Text of at most 250 characters without NUL."""
        if len(value) > TEXT_LENGTH_MAX:
            self.fail(field, f"must be at most {TEXT_LENGTH_MAX} characters")
        elif "\0" in value:
            self.fail(field, "must not contain the character NUL")
        elif required and not value:
            self.fail(field, "is required")
        return value

    def micros(self, field: str, message: Any, name: str, *, required: bool) -> int | None:
        """Micro-units of a `google.type.Decimal` field, None when it is absent or wrong."""
        if not message.HasField(name):
            if required:
                self.fail(f"{field}{name}", "is required")
            return None
        try:
            return parse_micros(getattr(message, name).value)
        except DecimalError as error:
            self.fail(f"{field}{name}", str(error))
            return None

    def between(self, field: str, value: int, lowest: int, highest: int) -> int:
        """An integer of a range."""
        if not lowest <= value <= highest:
            self.fail(field, f"must be from {lowest} to {highest}")
        return value

    def instant(self, field: str, value: Timestamp, latest: datetime) -> datetime:
        """An instant between 1970 and `latest`, cut to whole milliseconds."""
        if not (0 <= value.seconds < _SECONDS_MAX and 0 <= value.nanos < 10**9):
            self.fail(field, "must be an instant of 1970 or later")
            return _EPOCH
        at = _EPOCH + timedelta(seconds=value.seconds, milliseconds=value.nanos // 1_000_000)
        if at > latest:
            self.fail(field, "must not be more than 24 hours ahead of the server's clock")
        return at
