"""The ASGI application: route, look for a credential, read the body, translate, call, answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
import structlog

from redemption_gateway.audit import audit
from redemption_gateway.body import Receive, RequestBody
from redemption_gateway.caller import CallAnswer, Caller, CallFailedError
from redemption_gateway.errors import VALIDATION_FAILED, error_answer, status_answer
from redemption_gateway.fields import WrongTypesError
from redemption_gateway.headers import (
    CREDENTIAL_HEADERS,
    check_repeated,
    metadata_of,
    read_headers,
    request_id_of,
)
from redemption_gateway.http import HttpAnswer, HttpRefused, HttpRequest, Surface
from redemption_gateway.json_text import JsonError
from redemption_gateway.openapi import openapi_document
from redemption_gateway.routes import Routes

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_QUERY_FIELDS_MAX = 200
_HEALTH_PATHS = ("/healthz", "/readyz")
_OPENAPI_PATH = "/openapi.json"
# What the server announces beside a response, and how it is called here.
_ANNOUNCED = {"ratelimit": "RateLimit", "ratelimit-policy": "RateLimit-Policy"}
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class GatewayStatistics:
    """What was ignored in requests since the gateway started."""

    unknown_fields: int = 0


class _ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


class Gateway:
    """Translates HTTP calls to RPCs."""

    def __init__(self, routes: Routes, caller: Caller, deadline_seconds: float) -> None:
        self._routes = routes
        self._caller = caller
        self._deadline_seconds = deadline_seconds
        self._leaving = False
        self._openapi = openapi_document()
        self.statistics = GatewayStatistics()

    def leave(self) -> None:
        """Has `/readyz` say that this gateway takes no more calls; it still answers."""
        self._leaving = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request (ASGI)."""
        if scope["type"] != "http":
            return
        headers = read_headers(scope["headers"])
        request_id = request_id_of(headers)
        # For whatever is logged on the way; each request has a task, and so a context, of its own.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        body = RequestBody(headers, receive)
        try:
            answer = await self._answer(scope, headers, body, receive, request_id)
        except _ClientGoneError:
            return
        await _send(send, answer, request_id, body)

    async def _answer(
        self,
        scope: Scope,
        headers: dict[str, str],
        body: RequestBody,
        receive: Receive,
        request_id: str,
    ) -> HttpAnswer:
        # Paths are exact: what only decodes to a documented path is another one.
        path, verb = scope["raw_path"].decode("latin-1"), scope["method"]
        form = "B"
        try:
            _check_expectation(headers)
            fixed = await self._fixed(path, verb)
            if fixed:
                return fixed
            surface = self._surface(path, verb)
            form = surface.error_form
            return await self._call(surface, scope, headers, body, receive, request_id)
        except HttpRefused as refused:
            message = VALIDATION_FAILED if refused.status == 400 else refused.texts[0]
            answer = error_answer(form, refused.status, message, refused.texts, _now_ms())
            answer.headers.update(refused.headers)
            return answer
        except _ClientGoneError:
            raise
        except Exception:  # noqa: BLE001 — whatever it is, it is answered and leaks nothing
            _log.exception("request failed")
            text = "An internal error occurred"
            return error_answer(form, 500, text, [text], _now_ms())

    async def _fixed(self, path: str, verb: str) -> HttpAnswer | None:
        """The answer of a path that is no operation."""
        if path not in (*_HEALTH_PATHS, _OPENAPI_PATH):
            return None
        if verb not in ("GET", "HEAD"):
            raise HttpRefused(405, ["The method is not allowed"], {"Allow": "GET"})
        if path == _OPENAPI_PATH:
            return HttpAnswer(200, self._openapi)
        return await self._health(path)

    async def _health(self, path: str) -> HttpAnswer:
        if path == "/healthz":
            return HttpAnswer(200, {"status": "ALIVE"})
        if not self._leaving and await self._caller.is_serving():
            return HttpAnswer(200, {"status": "SERVING"})
        return HttpAnswer(503, {"status": "NOT_SERVING"}, {"Retry-After": "1"})

    def _surface(self, path: str, verb: str) -> Surface:
        verbs = self._routes.get(path)
        if verbs is None:
            raise HttpRefused(404, ["There is nothing at this path"])
        surface = verbs.get("GET" if verb == "HEAD" else verb)
        if surface is None:
            allow = ", ".join(sorted(verbs))
            raise HttpRefused(405, ["The method is not allowed"], {"Allow": allow})
        return surface

    async def _call(
        self,
        surface: Surface,
        scope: Scope,
        headers: dict[str, str],
        body: RequestBody,
        receive: Receive,
        request_id: str,
    ) -> HttpAnswer:
        address = (scope["client"] or ("",))[0]
        if surface.needs_credential and not any(headers.get(name) for name in CREDENTIAL_HEADERS):
            audit("authentication failed", address=address, why="no credential")
            raise HttpRefused(401, ["No credential is given"])
        check_repeated(scope["headers"])
        metadata = metadata_of(headers, request_id, address)
        content = b""
        if scope["method"] == "POST":
            body.check_type()
            content = await body.read()
        elif not body.is_read:
            # Whether the client is still there is asked of what comes after the body.
            await body.skip()
        request = HttpRequest(scope["path"], headers, _query(scope), content)
        try:
            decoded = surface.decode(request)
        except JsonError as error:
            raise HttpRefused(400, [str(error)]) from error
        except WrongTypesError as error:
            raise HttpRefused(400, error.violations) from error
        self.statistics.unknown_fields += decoded.unknown_fields
        call = self._caller.call(surface.method, decoded.message, metadata, self._deadline_seconds)
        try:
            response, announced = await (
                _while_wanted(call, receive) if surface.only_reads else call
            )
        except CallFailedError as failed:
            answer = status_answer(surface.error_form, failed.status, surface.json_name, _now_ms())
            announced = failed.announced
        else:
            answer = surface.encode(response, decoded.context)
        answer.headers.update(_announced_headers(announced))
        return answer


def _check_expectation(headers: Mapping[str, str]) -> None:
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise HttpRefused(417, ["The expectation is not supported"])


async def _while_wanted(call: Coroutine[Any, Any, CallAnswer], receive: Receive) -> CallAnswer:
    """What a call returns, unless its client goes away first. Raises _ClientGoneError."""
    calling = asyncio.create_task(call)
    gone = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait([calling, gone], return_when=asyncio.FIRST_COMPLETED)
        if not calling.done():
            raise _ClientGoneError
        return calling.result()
    finally:
        calling.cancel()
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _announced_headers(announced: Mapping[str, str]) -> dict[str, str]:
    return {shown: announced[name] for name, shown in _ANNOUNCED.items() if name in announced}


def _query(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_QUERY_FIELDS_MAX,
        )
    except ValueError as error:
        raise HttpRefused(400, ["The query is malformed"]) from error


async def _send(send: Send, answer: HttpAnswer, request_id: str, body: RequestBody) -> None:
    content = answer.body if isinstance(answer.body, bytes) else orjson.dumps(answer.body)
    headers = [
        (b"Content-Type", b"application/json; charset=utf-8"),
        (b"Content-Length", str(len(content)).encode()),
        (b"Cache-Control", b"no-store"),
        (b"X-Cap-RequestID", request_id.encode()),
        *((k.encode(), v.encode("latin-1")) for k, v in answer.headers.items()),
    ]
    if not body.is_read:
        await body.skip()
    if not body.is_read:
        # Where the next request begins is not known.
        headers.append((b"Connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if body.is_read:
        await send({"type": "http.response.body", "body": content})
        return
    await send({"type": "http.response.body", "body": content, "more_body": True})
    await body.drop()
    await send({"type": "http.response.body"})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
