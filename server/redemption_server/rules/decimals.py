"""Money and quantities: decimals on the wire, whole micro-units (10^-6) inside, never a float.

Why integers: the reference renders six decimals, SQLite has no decimal type, and sums of integers
are exact on every engine.
"""

import re
from decimal import Decimal

MICROS_PER_UNIT = 1_000_000
DECIMALS_MAX = 6

# Three exponent digits are plenty for any value in range and keep hostile ones cheap.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_TEXT_LENGTH_MAX = 64


class DecimalError(ValueError):
    """The text is no acceptable decimal; the message continues the field's name ("must …")."""


def parse_micros(text: str, *, integer_digits: int = 10) -> int:
    """Reads a decimal (grammar of `google.type.Decimal`) as micro-units.

    Raises DecimalError when it is malformed, negative, has more than six decimals, or more integer
    digits than allowed.
    """
    if len(text) <= integer_digits and text.isascii() and text.isdigit():
        return int(text) * MICROS_PER_UNIT
    if len(text) > _TEXT_LENGTH_MAX or not _DECIMAL.fullmatch(text):
        raise DecimalError("must be a decimal number")
    value = Decimal(text)
    if value < 0:
        raise DecimalError("must not be negative")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -DECIMALS_MAX:
        raise DecimalError(f"must have at most {DECIMALS_MAX} decimals")
    if value and value.adjusted() >= integer_digits:
        raise DecimalError(f"must have at most {integer_digits} digits before the point")
    return int(value.scaleb(DECIMALS_MAX))


def format_micros(micros: int) -> str:
    """The shortest decimal text of non-negative micro-units: `500`, `0.5`."""
    units, fraction = divmod(micros, MICROS_PER_UNIT)
    if not fraction:
        return str(units)
    return f"{units}.{fraction:06d}".rstrip("0")
