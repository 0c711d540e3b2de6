"""The headers of a request: which ones mean something here, and which go on to the server."""

import re
import secrets
from collections.abc import Iterable, Mapping

from redemption_gateway.http import HttpRefused

CREDENTIAL_HEADERS = ("authorization", "x-cap-api-oauth-token")
_FORWARDED_HEADERS = (
    *CREDENTIAL_HEADERS,
    "x-cap-api-auth-org-id",
    "x-cap-api-attribution-till-code",
)
# Sent twice they would mean one thing here and another one elsewhere.
_GIVEN_ONCE = frozenset(
    {*_FORWARDED_HEADERS, "content-type", "idempotency-key", "x-request-id", "expect"}
)
_FORWARDABLE = re.compile(r"[\x20-\x7e]*")
_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
# W3C Trace Context: version, trace, parent, flags.
_TRACE_PARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_TRACE_STATE_LENGTH_MAX = 512
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}")
# gRPC refuses metadata past 8 KB, at random at first; all of these together stay below.
_CREDENTIAL_LENGTH_MAX = 3_500
_LENGTH_MAX = 250


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header values by lower-case name; of what may be repeated, the values are joined."""
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def check_repeated(raw: Iterable[tuple[bytes, bytes]]) -> None:
    """Raises HttpRefused when a header that has one value is given twice."""
    seen = set()
    for name_bytes, _ in raw:
        name = name_bytes.decode("latin-1")
        if name in seen and name in _GIVEN_ONCE:
            raise HttpRefused(400, [f"{name.upper()} must be given once"])
        seen.add(name)


def request_id_of(headers: Mapping[str, str]) -> str:
    """The request id that came with a request if it is well-formed, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def metadata_of(headers: Mapping[str, str], request_id: str, address: str) -> dict[str, str]:
    """What goes on to the server. Raises HttpRefused for values that cannot."""
    metadata = {"x-request-id": request_id, "x-announce-rate": "1", **_trace_context(headers)}
    if _ADDRESS.fullmatch(address):
        metadata["x-forwarded-for"] = address
    for name in _FORWARDED_HEADERS:
        value = headers.get(name, "").strip()
        secret = name in CREDENTIAL_HEADERS
        status, longest = (401, _CREDENTIAL_LENGTH_MAX) if secret else (400, _LENGTH_MAX)
        if not _FORWARDABLE.fullmatch(value):
            raise HttpRefused(status, [f"{name.upper()} must be printable ASCII"])
        if len(value) > longest:
            raise HttpRefused(status, [f"{name.upper()} must be at most {longest} characters"])
        if value:
            metadata[name] = value
    return metadata


def _trace_context(headers: Mapping[str, str]) -> dict[str, str]:
    """The trace that a request belongs to; malformed, it belongs to none."""
    parent = headers.get("traceparent", "")
    if not _TRACE_PARENT.fullmatch(parent):
        return {}
    state = headers.get("tracestate", "")
    if state and len(state) <= _TRACE_STATE_LENGTH_MAX and _FORWARDABLE.fullmatch(state):
        return {"traceparent": parent, "tracestate": state}
    return {"traceparent": parent}
