"""`redemption.v1.TokenService`."""

from redemption.v1 import token_service_pb2

from redemption_server.access.audit import audit
from redemption_server.access.authenticate import Authenticator
from redemption_server.access.identity import Access
from redemption_server.access.tokens import Tokens
from redemption_server.rpc.pipeline import Call, Method
from redemption_server.rpc.shape import Shape

SERVICE = "redemption.v1.TokenService"

_Request = token_service_pb2.GenerateTokenRequest
_Response = token_service_pb2.GenerateTokenResponse


class TokenService:
    """Gives out tokens that stand for a credential."""

    def __init__(self, authenticator: Authenticator, tokens: Tokens) -> None:
        self._authenticator = authenticator
        self._tokens = tokens

    def methods(self) -> list[Method]:
        """The RPCs of the service."""
        return [Method(f"/{SERVICE}/GenerateToken", Access.NOBODY, self.generate_token)]

    async def generate_token(self, request: _Request, call: Call) -> _Response:
        """See the proto."""
        shape = Shape()
        key = shape.text("key", request.key, required=True)
        secret = shape.text("secret", request.secret, required=True)
        shape.check()
        # Once the call is over it must not be asked any more.
        address = call.origin.address()
        credential = await self._authenticator.check_secret(key, secret, call.origin)
        token = self._tokens.issue(credential)
        audit("token issued", credential=credential.key, address=address)
        return _Response(access_token=token, ttl_seconds=self._tokens.ttl_seconds)
