"""What the gateway is told by whoever composes it."""

from dataclasses import dataclass

from redemption_gateway.caller import ServerTls
from redemption_gateway.tls import TlsFiles


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where to listen (HOST:PORT), which gRPC target to call, and how.

    `time_zone` is the IANA name of the zone in which `…ISO` fields are rendered. `tls` and
    `server_tls` are None where the network is trusted. `trusted_proxies` lists the addresses and
    networks of the proxies whose `X-Forwarded-For` is believed.
    """

    address: str
    server_target: str
    time_zone: str
    deadline_seconds: float = 10.0
    tls: TlsFiles | None = None
    server_tls: ServerTls | None = None
    trusted_proxies: str = "127.0.0.1,::1"
    connections_max: int = 12_000
    idle_seconds: int = 75
