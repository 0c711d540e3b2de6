"""Where messages may go: addresses are chosen by others, and must not lead inside."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redemption_server.app import system_clock
from redemption_server.webhooks import posting
from redemption_server.webhooks.posting import DeliveryError, Poster

from tests.support.receiver import SECRET, Receiver, running_receiver, status

NO_PUBLIC_ADDRESS = "the host has no public address"
PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",  # carriers
    "100.127.255.254",
    "127.0.0.1",
    "127.8.9.10",
    "169.254.0.1",
    "169.254.169.254",  # metadata of clouds
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",  # multicast
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",  # IPv4-compatible
    "::a9fe:a9fe",
    "::ffff:127.0.0.1",  # IPv4-mapped
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",  # NAT64
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001:0:7f00:1::",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4
    "2002:a9fe:a9fe::1",
    "fc00::1",  # unique local
    "fd00:ec2::254",
    "fe80::1",  # link local
    "fec0::1",  # site local
    "ff02::1",  # multicast
    "ff0e::1",
]
PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]

Resolve = Callable[[str], list[str]]


def resolving(monkeypatch: pytest.MonkeyPatch, resolve: Resolve) -> list[str]:
    """Has names resolved by `resolve`; returns those that were asked for, as they come."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def fake(host: str, port: int, *arguments: Any, **named: Any) -> list[Any]:
        if not host.endswith(".test"):
            return real(host, port, *arguments, **named)
        asked.append(host)
        found = []
        for address in resolve(host):
            found += real(address, port, *arguments, **named)
        return found

    monkeypatch.setattr(socket, "getaddrinfo", fake)
    return asked


async def error_of(poster: Poster, url: str, body: bytes = b"{}") -> str:
    """Why a message is not delivered; empty when it is."""
    try:
        await poster.post(url, SECRET, "100-1", body, system_clock())
    except DeliveryError as error:
        return str(error)
    return ""


@pytest.fixture
async def public() -> AsyncIterator[Poster]:
    """Posts to public addresses alone."""
    poster = Poster(private_addresses=False)
    yield poster
    await poster.close()


@pytest.fixture
async def private() -> AsyncIterator[Poster]:
    """Posts to any address."""
    poster = Poster(private_addresses=True)
    yield poster
    await poster.close()


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_message_goes_to_a_private_address(
    address: str, public: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = f"[{address}]" if ":" in address else address
    # Where it is not refused, nobody waits for who does not answer.
    monkeypatch.setattr(posting, "_SECONDS_MAX", 0.5)
    assert await error_of(public, f"https://{shown}/hook") == NO_PUBLIC_ADDRESS
    resolving(monkeypatch, lambda _: [address])
    assert await error_of(public, "https://inside.test/hook") == NO_PUBLIC_ADDRESS


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert posting._is_public(address)


@pytest.mark.parametrize(
    "host", ["localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "[::ffff:7f00:1]"]
)
async def test_other_spellings_of_this_machine_are_refused(
    host: str, public: Poster, receiver: Receiver
) -> None:
    error = await error_of(public, f"https://{host}:{receiver.port}/hook")
    assert error == NO_PUBLIC_ADDRESS
    assert receiver.connections == 0


async def test_a_name_with_a_private_address_beside_a_public_one_is_not_asked_there(
    public: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, lambda _: ["127.0.0.1", "10.0.0.1"])
    # No machine of the world is asked in tests, so 10.0.0.1 stands for a public one.
    monkeypatch.setattr(posting, "_is_public", lambda address: address == "10.0.0.1")
    assert await public._resolve("both.test", 443) == ["10.0.0.1"]


async def test_an_address_that_cannot_be_reached_is_passed_over_for_the_next(
    private: Poster, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://two.test:{receiver.port}/hook"
    # Nobody listens at the first.
    resolving(monkeypatch, lambda _: ["127.0.0.2", "127.0.0.1"])
    assert await error_of(private, url) == ""
    receiver.manner = status(500)
    assert await error_of(private, url) == "answered 500"
    assert len(receiver.messages) == 2
    resolving(monkeypatch, lambda _: ["127.0.0.2", "127.0.0.3"])
    assert await error_of(private, url) == "ConnectError"


async def test_a_name_is_resolved_once_and_the_address_that_was_looked_at_is_used(
    private: Poster, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens where the second answer leads.
    answers = iter(["127.0.0.1", "127.0.0.2"])
    asked = resolving(monkeypatch, lambda _: [next(answers)])
    assert await error_of(private, f"http://rebinds.test:{receiver.port}/hook") == ""
    assert asked == ["rebinds.test"]
    (message,) = receiver.taken
    assert message.headers["host"] == f"rebinds.test:{receiver.port}"


async def test_without_https_nothing_is_sent_unless_private_addresses_are_allowed(
    public: Poster, private: Poster, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "_is_public", lambda _: True)
    assert await error_of(public, receiver.url) == "the URL is not https"
    assert receiver.connections == 0
    assert await error_of(private, receiver.url) == ""
    assert receiver.connections == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(private: Poster, receiver: Receiver, code: int) -> None:
    async with running_receiver() as elsewhere:
        receiver.manner = status(code, f"Location: {elsewhere.url}")
        assert await error_of(private, receiver.url) == f"answered {code}"
        assert elsewhere.connections == 0
    assert len(receiver.messages) == 1


async def test_proxies_and_passwords_of_the_environment_are_not_used(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with running_receiver() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            for variable in (name, name.lower()):
                monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        poster = Poster(private_addresses=True)
        assert await error_of(poster, receiver.url) == ""
        await poster.close()
        assert proxy.connections == 0
    (message,) = receiver.taken
    assert "authorization" not in message.headers


@pytest.mark.parametrize("host", ["nowhere.test", "a..b.test", "x" * 64 + ".test"])
async def test_a_name_that_cannot_be_resolved_is_a_failure_like_others(
    host: str, public: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(_: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    if host == "nowhere.test":
        resolving(monkeypatch, nowhere)
    error = await asyncio.wait_for(error_of(public, f"https://{host}/"), 5)
    assert error == "the name of the host cannot be resolved"
