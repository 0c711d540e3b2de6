"""Where a call comes from, as far as the door it came by can tell."""

import ipaddress
from typing import NamedTuple, Protocol


class Origin(Protocol):
    """Asked only when somebody wants to know: most calls are let in without."""

    def address(self) -> str:
        """Network address of the client, empty when unknown."""
        ...

    def certificate_name(self) -> str:
        """Common name in the verified certificate of the client, empty without one."""
        ...


class KnownOrigin(NamedTuple):
    """An origin that is known beforehand."""

    client_address: str
    certificate: str = ""

    def address(self) -> str:
        """See `Origin`."""
        return self.client_address

    def certificate_name(self) -> str:
        """See `Origin`."""
        return self.certificate


class TrustedProxies:
    """The peers whose word is taken for where a call comes from: gateways and load balancers."""

    def __init__(self, networks: str) -> None:
        """`networks` is a list of addresses and networks, separated by commas.

        Raises ValueError.
        """
        self._networks = [
            ipaddress.ip_network(text.strip()) for text in networks.split(",") if text.strip()
        ]

    def include(self, address: str) -> bool:
        """Whether the peer at an address is one of them."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)
