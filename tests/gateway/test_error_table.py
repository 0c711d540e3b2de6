"""The tables of errors against contract sections 6 and 8, written out here once more."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from redemption.v1 import error_reason_pb2
from redemption_gateway.coupon_items import ITEMS, LIMIT_ITEMS, SUCCESS, item_status
from redemption_gateway.errors import HTTP_STATUSES, status_answer
from redemption_gateway.http import camel_case

HTTP = {
    400: """USES_REQUIRED CUSTOMER_REQUIRED FIELD_INVALID PROMOTION_INACTIVE PROMOTION_NOT_STARTED
        PROMOTION_EXPIRED CODE_INACTIVE CODE_NOT_OWNED CODE_REQUIRED EARNED_PROMOTION_LOCKED
        EARNED_PROMOTION_EXPIRED EARNED_PROMOTION_REDEEMED EARNED_PROMOTION_NOT_OWNED
        ANONYMOUS_NOT_ALLOWED CUSTOMER_FRAUD CUSTOMER_BLOCKED LIMIT_REACHED REDEMPTION_REVERSED
        COUPON_ISSUED SEQUENCE_PRUNED""",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: """CUSTOMER_NOT_FOUND PROMOTION_NOT_FOUND CODE_NOT_FOUND EARNED_PROMOTION_NOT_FOUND
        REDEMPTION_NOT_FOUND SERIES_NOT_FOUND JOB_NOT_FOUND""",
    405: "ORGANIZATION_NOT_ENABLED",
    409: "TRANSACTION_CONFLICT REQUEST_CONFLICT SERIES_EXISTS CONTENTION",
    429: "RATE_LIMITED",
    500: "INTERNAL",
    503: "OVERLOADED UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
STATUS_OF_REASON = {reason: status for status, names in HTTP.items() for reason in names.split()}
RETRIED_LATER = {"RATE_LIMITED", "CONTENTION", "OVERLOADED", "UNAVAILABLE"}

ITEM_OF_REASON = {
    "CODE_REQUIRED": (702, "Coupon code is invalid"),
    "AMOUNT_INVALID": (733, "Invalid transaction amount"),
    "CUSTOMER_NOT_FOUND": (
        701,
        "The customer could not be found. Please check mobile, email, external id passed",
    ),
    "CUSTOMER_REQUIRED": (
        701,
        "The customer could not be found. Please check mobile, email, external id passed",
    ),
    "CUSTOMER_FRAUD": (740, "Fraud customer"),
    "CUSTOMER_BLOCKED": (742, "Issue and redemption blocked for the customer"),
    "CODE_NOT_FOUND": (719, "Coupon code does not exist"),
    "COUPON_REPEATED": (716, "Cannot redeem same Coupon multiple times"),
    "COUPON_REVOKED": (660, "Coupon code has been revoked"),
    "SERIES_EXPIRED": (712, "Coupon Series / Campaign has expired"),
    "COUPON_EXPIRED": (713, "Coupon has expired"),
    "SERIES_NOT_STARTED": (739, "Allowed redemption date is invalid"),
    "COUPON_TOO_EARLY": (739, "Allowed redemption date is invalid"),
    "TIME_NOT_ALLOWED": (729, "Invalid redemption range For coupon series"),
    "COUPON_NOT_OWNED": (703, "Coupon not issued to this customer"),
    "TILL_NOT_ALLOWED": (735, "Invalid store"),
    "TRANSACTION_NUMBER_REQUIRED": (718, "Transaction number needed for redemption"),
    "VALIDATION_CODE_REQUIRED": (725, "Validation code required"),
    "VALIDATION_CODE_WRONG": (705, "Both coupon code and the validation code are invalid"),
    "AMOUNT_OUT_OF_RANGE": (733, "Invalid transaction amount"),
    "COUPON_TOO_SOON": (738, "Allowed redemption gap is invalid"),
    "BATCH_FAILED": (749, "Failed because others in the batch failed"),
}
LIMITS = [
    pytest.param("coupon", "1", 711, "Coupon is already used", id="single use"),
    pytest.param(
        "coupon", "2", 696, "Redemption per coupon code limit has reached max limit", id="coupon"
    ),
    pytest.param("customer", "1", 736, "Allowed redemption consumed", id="customer"),
    pytest.param("series", "1", 714, "Maximum number of redemptions reached", id="series"),
]


def status(reason: str, message: str = "What went wrong") -> Status:
    made = Status(code=9, message=message)
    made.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="redemption.v1"))
    return made


def test_the_table_of_statuses_is_the_contracts() -> None:
    assert HTTP_STATUSES == STATUS_OF_REASON


def test_the_table_of_items_is_the_contracts() -> None:
    assert ITEMS == ITEM_OF_REASON
    assert set(LIMIT_ITEMS) == {"coupon", "customer", "series"}
    assert SUCCESS == (700, "Coupon processing successful")


def test_every_reason_has_a_status_or_an_item() -> None:
    reasons = {
        name.removeprefix("ERROR_REASON_")
        for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
        if not name.endswith("_UNSPECIFIED")
    }
    assert reasons == set(STATUS_OF_REASON) | set(ITEM_OF_REASON)


@pytest.mark.parametrize("form", ["A", "B", "C"])
@pytest.mark.parametrize("reason", sorted(STATUS_OF_REASON))
def test_each_reason_has_its_status_in_every_form(reason: str, form: str) -> None:
    made = status(reason)
    if reason in RETRIED_LATER:
        delay = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=7))
        made.details.add().Pack(delay)
    answer = status_answer(form, made, camel_case, 1_746_166_870_695)
    expected = STATUS_OF_REASON[reason]
    shape = reason in ("USES_REQUIRED", "CUSTOMER_REQUIRED", "FIELD_INVALID")
    bodies = {
        "A": {
            "timestamp": 1_746_166_870_695,
            "errorCode": expected,
            "message": "Validation Failed" if shape else "What went wrong",
            "errorDetails": ["What went wrong"],
        },
        "B": {"data": [], "errors": [{"code": expected, "message": "What went wrong"}]},
        "C": {
            "response": {
                "status": {"success": "false", "code": expected, "message": "What went wrong"}
            }
        },
    }
    assert answer.status == expected
    assert answer.body == bodies[form]
    assert ("WWW-Authenticate" in answer.headers) == (expected == 401)
    assert answer.headers.get("Retry-After") == ("7" if reason in RETRIED_LATER else None)
    assert answer.headers.get("Allow") == ("GET, POST" if expected == 405 else None)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(status("NEVER_HEARD_OF", "secret"), id="unknown reason"),
        pytest.param(status("BATCH_FAILED", "secret"), id="reason of an item"),
        pytest.param(Status(code=2, message="secret"), id="no reason"),
    ],
)
@pytest.mark.parametrize("form", ["A", "B", "C"])
def test_anything_else_is_500_with_a_fixed_text(made: Status, form: str) -> None:
    answer = status_answer(form, made, camel_case, 0)
    assert answer.status == 500
    assert "secret" not in str(answer.body)


@pytest.mark.parametrize("reason", sorted(ITEM_OF_REASON))
def test_each_reason_has_its_item(reason: str) -> None:
    assert item_status(reason, {}) == ITEM_OF_REASON[reason]


@pytest.mark.parametrize(("scope", "limit", "code", "message"), LIMITS)
def test_a_limit_has_the_item_of_its_scope(scope: str, limit: str, code: int, message: str) -> None:
    assert item_status("LIMIT_REACHED", {"scope": scope, "limit": limit}) == (code, message)


@pytest.mark.parametrize(
    ("seconds", "nanos", "shown"),
    [
        pytest.param(0, 1, "1", id="less than a second"),
        pytest.param(2, 0, "2", id="whole"),
        pytest.param(2, 500_000_000, "3", id="two and a half"),
    ],
)
def test_retry_after_is_in_whole_seconds_and_never_too_early(
    seconds: int, nanos: int, shown: str
) -> None:
    made = status("RATE_LIMITED")
    delay = Duration(seconds=seconds, nanos=nanos)
    made.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    assert status_answer("A", made, camel_case, 0).headers["Retry-After"] == shown
