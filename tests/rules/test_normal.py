"""Codes, e-mail addresses and mobiles compare in one normal form, however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redemption_server.rules.identity import promotion_identifier
from redemption_server.rules.normal import fold, mobile_digits

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126))
blanks = st.text(" \t\n\u00a0", max_size=3)
# Letters whose upper case is shared with another letter do not come back.
words = st.text(st.characters(categories=["L", "N"], exclude_characters="ı"), max_size=20)
numbers = st.integers(6_000_000_000, 9_999_999_999).map(str)


@given(printable, blanks, blanks)
def test_case_and_outer_blanks_do_not_matter(text: str, before: str, after: str) -> None:
    spellings = {text, text.upper(), text.lower(), text.swapcase(), f"{before}{text}{after}"}
    assert {fold(spelling) for spelling in spellings} == {text.lower()}


@given(words)
def test_case_does_not_matter_in_any_script(text: str) -> None:
    assert fold(text.upper()) == fold(text.lower()) == fold(text)


@given(words)
def test_the_normal_form_is_its_own_normal_form(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("STRASSE", "straße", id="sharp s"),
        pytest.param("cafe\u0301", "CAF\u00c9", id="combining accent"),
        pytest.param("\uff33\uff21\uff2c\uff25", "sale", id="full width"),
        pytest.param("\u212a1", "k1", id="Kelvin sign"),
        pytest.param("\u1d2c1", "a1", id="raised capital letter"),
        pytest.param("ΣΑΣ", "σας", id="final sigma"),
    ],
)
def test_equal_for_people_is_equal(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_different_codes_stay_different() -> None:
    codes = ["0", "00", "o", "a-b", "ab", "a b", "é", "e"]
    assert len({fold(code) for code in codes}) == len(codes)


@pytest.mark.parametrize(
    "spelling",
    [
        "9999988881",
        "919999988881",
        "+919999988881",
        "+91 99999-88881",
        "(0) 99999 88881",
        "99999.88881",
        " 9999988881 ",
    ],
)
def test_every_spelling_of_a_mobile_gives_the_same_digits(spelling: str) -> None:
    assert mobile_digits(spelling, "IN") == "919999988881"


@given(numbers)
def test_a_mobile_with_and_without_its_country_code_is_the_same(number: str) -> None:
    digits = mobile_digits(number, "IN")
    assert digits == mobile_digits(digits, "IN") == mobile_digits(f"+{digits}", "IN")


@given(numbers)
def test_without_a_region_the_digits_are_taken_as_they_are(number: str) -> None:
    assert mobile_digits(number, "") == number


@pytest.mark.parametrize(
    "text", ["", "abc", "123", "1" * 21, "99999x88881", "９９９９９８８８８１", "++91"]
)
def test_what_is_no_phone_number_names_nobody(text: str) -> None:
    assert mobile_digits(text, "IN") == ""


@pytest.mark.parametrize("value", ["0", "-1", "007x", "", "1.0", str(2**63), "٥"])
def test_what_is_no_id_names_nobody(value: str) -> None:
    identifier = promotion_identifier(None, "id", value, "IN")
    assert identifier is not None
    assert identifier.value == ""


def test_the_id_of_a_customer_is_the_same_as_field_and_as_identifier() -> None:
    assert promotion_identifier(501, "", "", "IN") == promotion_identifier(None, "ID", "0501", "")
