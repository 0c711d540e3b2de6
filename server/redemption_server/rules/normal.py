"""The one normal form in which codes, e-mail addresses and mobiles are stored and looked up."""

import re
import unicodedata
from functools import lru_cache

_NOT_DIGITS = re.compile(r"\D+", re.ASCII)
_ONLY_PHONE_CHARACTERS = re.compile(r"\+?[0-9 ()./\-]+", re.ASCII)


def fold(text: str) -> str:
    """The form in which codes and e-mail addresses compare: no outer blanks, no case."""
    text = text.strip()
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded)


@lru_cache(maxsize=65536)
def mobile_digits(text: str, region: str) -> str:
    """A mobile number as digits with country code, or "" when it is no phone number.

    `region` is an ISO 3166 code, or "" when the organisation has none; input may omit the country
    code of that region. Of the two readings, national and international, the first that is a
    valid number is taken, else the first whose length a mobile number of the region may have, so
    that both spellings of one number give the same digits.
    """
    text = text.strip()
    if not _ONLY_PHONE_CHARACTERS.fullmatch(text):
        return ""
    digits = _NOT_DIGITS.sub("", text)
    if not 4 <= len(digits) <= 20:
        return ""
    if text.startswith("+") or not region:
        return digits
    return _with_country_code(digits, region)


def _with_country_code(digits: str, region: str) -> str:
    # Imported late: its metadata costs memory and start-up time that not every process needs.
    import phonenumbers
    from phonenumbers import PhoneNumberType, ValidationResult

    country_code = str(phonenumbers.country_code_for_region(region))
    readings = [phonenumbers.PhoneNumber(int(country_code), int(digits))]
    if digits.startswith(country_code) and len(digits) > len(country_code):
        rest = int(digits[len(country_code) :])
        readings.append(phonenumbers.PhoneNumber(int(country_code), rest))

    def may_be_mobile(number: phonenumbers.PhoneNumber) -> bool:
        possible = phonenumbers.is_possible_number_for_type_with_reason(
            number, PhoneNumberType.MOBILE
        )
        return possible == ValidationResult.IS_POSSIBLE

    for accept in (phonenumbers.is_valid_number, may_be_mobile):
        for number in readings:
            if accept(number):
                return f"{country_code}{number.national_number}"
    return digits
