"""Turns failures into HTTP answers: the one table of this door, and the forms of error bodies."""

from collections.abc import Callable
from typing import Any

from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from redemption_gateway.http import HttpAnswer

# By reason, not by gRPC code: one code stands for several answers.
HTTP_STATUSES: dict[str, int] = {
    "USES_REQUIRED": 400,
    "CUSTOMER_REQUIRED": 400,
    "FIELD_INVALID": 400,
    "CUSTOMER_NOT_FOUND": 404,
    "PROMOTION_NOT_FOUND": 404,
    "CODE_NOT_FOUND": 404,
    "EARNED_PROMOTION_NOT_FOUND": 404,
    "REDEMPTION_NOT_FOUND": 404,
    "SERIES_NOT_FOUND": 404,
    "JOB_NOT_FOUND": 404,
    "PROMOTION_INACTIVE": 400,
    "PROMOTION_NOT_STARTED": 400,
    "PROMOTION_EXPIRED": 400,
    "CODE_INACTIVE": 400,
    "CODE_NOT_OWNED": 400,
    "CODE_REQUIRED": 400,
    "EARNED_PROMOTION_LOCKED": 400,
    "EARNED_PROMOTION_EXPIRED": 400,
    "EARNED_PROMOTION_REDEEMED": 400,
    "EARNED_PROMOTION_NOT_OWNED": 400,
    "ANONYMOUS_NOT_ALLOWED": 400,
    "CUSTOMER_FRAUD": 400,
    "CUSTOMER_BLOCKED": 400,
    "REDEMPTION_REVERSED": 400,
    "COUPON_ISSUED": 400,
    "LIMIT_REACHED": 400,
    "ORGANIZATION_NOT_ENABLED": 405,
    "TRANSACTION_CONFLICT": 409,
    "REQUEST_CONFLICT": 409,
    "SERIES_EXISTS": 409,
    "SEQUENCE_PRUNED": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RATE_LIMITED": 429,
    "CONTENTION": 409,
    "OVERLOADED": 503,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    "INTERNAL": 500,
}

_SHAPE_REASONS = frozenset({"USES_REQUIRED", "CUSTOMER_REQUIRED", "FIELD_INVALID"})
# Texts of the reference documents.
_DOCUMENTED_TEXTS = {
    "USES_REQUIRED": "At least lineItems or redemptions must be specified",
    "CUSTOMER_REQUIRED": (
        "CustomerIdentifierType and CustomerIdentifierValue is mandatory when customerId is not "
        "specified."
    ),
}
VALIDATION_FAILED = "Validation Failed"
_CHALLENGES = 'Basic realm="redemption", charset="UTF-8", Bearer realm="redemption"'
_INTERNAL = "An internal error occurred"

JsonName = Callable[[str], str]


def error_answer(
    form: str, status: int, message: str, texts: list[str], timestamp_ms: int
) -> HttpAnswer:
    """An error in the body form of a surface; `texts` has a sentence for each thing wrong."""
    if form == "A":
        body: dict[str, Any] = {
            "timestamp": timestamp_ms,
            "errorCode": status,
            "message": message,
            "errorDetails": texts,
        }
    elif form == "B":
        body = {"data": [], "errors": [{"code": status, "message": text} for text in texts]}
    else:
        joined = "; ".join(texts)
        body = {"response": {"status": {"success": "false", "code": status, "message": joined}}}
    headers = {"WWW-Authenticate": _CHALLENGES} if status == 401 else {}
    return HttpAnswer(status, body, headers)


def status_answer(form: str, status: Status, json_name: JsonName, timestamp_ms: int) -> HttpAnswer:
    """The answer to a call that failed with a status."""
    details = _Details(status)
    reason = details.info.reason
    http_status = HTTP_STATUSES.get(reason)
    if http_status is None:
        return error_answer(form, 500, _INTERNAL, [_INTERNAL], timestamp_ms)
    texts = details.texts(json_name) or [details.message(status, json_name)]
    message = VALIDATION_FAILED if reason in _SHAPE_REASONS else texts[0]
    answer = error_answer(form, http_status, message, texts, timestamp_ms)
    if reason == "ORGANIZATION_NOT_ENABLED":
        answer.headers["Allow"] = "GET, POST"
    if details.retry_seconds is not None:
        answer.headers["Retry-After"] = str(details.retry_seconds)
    return answer


class _Details:
    """The standard details of a status."""

    def __init__(self, status: Status) -> None:
        self.info = error_details_pb2.ErrorInfo()
        self._bad_request = error_details_pb2.BadRequest()
        self._precondition = error_details_pb2.PreconditionFailure()
        retry = error_details_pb2.RetryInfo()
        self.retry_seconds: int | None = None
        for detail in status.details:
            if detail.Unpack(retry):
                delay = retry.retry_delay
                self.retry_seconds = max(1, delay.seconds + (delay.nanos > 0))
            for message in (self.info, self._bad_request, self._precondition):
                detail.Unpack(message)

    def message(self, status: Status, json_name: JsonName) -> str:
        """The message of the status; a field that a conflict ends with is named as JSON does."""
        message: str = status.message
        field: str = self.info.metadata.get("field", "")
        if field and message.endswith(field):
            return message.removesuffix(field) + json_name(field)
        return message

    def texts(self, json_name: JsonName) -> list[str]:
        """A sentence for each violation, fields named as the JSON does."""
        texts = [_text(violation, json_name) for violation in self._bad_request.field_violations]
        return texts + [violation.description for violation in self._precondition.violations]


def _text(violation: Any, json_name: JsonName) -> str:
    documented = _DOCUMENTED_TEXTS.get(violation.reason)
    if documented:
        return documented
    description: str = violation.description
    if violation.reason == "FIELD_INVALID":
        return f"{json_name(violation.field)} {description}"
    return description
