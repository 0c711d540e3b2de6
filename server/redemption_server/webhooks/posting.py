"""Posts messages to addresses that others chose: no redirect is followed, no private address asked.

The name is resolved here and the connection made to the address that was looked at, so that a name
cannot mean one thing when it is checked and another when it is used.
"""

import asyncio
import ipaddress
import socket
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

import httpx
from standardwebhooks import Webhook

from redemption_server.webhooks.message import CONTENT_TYPE

_SECONDS_MAX = 15.0
_CONNECT_SECONDS_MAX = 5.0
_ANSWER_BYTES_MAX = 64 * 1024
_ERROR_LENGTH_MAX = 200
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# They lead to an IPv4 address that is not looked at: IPv4-compatible, NAT64 of a network's own,
# Teredo, 6to4.
_LEADING_ELSEWHERE = tuple(
    map(ipaddress.IPv6Network, ("::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"))
)


class DeliveryError(Exception):
    """A message was not taken; the text says why, without anything that the receiver said."""


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(slots=True)
class Poster:
    """Posts signed messages; close it at the end."""

    private_addresses: bool
    _tls: ssl.SSLContext = field(init=False, default_factory=_tls_context)
    # By the name of the host: connections are made to addresses, and one that was made for a name
    # whose certificate was looked at must not be used for another.
    _transports: dict[str, httpx.AsyncHTTPTransport] = field(init=False, default_factory=dict)

    async def close(self) -> None:
        """Lets connections go."""
        for transport in self._transports.values():
            await transport.aclose()

    async def post(
        self, url: str, secret: str, message_id: str, body: bytes, now: datetime
    ) -> None:
        """Posts a message. Raises DeliveryError unless the answer is a 2xx."""
        headers = {
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "redemption-webhooks/1",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, now, body.decode()),
        }
        try:
            async with asyncio.timeout(_SECONDS_MAX):
                status = await self._send(url, headers, body)
        except TimeoutError as error:
            raise DeliveryError(f"no answer within {_SECONDS_MAX:.0f} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise DeliveryError(type(error).__name__[:_ERROR_LENGTH_MAX]) from error
        if not 200 <= status < 300:
            raise DeliveryError(f"answered {status}")

    async def _send(self, url: str, headers: dict[str, str], body: bytes) -> int:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https" and not self.private_addresses:
            raise DeliveryError("the URL is not https")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        unreachable: httpx.TransportError | None = None
        for address in await self._resolve(host, port):
            shown = f"[{address}]" if ":" in address else address
            place = f"{shown}:{port}"
            target = urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))
            try:
                return await self._ask(host, target, {**headers, "Host": parts.netloc}, body)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                # Nothing was sent: another address of the name may be better.
                unreachable = error
        raise unreachable or DeliveryError("the host has no public address")

    async def _ask(self, host: str, target: str, headers: dict[str, str], body: bytes) -> int:
        timeout = httpx.Timeout(_SECONDS_MAX, connect=_CONNECT_SECONDS_MAX)
        extensions = {"sni_hostname": host, "timeout": timeout.as_dict()}
        request = httpx.Request(
            "POST", target, content=body, headers=headers, extensions=extensions
        )
        answer = await self._transport(host).handle_async_request(request)
        try:
            # Read so that the connection can be used again, but not whatever is sent.
            read = 0
            async for piece in answer.aiter_raw():
                read += len(piece)
                if read > _ANSWER_BYTES_MAX:
                    break
        finally:
            await answer.aclose()
        return answer.status_code

    def _transport(self, host: str) -> httpx.AsyncHTTPTransport:
        if host not in self._transports:
            # Less than a client: no cookies, no redirects, no proxy or password of the environment.
            # Each webhook has one message under way, so that connections need no limit.
            self._transports[host] = httpx.AsyncHTTPTransport(
                verify=self._tls, trust_env=False, limits=httpx.Limits(max_connections=None)
            )
        return self._transports[host]

    async def _resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a name that may be asked, each once, in the order to try them."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            # UnicodeError: it is no name, as one with an empty part.
            raise DeliveryError("the name of the host cannot be resolved") from error
        addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
        return [one for one in addresses if self.private_addresses or _is_public(one)]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped or parsed in _NAT64:
            parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
        elif parsed.is_site_local or any(parsed in network for network in _LEADING_ELSEWHERE):
            return False
    return parsed.is_global and not parsed.is_multicast
