"""Turns refusals into `google.rpc.Status`: the one table of this door.

Details stay under 4 KB, since larger trailers fail at random on the way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status

from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused, Violation

DOMAIN = "redemption.v1"
VIOLATIONS_MAX = 50
_VIOLATIONS_BYTES_MAX = 2_800
_MESSAGE_BYTES_MAX = 512
_METADATA_BYTES_MAX = 256

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_NOT_FOUND = grpc.StatusCode.NOT_FOUND
_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION

STATUS_CODES: dict[Reason, grpc.StatusCode] = {
    Reason.USES_REQUIRED: _INVALID,
    Reason.CUSTOMER_REQUIRED: _INVALID,
    Reason.FIELD_INVALID: _INVALID,
    Reason.CUSTOMER_NOT_FOUND: _NOT_FOUND,
    Reason.PROMOTION_NOT_FOUND: _NOT_FOUND,
    Reason.CODE_NOT_FOUND: _NOT_FOUND,
    Reason.EARNED_PROMOTION_NOT_FOUND: _NOT_FOUND,
    Reason.REDEMPTION_NOT_FOUND: _NOT_FOUND,
    Reason.SERIES_NOT_FOUND: _NOT_FOUND,
    Reason.JOB_NOT_FOUND: _NOT_FOUND,
    Reason.PROMOTION_INACTIVE: _PRECONDITION,
    Reason.PROMOTION_NOT_STARTED: _PRECONDITION,
    Reason.PROMOTION_EXPIRED: _PRECONDITION,
    Reason.CODE_INACTIVE: _PRECONDITION,
    Reason.CODE_NOT_OWNED: _PRECONDITION,
    Reason.CODE_REQUIRED: _PRECONDITION,
    Reason.EARNED_PROMOTION_LOCKED: _PRECONDITION,
    Reason.EARNED_PROMOTION_EXPIRED: _PRECONDITION,
    Reason.EARNED_PROMOTION_REDEEMED: _PRECONDITION,
    Reason.EARNED_PROMOTION_NOT_OWNED: _PRECONDITION,
    Reason.ANONYMOUS_NOT_ALLOWED: _PRECONDITION,
    Reason.CUSTOMER_FRAUD: _PRECONDITION,
    Reason.CUSTOMER_BLOCKED: _PRECONDITION,
    Reason.REDEMPTION_REVERSED: _PRECONDITION,
    Reason.AMOUNT_INVALID: _PRECONDITION,
    Reason.COUPON_REPEATED: _PRECONDITION,
    Reason.COUPON_REVOKED: _PRECONDITION,
    Reason.SERIES_EXPIRED: _PRECONDITION,
    Reason.COUPON_EXPIRED: _PRECONDITION,
    Reason.SERIES_NOT_STARTED: _PRECONDITION,
    Reason.COUPON_TOO_EARLY: _PRECONDITION,
    Reason.TIME_NOT_ALLOWED: _PRECONDITION,
    Reason.COUPON_NOT_OWNED: _PRECONDITION,
    Reason.TILL_NOT_ALLOWED: _PRECONDITION,
    Reason.TRANSACTION_NUMBER_REQUIRED: _PRECONDITION,
    Reason.VALIDATION_CODE_REQUIRED: _PRECONDITION,
    Reason.VALIDATION_CODE_WRONG: _PRECONDITION,
    Reason.AMOUNT_OUT_OF_RANGE: _PRECONDITION,
    Reason.COUPON_TOO_SOON: _PRECONDITION,
    Reason.BATCH_FAILED: _PRECONDITION,
    Reason.COUPON_ISSUED: _PRECONDITION,
    Reason.LIMIT_REACHED: _PRECONDITION,
    Reason.ORGANIZATION_NOT_ENABLED: _PRECONDITION,
    Reason.TRANSACTION_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    Reason.REQUEST_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    Reason.SERIES_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Reason.SEQUENCE_PRUNED: grpc.StatusCode.OUT_OF_RANGE,
    Reason.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.CONTENTION: grpc.StatusCode.ABORTED,
    Reason.OVERLOADED: grpc.StatusCode.UNAVAILABLE,
    Reason.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
}

_WORTH_RETRYING = frozenset(
    {Reason.CONTENTION, Reason.OVERLOADED, Reason.UNAVAILABLE, Reason.RATE_LIMITED}
)
# After these a repeat may succeed, or tell what became of the first attempt.
_RETRIABLE = _WORTH_RETRYING | {Reason.DEADLINE_EXCEEDED, Reason.INTERNAL}

_FINAL = {"state_changed": "no", "retry": "pointless"}


class StatusError(Exception):
    """A call failed with a `google.rpc.Status`."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


def status_of(refused: Refused, request_id: str, *, repeatable: bool = True) -> Status:
    """The status of a refused call; `repeatable` says that a repeat of it can do no harm."""
    packed: list[Message] = [
        _error_info(refused.violations[0], _advice(refused, repeatable=repeatable))
    ]
    code = STATUS_CODES[refused.reason]
    if code in (_INVALID, _NOT_FOUND):
        packed.append(_bad_request(refused.violations))
    elif code is _PRECONDITION:
        packed.append(_precondition_failure(refused.violations))
    elif refused.reason is Reason.RATE_LIMITED:
        packed.append(_quota_failure(refused.violations[0]))
    if refused.reason in _WORTH_RETRYING:
        packed.append(details.RetryInfo(retry_delay=Duration(seconds=refused.retry_seconds)))
    packed.append(details.RequestInfo(request_id=request_id))
    return _status(code, refused.violations[0].sentence, packed)


def item_status_of(violation: Violation) -> Status:
    """The status of one refused coupon."""
    code = STATUS_CODES[violation.reason]
    return _status(code, violation.sentence, [_error_info(violation, _FINAL)])


def _status(code: grpc.StatusCode, message: str, packed: Sequence[Message]) -> Status:
    status = Status(code=code.value[0], message=_clip(message, _MESSAGE_BYTES_MAX))
    for detail in packed:
        any_message = AnyMessage()
        any_message.Pack(detail)
        status.details.append(any_message)
    return status


def _advice(refused: Refused, *, repeatable: bool) -> Mapping[str, str]:
    """Whether the call changed anything, and whether sending it again makes sense."""
    if refused.reason not in _RETRIABLE:
        return _FINAL
    if not refused.maybe_recorded:
        return {"state_changed": "no", "retry": "safe"}
    return {"state_changed": "unknown", "retry": "safe" if repeatable else "unsafe"}


def _error_info(violation: Violation, advice: Mapping[str, str]) -> details.ErrorInfo:
    metadata = {
        name: _clip(value, _METADATA_BYTES_MAX)
        for name, value in {**violation.metadata, **advice}.items()
    }
    return details.ErrorInfo(reason=violation.reason.value, domain=DOMAIN, metadata=metadata)


def _bad_request(violations: Sequence[Violation]) -> details.BadRequest:
    return details.BadRequest(
        field_violations=_capped(
            [
                details.BadRequest.FieldViolation(
                    field=violation.field,
                    description=_clip(violation.description, _MESSAGE_BYTES_MAX),
                    reason=violation.reason.value,
                )
                for violation in violations
            ],
            lambda more: details.BadRequest.FieldViolation(description=more),
        )
    )


def _precondition_failure(violations: Sequence[Violation]) -> details.PreconditionFailure:
    return details.PreconditionFailure(
        violations=_capped(
            [
                details.PreconditionFailure.Violation(
                    type=violation.reason.value,
                    subject=_clip(violation.subject, _METADATA_BYTES_MAX),
                    description=_clip(violation.sentence, _MESSAGE_BYTES_MAX),
                )
                for violation in violations
            ],
            lambda more: details.PreconditionFailure.Violation(description=more),
        )
    )


def _quota_failure(violation: Violation) -> details.QuotaFailure:
    return details.QuotaFailure(
        violations=[
            details.QuotaFailure.Violation(
                subject=violation.metadata["scope"],
                description=violation.description,
                quota_value=int(violation.metadata["limit"]),
            )
        ]
    )


def _capped(messages: list[Any], more: Any) -> list[Any]:
    """The first messages that fit, then one that says how many were left out."""
    kept: list[Any] = []
    size = 0
    for message in messages[:VIOLATIONS_MAX]:
        size += message.ByteSize()
        if kept and size > _VIOLATIONS_BYTES_MAX:
            break
        kept.append(message)
    if len(kept) < len(messages):
        kept.append(more(f"and {len(messages) - len(kept)} more"))
    return kept


def _clip(text: str, bytes_max: int) -> str:
    encoded = text.encode()
    if len(encoded) <= bytes_max:
        return text
    return encoded[: bytes_max - 3].decode(errors="ignore") + "…"
