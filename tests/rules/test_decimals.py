"""Decimals are exact: whole micro-units inside, never a float, and an error instead of rounding."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redemption_server.rules.decimals import DecimalError, format_micros, parse_micros

LARGEST = 10**16 - 1

micros = st.integers(0, LARGEST)
decimal_like = st.text("0123456789+-.eE", max_size=24)


@given(micros)
@example(LARGEST)
@example(1)
@example(0)
def test_what_is_formatted_is_read_back(value: int) -> None:
    assert parse_micros(format_micros(value)) == value


@given(micros)
def test_the_format_is_exact_and_the_shortest(value: int) -> None:
    text = format_micros(value)
    assert Fraction(text) == Fraction(value, 10**6)
    assert text == f"{Decimal(value).scaleb(-6).normalize():f}"


@given(decimal_like | st.text(max_size=12))
@example("1e-999")
@example("9" * 63)
def test_any_text_is_read_exactly_or_refused(text: str) -> None:
    try:
        value = parse_micros(text)
    except DecimalError:
        return
    assert type(value) is int
    assert 0 <= value <= LARGEST
    assert Fraction(value, 10**6) == Fraction(text)


@given(st.lists(micros, max_size=500))
def test_sums_are_exact(values: list[int]) -> None:
    total = sum(parse_micros(format_micros(value)) for value in values)
    assert Fraction(total, 10**6) == sum((Fraction(format_micros(v)) for v in values), Fraction())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("0.000001", 1),
        ("0.1", 100_000),
        (".5", 500_000),
        ("5.", 5_000_000),
        ("+5", 5_000_000),
        ("0000000000007", 7_000_000),
        ("2.5e3", 2_500_000_000),
        ("25E-1", 2_500_000),
        ("0e999", 0),
        ("1000.000000", 1_000_000_000),
        ("9999999999.999999", LARGEST),
    ],
)
def test_every_spelling_of_a_decimal_is_read(text: str, value: int) -> None:
    assert parse_micros(text) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "must be a decimal number", id="empty"),
        pytest.param(" 1", "must be a decimal number", id="blank"),
        pytest.param("1\n", "must be a decimal number", id="line end"),
        pytest.param("1,5", "must be a decimal number", id="comma"),
        pytest.param("1_000", "must be a decimal number", id="underscore"),
        pytest.param("0x10", "must be a decimal number", id="hexadecimal"),
        pytest.param("NaN", "must be a decimal number", id="not a number"),
        pytest.param("Infinity", "must be a decimal number", id="infinity"),
        pytest.param("١", "must be a decimal number", id="digit of another script"),
        pytest.param("1e9999", "must be a decimal number", id="exponent of four digits"),
        pytest.param("0" * 65, "must be a decimal number", id="long text"),
        pytest.param("-0.000001", "must not be negative", id="negative"),
        pytest.param("0.0000001", "must have at most 6 decimals", id="seven decimals"),
        pytest.param("1e-7", "must have at most 6 decimals", id="seven decimals by exponent"),
        pytest.param("10000000000", "must have at most 10 digits", id="eleven digits"),
        pytest.param("1e10", "must have at most 10 digits", id="eleven digits by exponent"),
        pytest.param("1e999", "must have at most 10 digits", id="astronomical"),
    ],
)
def test_what_is_no_acceptable_decimal_is_refused(text: str, problem: str) -> None:
    with pytest.raises(DecimalError, match=problem):
        parse_micros(text)
