"""Renders decimals as each documented field shows them."""

import re
from decimal import ROUND_HALF_UP, Decimal

import orjson

_CENT = Decimal("0.01")

# What the contract accepts as an amount: the grammar of `google.type.Decimal`, in bounds.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_TEXT_LENGTH_MAX = 64
_DECIMALS_MAX = 6
_INTEGER_DIGITS_MAX = 10


def six_decimals(value: str) -> str:
    """`500` → `500.000000`."""
    return f"{Decimal(value or '0'):.6f}"


def json_number(value: str) -> orjson.Fragment:
    """A JSON number with at least one decimal, never through a float: `1000` → `1000.0`."""
    text = value or "0"
    return orjson.Fragment(text if "." in text else f"{text}.0")


def two_decimals(value: str) -> str:
    """`5000` → `5000.00`, half up; text that the server calls malformed stays as it was sent."""
    if len(value) > _TEXT_LENGTH_MAX or not _DECIMAL.fullmatch(value):
        return value
    amount = Decimal(value)
    exponent = amount.as_tuple().exponent
    if amount < 0 or not isinstance(exponent, int) or exponent < -_DECIMALS_MAX:
        return value
    if amount and amount.adjusted() >= _INTEGER_DIGITS_MAX:
        return value
    # A zero may have an exponent that quantize cannot widen, or a sign.
    return str((amount or Decimal(0)).quantize(_CENT, ROUND_HALF_UP))
