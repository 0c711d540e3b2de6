"""Collects what is wrong with a catalog, and knows what holds for every field of a type."""

from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from redemption_server.rules.decimals import DecimalError, parse_micros
from redemption_server.rules.refusals import Violation, field_invalid
from redemption_server.storage import catalog_paths as paths

TEXT_LENGTH_MAX = 250
_HASH_LENGTH_MAX = 500
_INSTANT_SECONDS_MAX = 221_845_392_000  # year 9000: leaves room to add days in any zone
_DISCOUNT_TOTAL_DIGITS = 12


class Checker:
    """Collects what is wrong with a catalog."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def fail(self, path: str, problem: str) -> None:
        """Notes that a field is invalid."""
        self.violations.append(field_invalid(path, problem))

    def message(self, message: Message, path: str) -> None:
        """What holds for every field of its type: text, instants, enums, ids."""
        for descriptor, value in message.ListFields():
            field_path = f"{path}.{descriptor.name}"
            items = (
                paths.indexed(field_path, value)
                if descriptor.is_repeated
                else [(field_path, value)]
            )
            for item_path, item in items:
                self.value(descriptor, item, item_path)

    def value(self, descriptor: FieldDescriptor, value: Any, path: str) -> None:
        """What holds for one value of a field."""
        if descriptor.type == FieldDescriptor.TYPE_STRING:
            self.text(descriptor.name, value, path)
        elif descriptor.enum_type is not None:
            if value not in descriptor.enum_type.values_by_number:
                self.fail(path, f"is no known value: {value}")
        elif descriptor.message_type is None:
            return
        elif descriptor.message_type.full_name == "google.protobuf.Timestamp":
            if not (0 <= value.seconds < _INSTANT_SECONDS_MAX and 0 <= value.nanos < 10**9):
                self.fail(path, "must be an instant of the years 1970 to 8999")
        elif descriptor.message_type.full_name == "google.type.Decimal":
            digits = _DISCOUNT_TOTAL_DIGITS if "discount_total" in path else 10
            self.decimal(value.value, path, digits)
        else:
            self.message(value, path)

    def text(self, name: str, value: str, path: str) -> None:
        """Text of limited length without NUL."""
        longest = _HASH_LENGTH_MAX if name == "secret_hash" else TEXT_LENGTH_MAX
        if len(value) > longest:
            self.fail(path, f"must be at most {longest} characters, not {len(value)}")
        if "\0" in value:
            self.fail(path, "must not contain the character NUL")

    def decimal(self, text: str, path: str, digits: int) -> None:
        """A decimal with at most `digits` integer digits."""
        try:
            parse_micros(text, integer_digits=digits)
        except DecimalError as error:
            self.fail(path, f"{error}, not {text[:50]!r}")

    def unique(self, path: str, items: Iterable[Any], name: str, key: Callable[[Any], Any]) -> None:
        """No two items of a list have the same key; empty keys are free."""
        self.unique_over_lists(paths.indexed(path, items), name, key)

    def unique_over_lists(
        self, items: Iterable[tuple[str, Any]], name: str, key: Callable[[Any], str]
    ) -> None:
        """No two objects, which come with their paths, have the same key; empty keys are free."""
        seen: set[str] = set()
        for path, item in items:
            value = key(item)
            if value and value in seen:
                self.fail(f"{path}.{name}", f"stands twice in the catalog: {value!r}")
            seen.add(value)

    def positive(self, path: str, value: int) -> None:
        """A positive integer."""
        if value <= 0:
            self.fail(path, f"must be a positive integer, not {value}")

    def between(self, path: str, value: int, lowest: int, highest: int) -> None:
        """An integer of a range."""
        if not lowest <= value <= highest:
            self.fail(path, f"must be {lowest} to {highest}, not {value}")

    def present(self, path: str, value: object) -> None:
        """A field that is required."""
        if not value:
            self.fail(path, "is required")
