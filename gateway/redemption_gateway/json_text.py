"""Reads request bodies: strict JSON, numbers kept as the text they came as.

Numbers never become floats: a codec decides what a number means. Duplicate keys, NaN and Infinity,
anything but UTF-8, and nesting that is too deep are refused.
"""

import json
import re
from typing import Any, Final

# What is never closed reaches to the end: giving up there and looking again from the next character
# would take quadratic time.
_COMMENT_OR_STRING: Final = re.compile(
    r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|//[^\n\r]*|/\*.*?(?:\*/|(?P<unclosed>\Z))', re.DOTALL
)


class NumberText(str):
    """A JSON number as it stood in the body."""

    __slots__ = ()


class JsonError(ValueError):
    """The body is not acceptable JSON; the message says what is wrong without quoting it."""


def parse_json(body: bytes, *, comments: bool = False) -> Any:
    """The value in a body. With `comments`, `//` and `/* */` are tolerated when strict JSON fails.

    Raises JsonError.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError("The request body is not UTF-8") from error
    try:
        return _parse(text)
    except JsonError:
        if not comments:
            raise
        return _parse(_COMMENT_OR_STRING.sub(_drop_comment, text))


def _parse(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise JsonError(f"The request body is not valid JSON: {error.msg} at {where}") from error
    except RecursionError as error:
        raise JsonError("The request body is nested too deeply") from error


def _drop_comment(match: re.Match[str]) -> str:
    if match["unclosed"] is not None:
        raise JsonError("The request body is not valid JSON: a comment is never closed")
    # Strings match too, so that slashes inside them are no comments.
    return match[0] if match[0].startswith('"') else " "


def _refuse_constant(name: str) -> None:
    raise JsonError(f"The request body is not valid JSON: {name} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise JsonError("The request body is not acceptable: a key stands twice in an object")
    return result


# Made once: `json.loads` makes one for each body.
_DECODER: Final = json.JSONDecoder(
    parse_int=NumberText,
    parse_float=NumberText,
    parse_constant=_refuse_constant,
    object_pairs_hook=_object,
)
