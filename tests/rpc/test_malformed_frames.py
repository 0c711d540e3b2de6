"""Whatever comes over the wire: the server lives, and answers the next caller."""

import signal
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from redemption.v1.outcome_service_pb2 import (
    OUTCOME_STATE_NOT_RECORDED,
    GetOutcomeRequest,
    GetOutcomeResponse,
)
from redemption_server.rpc.server import MESSAGE_BYTES_MAX, SERVICES

from tests.rpc.promotion_calls import request
from tests.support import catalogs, frames
from tests.support.databases import Databases
from tests.support.frames import HELLO, PREFACE, Wire, call, call_headers, frame, message
from tests.support.process import Process, started
from tests.support.servers import LISTENS
from tests.support.service import basic, error_info

GET_OUTCOME = "/redemption.v1.OutcomeService/GetOutcome"
REDEEM = "/redemption.v1.PromotionRedemptionService/RedeemPromotions"
CREDENTIAL = (b"authorization", basic().encode())
METHODS = {
    f"/{service}/{method.name}": message_factory.GetMessageClass(method.input_type)
    for service in SERVICES
    for method in descriptor_pool.Default().FindServiceByName(service).methods
}
OPEN_TO_ALL = "/redemption.v1.TokenService/GenerateToken"
EACH_RPC = pytest.mark.parametrize("path", METHODS, ids=lambda path: path.rpartition("/")[2])
PROPERTY = settings(
    max_examples=60,
    deadline=None,
    # Shrinking a failure would open thousands of connections.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    # The server is shared on purpose: each example must leave it as good as it was.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@dataclass
class Target:
    """A server in a process of its own, and what a well-behaved client gets from it."""

    process: Process
    port: int

    def send(
        self, path: str, body: bytes, *, credential: bool = True
    ) -> tuple[grpc.StatusCode, Status]:
        """What a real client is told that sends these bytes as its message."""
        metadata = (("authorization", basic()),) if credential else ()
        # Not over a connection that is known to be good.
        options = (("grpc.use_local_subchannel_pool", 1),)
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options) as channel:
            sending = channel.unary_stream(path, _as_it_is, _as_it_is)
            answers = sending(body, timeout=10, metadata=metadata)
            try:
                # A watch would go on for ever.
                for _ in answers:
                    break
            except grpc.RpcError:
                status = rpc_status.from_call(answers)
                code: grpc.StatusCode = answers.code()
                return code, status or Status(code=code.value[0], message=answers.details())
            return grpc.StatusCode.OK, Status()

    def state(self, transaction_identifier: str) -> int:
        """What a real client is told about a transaction."""
        question = GetOutcomeRequest(transaction_identifier=transaction_identifier)
        options = (("grpc.use_local_subchannel_pool", 1),)
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options) as channel:
            asking = channel.unary_unary(
                GET_OUTCOME, GetOutcomeRequest.SerializeToString, GetOutcomeResponse.FromString
            )
            metadata = (("authorization", basic()),)
            return int(asking(question, timeout=10, metadata=metadata).state)

    def assert_answers(self) -> None:
        """A new client is answered."""
        assert self.state("nothing") == OUTCOME_STATE_NOT_RECORDED


def _as_it_is(body: bytes) -> bytes:
    return body


@pytest.fixture(scope="module")
def target(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("target")
    organization = catalogs.organization(promotions=[catalogs.promotion()])
    file = str(catalogs.write(folder, organization))
    with started("server", folder=folder, catalog=file, database_url=databases.sqlite()) as process:
        target = Target(process, process.port(LISTENS))
        yield target
        target.assert_answers()
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        log = process.whole_log()
        wrong = [line for line in log if _is_wrong(line)]
        assert not wrong, wrong[:3]
        shown = [line for line in log if _shows_a_secret(line)]
        assert not shown, shown[:3]


def _is_wrong(line: dict[str, object]) -> bool:
    """Failures of ours, and of tasks; what gRPC's core says, which is no JSON, is about clients."""
    return line.get("level") in ("error", "critical") or "ERROR:asyncio" in str(line["event"])


def _shows_a_secret(line: dict[str, object]) -> bool:
    return CREDENTIAL[1].decode().removeprefix("Basic ") in str(line)


# Frames that mean nothing.

STREAMS = st.sampled_from([0, 1, 2, 3, 5, 2**31 - 1, 2**31, 2**32 - 1])
FLAGS = st.integers(0, 255) | st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D])
GOOD_BLOCK = frames.hpack(call_headers(GET_OUTCOME.encode(), CREDENTIAL))
BLOCKS = (
    st.binary(max_size=300)
    | st.binary(max_size=30).map(GOOD_BLOCK.__add__)
    | st.integers(0, len(GOOD_BLOCK)).map(lambda end: GOOD_BLOCK[:end])
    | st.just(GOOD_BLOCK)
)
PAIRS = st.tuples(
    st.integers(0, 0xFFFF) | st.integers(0, 8),
    st.integers(0, 2**32 - 1) | st.sampled_from([0, 2**31, 2**32 - 1]),
)
INCREMENTS = st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1])
FRAMES = st.one_of(
    st.builds(frame, st.integers(0, 255), FLAGS, STREAMS, st.binary(max_size=100)),
    st.builds(frame, st.integers(0, 9), FLAGS, STREAMS, st.binary(max_size=20)),
    # One whose length is a lie: the next frames are read as its payload, or it as the next ones.
    st.builds(
        frame, st.integers(0, 9), FLAGS, STREAMS, st.binary(max_size=20), st.integers(0, 2**24 - 1)
    ),
    st.builds(frame, st.just(frames.HEADERS), FLAGS, STREAMS, BLOCKS),
    st.builds(frame, st.just(frames.CONTINUATION), FLAGS, STREAMS, BLOCKS),
    st.builds(
        frame,
        st.just(frames.DATA),
        FLAGS,
        STREAMS,
        st.binary(max_size=9) | st.binary(max_size=9).map(message),
    ),
    st.lists(PAIRS, max_size=20).map(lambda pairs: frames.settings(*pairs)),
    st.builds(
        lambda stream, by: frame(frames.WINDOW_UPDATE, 0, stream, struct.pack(">I", by)),
        STREAMS,
        INCREMENTS,
    ),
)


@PROPERTY
@given(sent=st.binary(max_size=300))
@example(sent=b"")
@example(sent=b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
@example(sent=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
@example(sent=PREFACE[:-1])
@example(sent=PREFACE[:-1] + b"\0")
@example(sent=b"\0" * 100_000)
def test_what_is_no_http2(target: Target, sent: bytes) -> None:
    with Wire(target.port) as wire:
        wire.send(sent)
        target.assert_answers()
        wire.finish()


@PROPERTY
@given(sent=st.lists(FRAMES, max_size=10), cut=st.integers(0, 12))
def test_frames_that_mean_nothing(target: Target, sent: list[bytes], cut: int) -> None:
    whole = HELLO + b"".join(sent)
    with Wire(target.port) as wire:
        wire.send(whole[: len(whole) - cut])
        target.assert_answers()
        wire.finish()


@PROPERTY
@given(data=st.data())
def test_a_good_call_with_bytes_changed(target: Target, data: st.DataObject) -> None:
    good = HELLO + call(call_headers(GET_OUTCOME.encode(), CREDENTIAL), message(b"\x0a\x01t"))
    changed = bytearray(good)
    for at in data.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=4)):
        changed[at] = data.draw(st.integers(0, 255))
    with Wire(target.port) as wire:
        wire.send(bytes(changed))
        target.assert_answers()
        wire.finish()


def _streams(count: int) -> range:
    return range(1, 2 * count, 2)


OPENING = [
    frame(frames.HEADERS, frames.END_HEADERS, stream, GOOD_BLOCK) for stream in _streams(1000)
]
CANCEL, OVERFLOW = struct.pack(">I", 8), struct.pack(">I", 2**31 - 1)
BOMB = (
    # Four thousand bytes into the table, then named again and again.
    b"\x40" + frames.hpack([(b"x", b"y" * 4_000)])[1:] + b"\xbe" * 10_000
)
FLOODS = {
    "more settings than a frame holds": frames.settings(*((i % 7, i) for i in range(20_000))),
    "settings over and over": frames.settings((4, 1)) * 3_000,
    "settings that are forbidden": frames.settings((2, 7), (4, 2**32 - 1), (5, 0), (5, 2**32 - 1)),
    "acknowledgements of nothing": frame(frames.SETTINGS, 1, 0, b"") * 3_000,
    "pings": frame(frames.PING, 0, 0, b"12345678") * 3_000,
    "windows that overflow": frame(frames.WINDOW_UPDATE, 0, 0, OVERFLOW) * 2,
    "a stream's window that overflows": (
        OPENING[0] + frame(frames.WINDOW_UPDATE, 0, 1, OVERFLOW) * 2
    ),
    "windows of nothing": frame(frames.WINDOW_UPDATE, 0, 0, bytes(4)) * 3_000,
    "calls that are cancelled at once": b"".join(
        opening + frame(frames.RST_STREAM, 0, stream, CANCEL)
        for opening, stream in zip(OPENING, _streams(1000), strict=True)
    ),
    "streams that are reset and never were": b"".join(
        frame(frames.RST_STREAM, 0, stream, CANCEL) for stream in _streams(3_000)
    ),
    "one stream reset over and over": OPENING[0] + frame(frames.RST_STREAM, 0, 1, CANCEL) * 3_000,
    "calls that never end": b"".join(OPENING),
    "headers that never end": (
        frame(frames.HEADERS, 0, 1, GOOD_BLOCK)
        + frame(frames.CONTINUATION, 0, 1, frames.hpack([(b"x", b"y" * 100)])) * 3_000
    ),
    "headers that never end and never say anything": (
        frame(frames.HEADERS, 0, 1, b"") + frame(frames.CONTINUATION, 0, 1, b"") * 5_000
    ),
    "headers that unfold to forty megabytes": frame(
        frames.HEADERS, frames.END_HEADERS, 1, GOOD_BLOCK + BOMB
    ),
    "data of nothing": OPENING[0] + frame(frames.DATA, 0, 1, b"") * 5_000,
    "data for nobody": frame(frames.DATA, 0, 7, b"x" * 1_000) * 100,
    "priorities": b"".join(
        frame(frames.PRIORITY, 0, stream, struct.pack(">IB", stream, 9))
        for stream in _streams(3_000)
    ),
    "promises": frame(frames.PUSH_PROMISE, 4, 1, struct.pack(">I", 2) + GOOD_BLOCK) * 100,
    "farewells": frame(frames.GOAWAY, 0, 0, struct.pack(">II", 0, 0)) * 1_000,
    "another preface": PREFACE * 100,
}


@pytest.mark.parametrize("sent", FLOODS.values(), ids=FLOODS)
def test_too_much_of_something(target: Target, sent: bytes) -> None:
    with Wire(target.port) as wire:
        wire.send(HELLO + sent)
        target.assert_answers()
        wire.finish()


# Frames that are good, and calls that are not.

QUESTION = b"\x0a\x01t"
OK, INVALID, EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAUTHENTICATED = 0, 3, 8, 12, 13, 16


@pytest.mark.parametrize(
    ("path", "more", "body", "codes"),
    [
        pytest.param(GET_OUTCOME, (), message(QUESTION), {OK}, id="a good call"),
        pytest.param("/", (), message(QUESTION), {UNIMPLEMENTED}, id="path of nothing"),
        pytest.param("", (), message(QUESTION), {UNIMPLEMENTED, INTERNAL}, id="empty path"),
        pytest.param("/redemption.v1", (), b"", {UNIMPLEMENTED}, id="path of a package"),
        pytest.param(b"/\xff/\xfe", (), message(QUESTION), {UNIMPLEMENTED}, id="path of no text"),
        pytest.param(
            GET_OUTCOME.encode() + b"\x80", (), b"", {UNIMPLEMENTED}, id="path that ends as no text"
        ),
        pytest.param(f"{GET_OUTCOME}/", (), message(QUESTION), {UNIMPLEMENTED}, id="path goes on"),
        # gRPC takes any type; what counts is that the call is answered.
        pytest.param(
            GET_OUTCOME,
            ((b"content-type", b"text/html"),),
            message(QUESTION),
            {OK, INVALID, INTERNAL},
            id="another type",
        ),
        # These are gRPC's own words, as its specification has them.
        pytest.param(
            GET_OUTCOME,
            (),
            message(QUESTION, flag=1),
            {INTERNAL},
            id="compressed without an encoding",
        ),
        pytest.param(
            GET_OUTCOME,
            ((b"grpc-encoding", b"gzip"),),
            message(QUESTION, flag=1),
            {INTERNAL},
            id="compressed and is not",
        ),
        pytest.param(
            GET_OUTCOME, (), message(QUESTION, flag=6), {OK, INVALID, INTERNAL}, id="other flags"
        ),
        # What is no text reaches the log of gRPC, which must not quote it.
        pytest.param(
            GET_OUTCOME,
            ((b"authorization", CREDENTIAL[1] + b"\xff"),),
            message(QUESTION),
            {UNAUTHENTICATED},
            id="a credential that is no text",
        ),
        pytest.param(
            GET_OUTCOME,
            (),
            message(QUESTION, length=1),
            {INVALID},
            id="a prefix that is too short",
        ),
        pytest.param(
            GET_OUTCOME,
            (),
            message(b"", length=MESSAGE_BYTES_MAX + 1),
            {EXHAUSTED},
            id="a prefix past the limit",
        ),
        pytest.param(
            GET_OUTCOME, (), message(b"", length=2**32 - 1), {EXHAUSTED}, id="the longest prefix"
        ),
    ],
)
def test_a_call_that_is_not_as_it_should_be(
    target: Target,
    path: str | bytes,
    more: tuple[tuple[bytes, bytes], ...],
    body: bytes,
    codes: set[int],
) -> None:
    path = path if isinstance(path, bytes) else path.encode()
    with Wire(target.port) as wire:
        wire.send(HELLO + call(call_headers(path, CREDENTIAL, *more), body))
        ended = wire.ended()
        assert ended.code in codes, ended
        assert ended.has_message == (ended.code == OK)
        details = ended.trailers.get("grpc-status-details-bin")
        if details:
            assert error_info(Status.FromString(details[1:])).reason != "INTERNAL"
    target.assert_answers()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="no message"),
        pytest.param(b"\0", id="half a prefix"),
        pytest.param(None, id="a prefix that is too long"),
    ],
)
def test_a_call_that_ends_early_is_not_carried_out(target: Target, body: bytes | None) -> None:
    content = request(transaction_identifier="early").SerializeToString()
    if body is None:
        body = message(content, length=len(content) + 1)
    with Wire(target.port) as wire:
        wire.send(HELLO + call(call_headers(REDEEM.encode(), CREDENTIAL), body))
        for found in wire.ping():
            assert found.kind != frames.DATA
        assert target.state("early") == OUTCOME_STATE_NOT_RECORDED
        wire.finish()


@pytest.mark.parametrize(
    "path",
    ["/redemption.v1.OutcomeService/Unknown", "/redemption.v2.OutcomeService/GetOutcome", "/x/y"],
)
@pytest.mark.parametrize("credential", [True, False])
def test_an_unknown_method_is_unimplemented(target: Target, path: str, credential: bool) -> None:
    code, _ = target.send(path, b"", credential=credential)
    assert code is grpc.StatusCode.UNIMPLEMENTED


# Messages that are none.


@EACH_RPC
@pytest.mark.provokes("FIELD_INVALID", "UNAUTHENTICATED")
def test_bytes_that_are_no_message_are_invalid_once_the_caller_is_known(
    target: Target, path: str
) -> None:
    code, status = target.send(path, b"\xff")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    info = error_info(status)
    assert (info.reason, info.metadata["field"]) == ("FIELD_INVALID", "request")
    assert status.message == "request is not a message of its type"
    code, status = target.send(path, b"\xff", credential=False)
    if path != OPEN_TO_ALL:
        assert code is grpc.StatusCode.UNAUTHENTICATED
        assert error_info(status).reason == "UNAUTHENTICATED"
    else:
        assert error_info(status).reason == "FIELD_INVALID"


def _is_message(kind: type[Message], body: bytes) -> bool:
    try:
        kind.FromString(body)
    except DecodeError:
        return False
    return True


@EACH_RPC
@settings(PROPERTY, max_examples=20)
@given(body=st.binary(max_size=60))
@example(body=b"\x0a\x7f")
@example(body=b"\x0a\x02\xff\xfe")
@example(body=b"\x0b" * 200)
@example(body=b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")
def test_arbitrary_messages(target: Target, path: str, body: bytes) -> None:
    code, status = target.send(path, body)
    if code is not grpc.StatusCode.OK:
        reason = error_info(status).reason
        assert reason not in ("INTERNAL", "UNAUTHENTICATED", "DEADLINE_EXCEEDED")
        if not _is_message(METHODS[path], body):
            assert (reason, status.message) == (
                "FIELD_INVALID",
                "request is not a message of its type",
            )
    else:
        assert _is_message(METHODS[path], body)


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (MESSAGE_BYTES_MAX, grpc.StatusCode.INVALID_ARGUMENT),
        (MESSAGE_BYTES_MAX + 1, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_a_message_of_more_than_16_mib_is_not_taken(
    target: Target, size: int, code: grpc.StatusCode
) -> None:
    found, _ = target.send(GET_OUTCOME, b"\xff" * size)
    assert found is code
    target.assert_answers()
