"""HTTP/2 by hand: frames as bytes, and as much of HPACK as a gRPC server sends to us."""

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
END_STREAM, END_HEADERS = 0x1, 0x4
_HEADER_TABLE_SIZE, _TRUE_BINARY_METADATA = 1, 0xFE03
_SECONDS = 5.0
_PIECE = 16_000

Headers = list[tuple[bytes, bytes]]


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


class Ended(NamedTuple):
    """How a call ended: its trailers, and whether it got a message. No trailers: not at all."""

    trailers: dict[str, bytes]
    has_message: bool

    @property
    def code(self) -> int:
        return int(self.trailers["grpc-status"])


def frame(kind: int, flags: int, stream: int, payload: bytes, length: int | None = None) -> bytes:
    """A frame; `length` is what it claims, if not the truth."""
    claimed = len(payload) if length is None else length
    return struct.pack(">I", claimed)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


# Makes the server write headers out, so that we need no table and no Huffman code.
HELLO = PREFACE + settings((_HEADER_TABLE_SIZE, 0), (_TRUE_BINARY_METADATA, 1))


def hpack(headers: Headers) -> bytes:
    """Literals without indexing."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in headers)


def call_headers(path: bytes, *more: tuple[bytes, bytes]) -> Headers:
    """What a gRPC client sends; `more` replaces what has the same name."""
    usual = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": path,
        b":authority": b"test",
        b"te": b"trailers",
        b"content-type": b"application/grpc",
    }
    return list({**usual, **dict(more)}.items())


def message(body: bytes, *, flag: int = 0, length: int | None = None) -> bytes:
    """A message with its prefix; `length` is what that claims, if not the truth."""
    return struct.pack(">BI", flag, len(body) if length is None else length) + body


def call(headers: Headers, body: bytes) -> bytes:
    """A whole call on stream 1."""
    pieces = [body[i : i + _PIECE] for i in range(0, len(body), _PIECE)] or [b""]
    data = [frame(DATA, 0, 1, piece) for piece in pieces[:-1]]
    last = frame(DATA, END_STREAM, 1, pieces[-1])
    return frame(HEADERS, END_HEADERS, 1, hpack(headers)) + b"".join(data) + last


class Wire:
    """A TCP connection to a server that may close it at any moment."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        self._received = b""
        self.is_closed = False

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, sent: bytes) -> None:
        try:
            self._socket.sendall(sent)
        except (BrokenPipeError, ConnectionResetError):
            self.is_closed = True

    def finish(self) -> None:
        """Sends no more, and reads until the server has closed, too."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.is_closed = True
        for _ in self.frames():
            pass
        assert self.is_closed

    def frames(self) -> Iterator[Frame]:
        """Frames as they come, until the server closes."""
        while True:
            while len(self._received) >= 9:
                length = int.from_bytes(self._received[:3], "big")
                if len(self._received) < 9 + length:
                    break
                kind, flags, stream = struct.unpack(">BBI", self._received[3:9])
                payload = self._received[9 : 9 + length]
                self._received = self._received[9 + length :]
                yield Frame(kind, flags, stream & 0x7FFF_FFFF, payload)
            try:
                more = self._socket.recv(65_536)
            except ConnectionResetError:
                more = b""
            if not more:
                self.is_closed = True
                return
            self._received += more

    def ping(self) -> list[Frame]:
        """What was sent before this was looked at; returns what came for it, if it was answered."""
        self.send(frame(PING, 0, 0, b"are you?"))
        before = []
        for found in self.frames():
            if found.kind == PING and found.flags == 1 and found.payload == b"are you?":
                break
            before.append(found)
        return before

    def ended(self) -> Ended:
        """How the call on stream 1 ends."""
        trailers: dict[str, bytes] = {}
        has_message = False
        for found in self.frames():
            if found.stream != 1:
                continue
            has_message |= found.kind == DATA and bool(found.payload)
            if found.kind == HEADERS:
                assert found.flags & END_HEADERS
                trailers.update(unpacked(found.payload))
            if found.kind == RST_STREAM or found.flags & END_STREAM:
                break
        return Ended(trailers, has_message)


def unpacked(block: bytes) -> Iterator[tuple[str, bytes]]:
    """The fields of a header block that was made for `HELLO`."""
    at = 0
    while at < len(block):
        first = block[at]
        at += 1
        if first == 0x88:
            yield ":status", b"200"
        elif first != 0x20:  # the size of the table, which is nothing
            assert first in (0x00, 0x10, 0x40), first
            name, at = _read_string(block, at)
            value, at = _read_string(block, at)
            yield name.decode(), value


def _string(text: bytes) -> bytes:
    return _integer(len(text)) + text


def _integer(number: int) -> bytes:
    if number < 127:
        return bytes([number])
    encoded, number = bytearray([127]), number - 127
    while number >= 128:
        encoded.append(number % 128 | 128)
        number //= 128
    return bytes([*encoded, number])


def _read_string(block: bytes, at: int) -> tuple[bytes, int]:
    length = block[at]
    assert length < 128, "Huffman"
    at += 1
    if length == 127:
        shift = 0
        while True:
            byte = block[at]
            at += 1
            length += (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
    return block[at : at + length], at + length
