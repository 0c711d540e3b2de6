"""Bytes for the gRPC door: of HTTP/2, or of nothing."""

import random
import struct
from collections.abc import Callable

from redemption.v1.outcome_service_pb2 import GetOutcomeRequest

from tests.soak.book import Book
from tests.soak.calls import Call, FramesAsk, one_of
from tests.soak.good_calls import GET_OUTCOME
from tests.soak.sales import REDEEM
from tests.support import frames
from tests.support.frames import HELLO, call, call_headers, frame, message
from tests.support.service import basic

_CREDENTIAL = (b"authorization", basic().encode())
_QUESTION = GetOutcomeRequest(transaction_identifier="t").SerializeToString()
_GOOD = HELLO + call(call_headers(GET_OUTCOME.encode(), _CREDENTIAL), message(_QUESTION))


def draw(chance: random.Random, book: Book) -> Call:
    """Bytes of any kind; the door has nothing to do but to end the connection."""
    kind = chance.choice(list(_KINDS))
    return Call(kind, FramesAsk(_KINDS[kind](chance, book)), one_of("closed"))


def _noise(chance: random.Random, book: Book) -> bytes:
    return chance.choice([b"", HELLO]) + chance.randbytes(chance.randrange(1, 500))


def _frames(chance: random.Random, book: Book) -> bytes:
    found = [
        frame(
            chance.randrange(10),
            chance.randrange(256),
            chance.choice([0, 1, 3]),
            chance.randbytes(chance.randrange(50)),
        )
        for _ in range(chance.randint(1, 10))
    ]
    return HELLO + b"".join(found)


def _changed(chance: random.Random, book: Book) -> bytes:
    """A question, since nobody knows what a changed sale would be."""
    changed = bytearray(_GOOD)
    for _ in range(chance.randint(1, 4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _long_prefix(chance: random.Random, book: Book) -> bytes:
    length = chance.choice([2**24 + 1, 2**32 - 1])
    return HELLO + call(
        call_headers(GET_OUTCOME.encode(), _CREDENTIAL), message(b"", length=length)
    )


def _cancelled(chance: random.Random, book: Book) -> bytes:
    reset = frame(frames.RST_STREAM, 0, 1, b"\0\0\0\x08")
    return _GOOD[: chance.randrange(len(HELLO), len(_GOOD))] + reset


def _forgery(chance: random.Random, book: Book) -> bytes:
    """The words of a farewell, which nobody may find as a line of their own in the log."""
    line = b'\n{"level": "error", "event": "forged by a client"}\n'
    return HELLO + frame(frames.GOAWAY, 0, 0, struct.pack(">II", 0, 2) + line)


def _sale(chance: random.Random, book: Book) -> bytes:
    """Good, but nobody waits for its answer."""
    content = book.new_sale().content.message().SerializeToString()
    return HELLO + call(call_headers(REDEEM.encode(), _CREDENTIAL), message(content))


_KINDS: dict[str, Callable[[random.Random, Book], bytes]] = {
    "frames: noise": _noise,
    "frames: of chance": _frames,
    "frames: bytes changed": _changed,
    "frames: message too long": _long_prefix,
    "frames: cancelled": _cancelled,
    "frames: forged line of the log": _forgery,
    "frames: a sale": _sale,
}
