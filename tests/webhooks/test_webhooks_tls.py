"""Receivers prove who they are: their certificate is looked at, on every connection."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redemption_server.webhooks.posting import Poster

from tests.support.certificates import Authority
from tests.support.receiver import Receiver, running_receiver
from tests.webhooks.test_webhooks_addresses import error_of, resolving

FAILED = "ConnectError"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The one that is trusted."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


def context_of(authority: Authority) -> ssl.SSLContext:
    files = authority.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


@pytest.fixture
async def tls_receiver(authority: Authority) -> AsyncIterator[Receiver]:
    """A receiver whose certificate is for `localhost` and 127.0.0.1."""
    async with running_receiver(tls=context_of(authority)) as receiver:
        yield receiver


@pytest.fixture
async def poster(authority: Authority) -> AsyncIterator[Poster]:
    poster = Poster(private_addresses=True)
    yield poster
    await poster.close()


async def test_a_certificate_for_the_host_is_accepted(
    poster: Poster, tls_receiver: Receiver
) -> None:
    assert await error_of(poster, f"https://localhost:{tls_receiver.port}/hook") == ""
    (message,) = tls_receiver.taken
    assert message.headers["host"] == f"localhost:{tls_receiver.port}"


async def test_a_certificate_for_another_host_is_refused(
    poster: Poster, tls_receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, lambda _: ["127.0.0.1"])
    assert await error_of(poster, f"https://other.test:{tls_receiver.port}/hook") == FAILED
    assert not tls_receiver.messages


async def test_a_connection_to_one_host_is_not_used_for_another_at_the_same_address(
    poster: Poster, tls_receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, lambda _: ["127.0.0.1"])
    assert await error_of(poster, f"https://localhost:{tls_receiver.port}/hook") == ""
    # Whoever answers at the address has shown no certificate for this name.
    assert await error_of(poster, f"https://other.test:{tls_receiver.port}/hook") == FAILED
    assert len(tls_receiver.messages) == 1


async def test_a_certificate_of_an_unknown_authority_is_refused(
    poster: Poster, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    async with running_receiver(tls=context_of(stranger)) as receiver:
        assert await error_of(poster, f"https://localhost:{receiver.port}/hook") == FAILED
        assert not receiver.messages
