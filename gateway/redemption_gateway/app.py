"""The ASGI application: route, look for a credential, read the body, translate, call, answer."""

import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
import structlog

from redemption_gateway.caller import Caller, CallFailedError
from redemption_gateway.errors import VALIDATION_FAILED, error_answer, status_answer
from redemption_gateway.fields import WrongTypesError
from redemption_gateway.http import HttpAnswer, HttpRequest, Surface
from redemption_gateway.json_text import JsonError
from redemption_gateway.routes import Routes

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_BYTES_MAX = 1024 * 1024
_QUERY_FIELDS_MAX = 200
_CREDENTIAL_HEADERS = ("authorization", "x-cap-api-oauth-token")
_FORWARDED_HEADERS = (
    *_CREDENTIAL_HEADERS,
    "x-cap-api-auth-org-id",
    "x-cap-api-attribution-till-code",
)
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_FORWARDABLE = re.compile(r"[\x20-\x7e]*")
_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class GatewayStatistics:
    """What was ignored in requests since the gateway started."""

    unknown_fields: int = 0


class _Refused(Exception):
    """The gateway refuses a request without asking the server."""

    def __init__(
        self, status: int, texts: list[str], headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(texts[0])
        self.status = status
        self.texts = texts
        self.headers = headers or {}


class Gateway:
    """Translates HTTP calls to RPCs."""

    def __init__(self, routes: Routes, caller: Caller, deadline_seconds: float) -> None:
        self._routes = routes
        self._caller = caller
        self._deadline_seconds = deadline_seconds
        self._leaving = False
        self.statistics = GatewayStatistics()

    def leave(self) -> None:
        """Has `/readyz` say that this gateway takes no more calls; it still answers."""
        self._leaving = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request (ASGI)."""
        if scope["type"] != "http":
            return
        headers = _headers(scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        answer = await self._answer(scope, headers, receive, request_id)
        await _send(send, answer, request_id)

    async def _answer(
        self, scope: Scope, headers: dict[str, str], receive: Receive, request_id: str
    ) -> HttpAnswer:
        # Paths are exact: what only decodes to a documented path is another one.
        path, verb = scope["raw_path"].decode("latin-1"), scope["method"]
        if path in ("/healthz", "/readyz") and verb == "GET":
            return await self._health(path)
        surface: Surface | None = None
        try:
            surface = self._route(path, verb)
            return await self._call(surface, scope, headers, receive, request_id)
        except _Refused as refused:
            message = VALIDATION_FAILED if refused.status == 400 else refused.texts[0]
            form = surface.error_form if surface else "B"
            answer = error_answer(form, refused.status, message, refused.texts, _now_ms())
            answer.headers.update(refused.headers)
            return answer
        except Exception:  # noqa: BLE001 — whatever it is, it is answered and leaks nothing
            _log.exception("request failed", request_id=request_id)
            text = "An internal error occurred"
            form = surface.error_form if surface else "B"
            return error_answer(form, 500, text, [text], _now_ms())

    async def _health(self, path: str) -> HttpAnswer:
        if path == "/healthz":
            return HttpAnswer(200, {"status": "ALIVE"})
        if not self._leaving and await self._caller.is_serving():
            return HttpAnswer(200, {"status": "SERVING"})
        return HttpAnswer(503, {"status": "NOT_SERVING"}, {"Retry-After": "1"})

    def _route(self, path: str, verb: str) -> Surface:
        verbs = self._routes.get(path)
        if verbs is None:
            if path in ("/healthz", "/readyz"):
                raise _Refused(405, ["The method is not allowed"], {"Allow": "GET"})
            raise _Refused(404, ["There is nothing at this path"])
        surface = verbs.get(verb)
        if surface is None:
            allow = ", ".join(sorted(verbs))
            raise _Refused(405, ["The method is not allowed"], {"Allow": allow})
        return surface

    async def _call(
        self,
        surface: Surface,
        scope: Scope,
        headers: dict[str, str],
        receive: Receive,
        request_id: str,
    ) -> HttpAnswer:
        if not any(headers.get(name) for name in _CREDENTIAL_HEADERS):
            raise _Refused(401, ["No credential is given"])
        metadata = _metadata(headers, request_id)
        has_body = scope["method"] == "POST"
        if has_body:
            _check_content_type(headers)
        body = await _read_body(headers, receive) if has_body else b""
        request = HttpRequest(scope["path"], headers, _query(scope), body)
        try:
            decoded = surface.decode(request)
        except JsonError as error:
            raise _Refused(400, [str(error)]) from error
        except WrongTypesError as error:
            raise _Refused(400, error.violations) from error
        self.statistics.unknown_fields += decoded.unknown_fields
        try:
            response = await self._caller.call(
                surface.method, decoded.message, metadata, self._deadline_seconds
            )
        except CallFailedError as failed:
            return status_answer(surface.error_form, failed.status, surface.json_name, _now_ms())
        return surface.encode(response, decoded.context)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _metadata(headers: dict[str, str], request_id: str) -> dict[str, str]:
    metadata = {"x-request-id": request_id}
    for name in _FORWARDED_HEADERS:
        value = headers.get(name, "").strip()
        status, longest = (401, 3_500) if name in _CREDENTIAL_HEADERS else (400, 250)
        if not _FORWARDABLE.fullmatch(value):
            raise _Refused(status, [f"{name.upper()} must be printable ASCII"])
        # gRPC refuses metadata past 8 KB, at random at first; all of these together stay below.
        if len(value) > longest:
            raise _Refused(status, [f"{name.upper()} must be at most {longest} characters"])
        if value:
            metadata[name] = value
    return metadata


def _check_content_type(headers: dict[str, str]) -> None:
    content_type = headers.get("content-type", "").strip()
    if content_type and not _JSON_TYPE.fullmatch(content_type):
        raise _Refused(415, ["The request body must be application/json"])


async def _read_body(headers: dict[str, str], receive: Receive) -> bytes:
    too_large = _Refused(413, [f"The request body must be at most {BODY_BYTES_MAX} bytes"])
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > BODY_BYTES_MAX:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, ["The request body ended early"])
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            raise too_large
        if not message.get("more_body"):
            return bytes(body)


def _query(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_QUERY_FIELDS_MAX,
        )
    except ValueError as error:
        raise _Refused(400, ["The query is malformed"]) from error


async def _send(send: Send, answer: HttpAnswer, request_id: str) -> None:
    body = orjson.dumps(answer.body)
    headers = [
        (b"Content-Type", b"application/json; charset=utf-8"),
        (b"Content-Length", str(len(body)).encode()),
        (b"X-Cap-RequestID", request_id.encode()),
        *((k.encode(), v.encode("latin-1")) for k, v in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
