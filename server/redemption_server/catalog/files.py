"""Reads catalog files: YAML whose scalars are read by the type of their field.

YAML's own guesses never count: an unquoted `00123`, `NO` or a 24-digit id is that text where the
field is text. The fields are those of `redemption.v1.Catalog`; the message is the schema.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from redemption.v1 import catalog_pb2

_UNLIMITED_FIELDS = frozenset(
    {
        "rate_limit_per_minute",
        "max_redemptions",
        "max_redemptions_per_coupon",
        "max_redemptions_per_customer",
    }
)
_SECRET_FIELDS = frozenset({"secret", "secret_hash", "validation_code"})
_LIMIT_MESSAGES = frozenset({"redemption.v1.CountLimit", "redemption.v1.AmountLimit"})
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


class CatalogFileError(Exception):
    """A catalog file is wrong; the message lists every error with file, line, path and value."""


@dataclass
class _Reader:
    file: str
    errors: list[str] = field(default_factory=list)

    def fail(self, node: yaml.Node, path: str, problem: str) -> None:
        where = f"{self.file}:{node.start_mark.line + 1}"
        self.errors.append(f"{where}: {path or 'document'}: {problem}")

    def message(self, node: yaml.Node, target: Message, path: str) -> None:
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, path, f"must be a mapping, not {_shown(node)}")
            return
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            descriptor: Any = target.DESCRIPTOR.fields_by_name.get(key)
            key_path = f"{path}.{key}" if path else key
            if descriptor is None:
                known = ", ".join(target.DESCRIPTOR.fields_by_name)
                self.fail(key_node, path, f"unknown key {key!r}; known are {known}")
            elif key in seen:
                self.fail(key_node, key_path, "is given twice")
            else:
                self.value(value_node, target, descriptor, key_path)
            seen.add(key)

    def value(
        self, node: yaml.Node, target: Message, descriptor: FieldDescriptor, path: str
    ) -> None:
        if not descriptor.is_repeated:
            self.single(node, target, descriptor, path)
        elif isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                self.item(item, target, descriptor, f"{path}[{i}]")
        elif not _is_null(node):
            self.fail(node, path, f"must be a list, not {_shown(node)}")

    def item(
        self, node: yaml.Node, target: Message, descriptor: FieldDescriptor, path: str
    ) -> None:
        items = getattr(target, descriptor.name)
        if descriptor.message_type is not None:
            self.message(node, items.add(), path)
            return
        value = self.scalar(node, descriptor, path)
        if value is not None:
            items.append(value)

    def single(
        self, node: yaml.Node, target: Message, descriptor: FieldDescriptor, path: str
    ) -> None:
        is_text = descriptor.type == FieldDescriptor.TYPE_STRING
        if _is_null(node) and not is_text:
            return
        if descriptor.message_type is None:
            value = self.scalar(node, descriptor, path)
            if value is not None:
                setattr(target, descriptor.name, value)
            return
        child = getattr(target, descriptor.name)
        child.SetInParent()
        name = descriptor.message_type.full_name
        if name in _LIMIT_MESSAGES and isinstance(node, yaml.ScalarNode):
            limit = descriptor.message_type.fields_by_name["limit"]
            self.single(node, child, limit, path)
        elif name == "google.type.Decimal":
            child.value = self.text(node, path) or ""
        elif name == "google.protobuf.Timestamp":
            self.timestamp(node, child, path)
        else:
            self.message(node, child, path)

    def scalar(self, node: yaml.Node, descriptor: FieldDescriptor, path: str) -> Any:
        text = self.text(node, path)
        if text is None or descriptor.type == FieldDescriptor.TYPE_STRING:
            return text
        read, expected = self._scalar_type(descriptor)
        value = read(text)
        if value is None:
            self.fail(node, path, f"must be {expected}, not {_quoted(text, descriptor.name)}")
        return value

    @staticmethod
    def _scalar_type(descriptor: FieldDescriptor) -> tuple[Callable[[str], Any], str]:
        if descriptor.enum_type is not None:
            names = _enum_names(descriptor.enum_type)
            return lambda text: names.get(text.upper()), "one of " + ", ".join(names)
        if descriptor.type == FieldDescriptor.TYPE_BOOL:
            return lambda text: _BOOLEANS.get(text.lower()), "true or false"
        bits = 31 if descriptor.type == FieldDescriptor.TYPE_INT32 else 63
        if descriptor.name in _UNLIMITED_FIELDS:
            return (
                lambda text: 0 if text == "unlimited" else _integer(text, bits),
                "an integer or `unlimited`",
            )
        return lambda text: _integer(text, bits), "an integer"

    def text(self, node: yaml.Node, path: str) -> str | None:
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        self.fail(node, path, f"must be a single value, not {_shown(node)}")
        return None

    def timestamp(self, node: yaml.Node, target: Any, path: str) -> None:
        text = self.text(node, path)
        if text is None:
            return
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            expected = "an instant with zone such as 2025-01-01T00:00:00Z"
            self.fail(node, path, f"must be {expected}, not {text!r}")
            return
        try:
            target.FromDatetime(at.astimezone(UTC))
        except (OverflowError, ValueError):
            self.fail(node, path, f"is out of range: {text!r}")


class CellReader:
    """Reads cells of a row by the type of their field, as scalars of a file are."""

    def read(self, message: Message, cells: Iterable[tuple[str, str]]) -> list[str]:
        """Sets fields by their names; returns what is wrong."""
        reader = _Reader("")
        for name, text in cells:
            if text:
                descriptor: Any = message.DESCRIPTOR.fields_by_name[name]
                node = yaml.ScalarNode("", text, start_mark=_NOWHERE, style='"')
                reader.single(node, message, descriptor, name)
        return [error.split(": ", 1)[1] for error in reader.errors]


_NOWHERE: Any = yaml.Mark("", 0, 0, 0, None, 0)


def read_catalog_file(path: Path) -> catalog_pb2.Catalog:
    """The catalog in a YAML file. Raises CatalogFileError."""
    try:
        root = yaml.compose(path.read_bytes(), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise CatalogFileError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CatalogFileError(f"{path}: is not YAML: {error}") from error
    catalog = catalog_pb2.Catalog()
    if root is None:
        return catalog
    reader = _Reader(str(path))
    reader.message(root, catalog, "")
    if reader.errors:
        raise CatalogFileError("\n".join(reader.errors))
    return catalog


def _enum_names(enum: EnumDescriptor) -> dict[str, int]:
    values = enum.values
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix): value.number for value in values[1:]}


def _integer(text: str, bits: int) -> int | None:
    if not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if -(2**bits) <= number < 2**bits else None


def _is_null(node: yaml.Node) -> bool:
    plain = isinstance(node, yaml.ScalarNode) and node.style in (None, "")
    return plain and node.value in ("", "~", "null")


def _quoted(text: str, name: str) -> str:
    return "the one given" if name in _SECRET_FIELDS else repr(text)


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value[:50])
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
