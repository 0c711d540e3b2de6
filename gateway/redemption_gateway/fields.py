"""Typed access to a parsed body. Wrong types are collected; the server never sees such a body.

`null` means absent. Unknown fields are ignored and counted.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from redemption_gateway.json_text import NumberText

VIOLATIONS_MAX = 50
_INTEGER_LENGTH_MAX = 40


class WrongTypesError(Exception):
    """Fields of a body have wrong JSON types; `violations` has a sentence for each."""

    def __init__(self, violations: list[str]) -> None:
        super().__init__(violations[0])
        self.violations = violations[:VIOLATIONS_MAX]
        if len(violations) > VIOLATIONS_MAX:
            self.violations.append(f"and {len(violations) - VIOLATIONS_MAX} more")


class Body:
    """What was found out about a body while it was read."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.unknown_fields = 0

    def root(self, value: Any, known: Iterable[str]) -> "Fields":
        """The outermost object. Raises WrongTypesError when it is none."""
        if not isinstance(value, dict):
            raise WrongTypesError(["The request body must be a JSON object"])
        return Fields(self, value, "", known)

    def check(self) -> None:
        """Raises WrongTypesError if any type was wrong."""
        if self.violations:
            raise WrongTypesError(self.violations)


class Fields:
    """The fields of one object."""

    def __init__(self, body: Body, values: dict[str, Any], path: str, known: Iterable[str]) -> None:
        self._body = body
        self._values = values
        self._path = path
        body.unknown_fields += sum(1 for name in values if name not in known)

    def _fail(self, name: str, problem: str) -> None:
        self._body.violations.append(f"{self._path}{name} {problem}")

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._values.get(name) is not None

    def text(self, name: str) -> str:
        """A string; empty when absent."""
        value = self._values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or isinstance(value, NumberText):
            self._fail(name, "must be a string")
            return ""
        return self._unicode(name, value)

    def number(self, name: str) -> str:
        """The text of a number, which may also come as a string of it; empty when absent."""
        value = self._values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self._fail(name, "must be a number")
            return ""
        return self._unicode(name, value)

    def integer(self, name: str) -> int | None:
        """A 64-bit integer, which may also come as a string of it; None when absent."""
        text = self.number(name)
        if not text:
            if self.has(name) and isinstance(self._values[name], str):
                self._fail(name, "must be an integer")
            return None
        number = _integer(text)
        if number is None:
            self._fail(name, "must be an integer")
        return number

    def object(self, name: str, known: Iterable[str]) -> "Fields":
        """An object; one without fields when absent."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, dict):
            self._fail(name, "must be an object")
            value = None
        return Fields(self._body, value or {}, f"{self._path}{name}.", known)

    def objects(self, name: str, known: Iterable[str], *, single: bool = False) -> list["Fields"]:
        """A list of objects, with `single` also one object alone; empty when absent."""
        value = self._values.get(name)
        if value is None:
            return []
        if single and isinstance(value, dict):
            value = [value]
        if not isinstance(value, list):
            self._fail(name, "must be an array of objects")
            return []
        found = []
        for i, item in enumerate(value):
            if isinstance(item, dict):
                found.append(Fields(self._body, item, f"{self._path}{name}[{i}].", known))
            else:
                self._fail(f"{name}[{i}]", "must be an object")
        return found

    def _unicode(self, name: str, value: str) -> str:
        if value.isascii():
            return str(value)
        try:
            value.encode()
        except UnicodeEncodeError:
            self._fail(name, "must be valid Unicode")
            return ""
        return value


def _integer(text: str) -> int | None:
    if len(text) > _INTEGER_LENGTH_MAX or not text.isascii() or "_" in text:
        return None
    try:
        value = Decimal(text)
    except ArithmeticError:
        return None
    # Magnitude first: the integer of 1e999999999 would not fit in memory.
    if not value.is_finite() or value.adjusted() > 18 or value != value.to_integral_value():
        return None
    number = int(value)
    return number if -(2**63) <= number < 2**63 else None
