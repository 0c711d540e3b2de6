"""Renders decimals as each documented field shows them."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import orjson

_CENT = Decimal("0.01")


def six_decimals(value: str) -> str:
    """`500` → `500.000000`."""
    return f"{Decimal(value or '0'):.6f}"


def json_number(value: str) -> orjson.Fragment:
    """A JSON number with at least one decimal, never through a float: `1000` → `1000.0`."""
    text = value or "0"
    return orjson.Fragment(text if "." in text else f"{text}.0")


def two_decimals(value: str) -> str:
    """`5000` → `5000.00`, half up; text that is no acceptable amount stays as it was sent."""
    if not value or len(value) > 64 or not value.isascii() or "_" in value:
        return value
    try:
        amount = Decimal(value)
        exponent = amount.as_tuple().exponent
        if amount < 0 or not isinstance(exponent, int) or exponent < -6 or amount.adjusted() > 9:
            return value
        return str(amount.quantize(_CENT, ROUND_HALF_UP))
    except InvalidOperation:
        return value
