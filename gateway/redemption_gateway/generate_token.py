"""Surface D: `POST /v3/oauth/token/generate`."""

from typing import Any

from redemption.v1 import token_service_pb2

from redemption_gateway.fields import Body
from redemption_gateway.http import Decoded, HttpAnswer, HttpRequest
from redemption_gateway.json_text import parse_json


class GenerateTokenSurface:
    """Codec of surface D."""

    method = "redemption.v1.TokenService/GenerateToken"
    error_form = "B"
    needs_credential = False
    only_reads = False

    def decode(self, request: HttpRequest) -> Decoded:
        """See `Surface`."""
        body = Body()
        fields = body.root(parse_json(request.body), ("key", "secret"))
        message = token_service_pb2.GenerateTokenRequest(
            key=fields.text("key"), secret=fields.text("secret")
        )
        body.check()
        # The path has no query parameters.
        return Decoded(message, unknown_fields=body.unknown_fields + len(request.query))

    def encode(
        self,
        response: token_service_pb2.GenerateTokenResponse,
        context: Any,  # noqa: ARG002
    ) -> HttpAnswer:
        """See `Surface`."""
        data = {"accessToken": response.access_token, "ttlSeconds": response.ttl_seconds}
        return HttpAnswer(200, {"data": data, "errors": None})

    def json_name(self, field: str) -> str:
        """See `Surface`."""
        return field
