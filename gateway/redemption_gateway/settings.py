"""What the gateway is told by whoever composes it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where to listen (HOST:PORT), which gRPC target to call, and how.

    `time_zone` is the IANA name of the zone in which `…ISO` fields are rendered.
    """

    address: str
    server_target: str
    time_zone: str
    deadline_seconds: float = 10.0
