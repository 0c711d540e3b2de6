"""Where a gRPC call comes from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from redemption_server.access.origin import TrustedProxies

if TYPE_CHECKING:
    import grpc.aio

FORWARDED_FOR = "x-forwarded-for"


class GrpcOrigin:
    """See `Origin`. A trusted proxy, such as the gateway, says for whom it calls."""

    def __init__(
        self,
        context: "grpc.aio.ServicerContext[Any, Any]",
        metadata: Mapping[str, str],
        proxies: TrustedProxies,
    ) -> None:
        self._context = context
        self._metadata = metadata
        self._proxies = proxies

    def address(self) -> str:
        """See `Origin`."""
        peer = _host(self._context.peer())
        forwarded = self._metadata.get(FORWARDED_FOR, "")
        return forwarded if forwarded and self._proxies.include(peer) else peer

    def certificate_name(self) -> str:
        """See `Origin`. gRPC has verified the certificate."""
        names = list(self._context.auth_context().get("x509_common_name", ()))
        return names[0].decode(errors="replace") if len(names) == 1 else ""


def _host(peer: str) -> str:
    """`ipv6:%5B::1%5D:50051` → `::1`."""
    _, _, address = unquote(peer).partition(":")
    return address.rpartition(":")[0].strip("[]")
