"""The vocabulary of saying no: one exception for every refusal, made of violations."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Self

from redemption_server.rules.reasons import Reason


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong.

    `description` is a sentence; for FIELD_INVALID it continues the field's name ("must be …").
    `field` is the path of the offending field in the request, in proto names, where there is one.
    `subject` names the object that stands in the way, such as `promotions/67e3…`.
    `metadata` holds every variable of the description.
    """

    reason: Reason
    description: str
    field: str = ""
    subject: str = ""
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The violation as a whole sentence."""
        if self.reason is Reason.FIELD_INVALID:
            return f"{self.field} {self.description}"
        return self.description


class Refused(Exception):
    """A call is refused: all violations of the first failing step; the first gives the reason.

    A decision returns it as a value, a door raises it. Nothing was recorded, unless
    `maybe_recorded`: the connection was lost during the commit, or the caller waited no longer.
    `retry_seconds` is how long a caller whom a repeat may help should wait.
    """

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(violations[0].sentence)
        self.violations = tuple(violations)
        self.maybe_recorded = False
        self.retry_seconds = 1

    @property
    def reason(self) -> Reason:
        """Reason of the whole refusal."""
        return self.violations[0].reason

    @classmethod
    def because(cls, reason: Reason, description: str, *, field: str = "", **metadata: str) -> Self:
        """A refusal with a single violation."""
        return cls([Violation(reason, description, field=field, metadata=metadata)])


def field_invalid(field_path: str, description: str) -> Violation:
    """A field is missing, too long, out of range or malformed."""
    return Violation(
        Reason.FIELD_INVALID, description, field=field_path, metadata={"field": field_path}
    )
