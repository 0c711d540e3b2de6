"""Receivers that lie, dawdle or break the rules: each costs no more than its own delivery."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redemption_server.webhooks import posting
from redemption_server.webhooks.posting import Poster

from tests.support.receiver import TAKES, Manner, Receiver, running_receiver, waits_for
from tests.webhooks.test_webhooks_addresses import error_of

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LATE = "no answer within 0 s"
SHORT = 0.4
# With others on the machine.
SECONDS_MAX = 5.0


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    poster = Poster(private_addresses=True)
    yield poster
    await poster.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "_SECONDS_MAX", SHORT)


async def send(poster: Poster, url: str, body: bytes = b"{}") -> str:
    """Why a message was not taken, which is known soon."""
    async with asyncio.timeout(SECONDS_MAX):
        return await error_of(poster, url, body)


BREACHES = {
    "no HTTP": b"hello, who is there?\r\n\r\n",
    "nothing": b"",
    "half a head": HEAD + b"Content-Len",
    "a body that ends early": HEAD + b"Content-Length: 10\r\n\r\nabc",
    "chunks that end early": CHUNKED + b"5\r\nab",
    "no chunks": CHUNKED + b"zz\r\nab\r\n",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "NUL in a header": HEAD + b"X: \0\r\n\r\n",
}


@pytest.mark.parametrize("breach", BREACHES)
async def test_an_answer_that_breaks_the_rules_is_none(
    poster: Poster, receiver: Receiver, breach: str
) -> None:
    receiver.manners = [Manner(BREACHES[breach], closes=True)]
    assert await send(poster, receiver.url) in ("RemoteProtocolError", "ReadError")
    # And the next message is none the worse for it.
    assert await send(poster, receiver.url) == ""


async def test_nobody_there_is_a_failure_like_others(poster: Poster) -> None:
    async with running_receiver() as gone:
        url = gone.url
    assert await send(poster, url) == "ConnectError"


async def test_an_endless_body_is_not_read(poster: Poster, receiver: Receiver) -> None:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    receiver.manners = [Manner(CHUNKED, endlessly=piece)]
    assert await send(poster, receiver.url) == ""
    assert await send(poster, receiver.url) == ""
    assert receiver.connections == 2


async def test_endless_headers_are_not_read(poster: Poster, receiver: Receiver) -> None:
    receiver.manners = [Manner(HEAD, endlessly=b"X-More: " + b"x" * 1_000 + b"\r\n")]
    assert await send(poster, receiver.url) == "RemoteProtocolError"
    assert await send(poster, receiver.url) == ""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "manner",
    [
        Manner(b"HTTP/1.1 100 Continue\r\n\r\n", endlessly=b"HTTP/1.1 103 X\r\n\r\n", pause=0.01),
        Manner(HEAD, endlessly=b"x", pause=0.01),
        Manner(CHUNKED, endlessly=b"1\r\nx\r\n", pause=0.01),
    ],
    ids=["provisional answers", "a head in drops", "a body in drops"],
)
async def test_an_answer_in_drops_is_not_waited_for(
    poster: Poster, receiver: Receiver, manner: Manner
) -> None:
    receiver.manners = [manner]
    assert await send(poster, receiver.url) == LATE
    assert await send(poster, receiver.url) == ""


@pytest.mark.usefixtures("impatient")
async def test_who_does_not_answer_is_not_waited_for(poster: Poster, receiver: Receiver) -> None:
    receiver.manners = [waits_for(asyncio.Event())]
    assert await send(poster, receiver.url) == LATE


async def test_who_answers_before_the_message_is_read_does_no_harm(
    poster: Poster, receiver: Receiver
) -> None:
    receiver.manners = [Manner(TAKES.answer, early=True)]
    # More than a socket holds. Whether the answer outruns the end of the connection is luck.
    error = await send(poster, receiver.url, b"x" * 4_000_000)
    assert error in ("", "ReadError", "WriteError", "RemoteProtocolError")
    assert await send(poster, receiver.url) == ""


async def test_many_receivers_that_do_not_answer_do_not_hold_up_another(
    poster: Poster, receiver: Receiver
) -> None:
    async with running_receiver() as silent:
        silent.manner = waits_for(asyncio.Event())
        waiting = [asyncio.create_task(error_of(poster, silent.url)) for _ in range(150)]
        await silent.got(150)
        assert await send(poster, receiver.url) == ""
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
