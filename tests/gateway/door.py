"""What tests of the gateway share: the catalog behind it, bodies to send, and forms of answers."""

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from tests.support import catalogs
from tests.support.service import Service, basic

DATE_MS = 1_743_521_508_123
RECORD_TABLES = (
    "promotion_transaction",
    "promotion_redemption",
    "coupon_redemption",
    "reversal",
    "reversed_record",
    "usage",
    "claim",
    "event",
)
READER = {"Authorization": basic("reader", "reader")}
TILLLESS = {"Authorization": basic("tillless", "tillless")}
SEVERAL = {"Authorization": basic("several", "several")}
OTHER = {"Authorization": basic(catalogs.OTHER_KEY, catalogs.OTHER_SECRET)}


def credential(key: str, **changes: Any) -> dict[str, Any]:
    access = {"customer": "write", "default": True}
    return {"key": key, "secret": key, "access": access, **changes}


def organizations() -> list[dict[str, Any]]:
    """An organisation with something of everything, and one that is not enabled."""
    main = catalogs.organization(
        credentials=[
            catalogs.CREDENTIAL,
            credential("reader", access={"customer": "read"}),
            credential("tillless"),
            credential("several"),
        ],
        products=[{"id": 901, "sku": "SKU-1"}],
        customers=[
            *catalogs.organization()["customers"],
            {"id": 503, "mobile": "919999988883", "status": "FRAUD"},
            {"id": 504, "mobile": "919999988884", "status": "BLOCKED"},
            {"id": 610, "external_id": "by id"},
            {"id": 611, "external_id": "by mobile", "mobile": "919999988611"},
            {"id": 612, "external_id": "by email", "email": "six@example.com"},
            {"id": 613, "external_id": "by external_id"},
            {"id": 614, "external_id": "by card_number", "card_number": "CARD-6"},
            {"id": 615, "external_id": "by card_external_id", "card_external_id": "CARD-EXT-6"},
        ],
        promotions=[
            catalogs.promotion("p1"),
            catalogs.promotion("paged", codes=[{"id": "c-paged", "code": "PAGED"}]),
            catalogs.promotion("coded", codes=[{"id": "c-coded", "code": "Code-1"}]),
            catalogs.promotion("second", codes=[{"id": "c-second", "code": "SECOND"}]),
            catalogs.promotion("long", codes=[{"id": "c-long", "code": "LONG"}]),
            catalogs.promotion("longer", codes=[{"id": "c-longer", "code": "LONGER"}]),
            catalogs.promotion("changing", codes=[{"id": "c-changing", "code": "CHANGING"}]),
            catalogs.promotion("returned", codes=[{"id": "c-returned", "code": "RETURNED"}]),
            catalogs.promotion("unused", codes=[{"id": "c-unused", "code": "UNUSED"}]),
            catalogs.promotion(
                "labelled", message_label="", codes=[{"id": "c-labelled", "code": "LABELLED"}]
            ),
            catalogs.promotion(
                "voucher", mode="PAYMENT_VOUCHER", codes=[{"id": "c-voucher", "code": "VOUCHER"}]
            ),
            catalogs.promotion("inactive", active=False),
            catalogs.promotion("full", limits={"redemptions_per_transaction": 1}),
        ],
        earned_promotions=[
            {"id": "earned-1", "promotion": "coded", "customer": catalogs.CUSTOMER}
            | {"status": "UNLOCKED"}
        ],
        coupon_series=[
            catalogs.series(
                1,
                discount_value="46389",
                discount_code="MANY",
                same_customer_may_repeat=True,
                max_redemptions_per_coupon=1_000_000,
                coupons=[{"code": code} for code in ("Many-1", "Many-2", "Many-3")],
            ),
            catalogs.series(
                2,
                discount_type="PERC",
                discount_value="12.50",
                coupons=[{"code": code} for code in ("HALF-1", "ONCE-1", "ONCE-2", "ONCE-3")],
            ),
            catalogs.series(3, validation_required=True, coupons=[{"code": "V1"}]),
        ],
    )
    disabled = catalogs.organization(
        id=catalogs.OTHER_ORG,
        redemption_without_evaluation=False,
        customers=[],
        credentials=[
            credential(catalogs.OTHER_KEY, secret=catalogs.OTHER_SECRET),
            credential("several"),
        ],
        promotions=[catalogs.promotion("p1")],
    )
    return [main, disabled]


def write_catalog(folder: Path) -> Path:
    return catalogs.write(folder, *organizations())


def fresh() -> str:
    """A transaction identifier that nobody used."""
    return uuid.uuid4().hex


def line(promotion_id: str = "p1", **changes: Any) -> dict[str, Any]:
    """A use of a promotion with the required fields alone; `changes` replace its keys."""
    return {
        "promotionId": promotion_id,
        "redemptionCount": 1,
        "discount": 10,
        "discountAppliedOnQuantity": 1,
        "promotionAppliedOnQuantity": 1,
        **changes,
    }


def promotions(**changes: Any) -> dict[str, Any]:
    """A body of surface A that succeeds; `changes` replace its keys, None leaves one out."""
    body = {
        "customerId": catalogs.CUSTOMER,
        "transactionIdentifier": fresh(),
        "transactionNumber": "bill-1",
        "transactionDate": DATE_MS,
        "amount": 100,
        "redemptions": [line()],
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def coupon(code: str = "Many-1", **changes: Any) -> dict[str, Any]:
    return {"code": code, "customer": {"id": catalogs.CUSTOMER}, **changes}


def coupons(*items: Any) -> dict[str, Any]:
    """A body of surface C, one coupon that succeeds by default."""
    return {"root": {"coupon": list(items) or [coupon()]}}


def recorded(service: Service) -> dict[str, int]:
    """How many rows each table of records holds."""
    with closing(sqlite3.connect(service.database_file)) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in RECORD_TABLES
        }


def assert_common_headers(response: httpx.Response) -> None:
    """What every answer has, whatever became of the request."""
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    request_id = response.headers["X-Cap-RequestID"]
    assert len(request_id) == 32
    assert set(request_id) <= set("0123456789abcdef")
    assert response.headers.get_list("X-Cap-RequestID") == [request_id]
    if response.status_code == 401:
        assert response.headers["WWW-Authenticate"]


def texts(response: httpx.Response, form: str) -> list[str]:
    """The sentences of an error body, whose form is checked exactly."""
    assert_common_headers(response)
    body = response.json()
    status = response.status_code
    if form == "A":
        assert list(body) == ["timestamp", "errorCode", "message", "errorDetails"]
        assert isinstance(body["timestamp"], int)
        assert body["errorCode"] == status
        found = body["errorDetails"]
    elif form == "B":
        assert list(body) == ["data", "errors"]
        assert body["data"] == []
        assert [list(error) for error in body["errors"]] == [["code", "message"]] * len(
            body["errors"]
        )
        assert {error["code"] for error in body["errors"]} == {status}
        found = [error["message"] for error in body["errors"]]
    else:
        assert list(body) == ["response"]
        assert list(body["response"]) == ["status"]
        only = body["response"]["status"]
        assert list(only) == ["success", "code", "message"]
        assert only["success"] == "false"
        assert only["code"] == status
        found = [only["message"]]
    assert found
    assert all(isinstance(text, str) and text for text in found)
    return list(found)


async def refused(
    service: Service, path: str, body: Any, status: int, form: str, **headers: str
) -> list[str]:
    """Posts a body that must be refused, leaving nothing behind; gives the sentences."""
    before = recorded(service)
    response = await service.post(path, body, **headers)
    assert response.status_code == status, response.text
    assert recorded(service) == before
    return texts(response, form)
