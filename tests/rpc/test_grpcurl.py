"""The real grpcurl, as an engineer would use it."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from redemption_server.rpc.server import SERVICES

from tests.support.service import Service

GRPCURL = shutil.which("grpcurl") or shutil.which(
    "grpcurl", path=str(Path(os.environ.get("GOPATH", Path.home() / "go")) / "bin")
)
IN_CI = os.environ.get("CI") == "true"

pytestmark = pytest.mark.skipif(
    GRPCURL is None and not IN_CI,
    reason="grpcurl is missing: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest",
)

DECIMAL_ONE = {"value": "1"}
USE = {
    "promotion_id": "6914232679e37261fe5d4ef3",
    "promo_code": "uq38t",
    "redemption_count": 1,
    "discount": {"value": "100"},
    "discount_applied_on_quantity": DECIMAL_ONE,
    "promotion_applied_on_quantity": DECIMAL_ONE,
}
REDEEM = {
    "customer_id": 566881933,
    "transaction_identifier": "txn-1",
    "transaction_number": "bill-1",
    "transaction_date": "2025-04-01T15:31:48Z",
    "amount": {"value": "1000"},
    "redemptions": [USE],
}
SERIES = 844313
CALLS = {
    "PromotionRedemptionService/RedeemPromotions": (REDEEM, "transaction_identifier"),
    "PromotionRedemptionService/ListPromotionRedemptions": (
        {"codes": ["UQ38T"], "mode": "PROMOTION_MODE_DISCOUNT", "include_redemptions": True},
        "missing_codes",
    ),
    "CouponRedemptionService/RedeemCoupons": (
        {"coupons": [{"code": "UZHYF", "customer": {"mobile": "9999988886"}}]},
        "results",
    ),
    "CouponRedemptionService/ValidateCoupons": (
        {"coupons": [{"code": "UZHYF", "customer": {"mobile": "9999988886"}}]},
        "validations",
    ),
    "ReversalService/ReverseRedemption": (
        {
            "transaction_identifier": "txn-1",
            "reason": "REVERSAL_REASON_CANCEL",
            "request_id": "r-1",
        },
        "reversal_id",
    ),
    "CouponService/CreateCouponSeries": (
        {
            "series": {
                "id": 844400,
                "discount_type": "DISCOUNT_TYPE_ABS",
                "discount_value": {"value": "50"},
            }
        },
        "series",
    ),
    "CouponService/UpdateCouponSeries": (
        {
            "series": {"id": SERIES, "description": "Ten percent"},
            # Elsewhere masks are written as text; grpcurl wants the message.
            "update_mask": {"paths": ["description"]},
        },
        "series",
    ),
    "CouponService/GetCouponSeries": ({"series_id": SERIES}, "series"),
    "CouponService/GenerateCoupons": (
        {"series_id": SERIES, "count": 10, "request_id": "job-1"},
        "job",
    ),
    "CouponService/GetCouponJob": ({"job_id": "job-1"}, "job"),
    "CouponService/ImportCoupons": (
        {"series_id": SERIES, "coupons": [{"code": "NEW1"}, {"code": "NEW2"}]},
        "imported",
    ),
    "CouponService/ExportCoupons": ({"series_id": SERIES}, "coupons"),
    "CouponService/IssueCoupon": ({"code": "TEN2025", "customer_id": 566881934}, "coupon"),
    "CouponService/RevokeCoupon": ({"code": "TEN2025"}, "coupon"),
    "CouponService/GetCoupon": ({"code": "UZHYF"}, "state"),
    "FeedService/WatchRedemptions": ({"after_sequence": 0}, "events"),
    "CatalogService/ApplyCatalog": (
        {"catalog": {"organizations": [{"id": 100737, "redemption_without_evaluation": True}]}},
        "objects_applied",
    ),
    "OutcomeService/GetOutcome": ({"transaction_identifier": "txn-1"}, "state"),
    "LedgerService/VerifyLedger": ({}, "checks_completed"),
    "TokenService/GenerateToken": ({"key": "demo", "secret": "demo"}, "access_token"),
}

# What must have been called before a call can succeed.
BEFORE = {
    "ReversalService/ReverseRedemption": "PromotionRedemptionService/RedeemPromotions",
    "FeedService/WatchRedemptions": "PromotionRedemptionService/RedeemPromotions",
    "CouponService/GetCouponJob": "CouponService/GenerateCoupons",
}
# Go on until the caller ends them.
ENDLESS = {"FeedService/WatchRedemptions"}


async def start_grpcurl(*arguments: str) -> asyncio.subprocess.Process:
    assert GRPCURL is not None, "CI must install grpcurl"
    return await asyncio.create_subprocess_exec(
        GRPCURL, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


async def grpcurl(*arguments: str) -> str:
    """What grpcurl prints; it must succeed."""
    process = await start_grpcurl(*arguments)
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def watching_grpcurl(wanted: str, *arguments: str) -> str:
    """What grpcurl prints until it has printed a field; it must still be running then."""
    process = await start_grpcurl(*arguments)
    assert process.stdout is not None
    printed = ""
    try:
        async with asyncio.timeout(20):
            while f'"{wanted}"' not in printed or not printed.endswith("\n}\n"):
                chunk = await process.stdout.read(65_536)
                assert chunk, printed
                printed += chunk.decode()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
    return printed


async def test_grpcurl_lists_and_describes_everything(demo_service: Service) -> None:
    address = f"127.0.0.1:{demo_service.grpc_port}"
    listed = await grpcurl("-plaintext", address, "list")
    assert set(SERVICES) < set(listed.split())
    described = await grpcurl("-plaintext", address, "describe")
    for service in SERVICES:
        assert f"{service} is a service" in described
        methods = await grpcurl("-plaintext", address, "list", service)
        for method in methods.split():
            assert "is a method" in await grpcurl("-plaintext", address, "describe", method)


def test_every_rpc_is_called() -> None:
    pool = descriptor_pool.Default()
    methods = {
        f"{service.rpartition('.')[2]}/{method.name}"
        for service in SERVICES
        for method in pool.FindServiceByName(service).methods
    }
    assert methods == set(CALLS)


@pytest.mark.parametrize("method", CALLS)
async def test_grpcurl_calls_the_rpc(demo_service: Service, method: str) -> None:
    if method in BEFORE:
        await call(demo_service, BEFORE[method])
    answers = await call(demo_service, method)
    wanted = CALLS[method][1]
    assert any(wanted in answer for answer in answers), answers


async def call(service: Service, method: str) -> list[Any]:
    """What a call answers: several messages if it is a stream."""
    request, wanted = CALLS[method]
    credential = base64.b64encode(b"demo:demo").decode()
    arguments = (
        "-plaintext",
        "-H",
        f"authorization: Basic {credential}",
        "-d",
        json.dumps(request),
        f"127.0.0.1:{service.grpc_port}",
        f"redemption.v1.{method}",
    )
    endless = method in ENDLESS
    output = await (watching_grpcurl(wanted, *arguments) if endless else grpcurl(*arguments))
    # A stream prints one document after the other.
    answers = []
    while output := output.strip():
        answer, end = json.JSONDecoder().raw_decode(output)
        answers.append(answer)
        output = output[end:]
    return answers
