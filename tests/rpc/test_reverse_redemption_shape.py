"""`ReverseRedemption` over real gRPC: requests of a wrong shape, each fault named."""

from typing import Any

import pytest

from tests.rpc.promotion_calls import failure, fields, reason, redeem, request
from tests.rpc.reversal_calls import Ids, outcome, redeem_coupons, reversal, reverse
from tests.support.service import Service

LONG = "x" * 251
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no redemption": ({"transaction_identifier": None}, ["transaction_identifier"]),
    "an empty transaction": ({"transaction_identifier": ""}, ["transaction_identifier"]),
    "a long transaction": ({"transaction_identifier": LONG}, ["transaction_identifier"]),
    "a NUL in a transaction": ({"transaction_identifier": "a\0"}, ["transaction_identifier"]),
    "no reason": ({"reason": 0}, ["reason"]),
    "an unknown reason": ({"reason": 99}, ["reason"]),
    "no request id": ({"request_id": ""}, ["request_id"]),
    "a long request id": ({"request_id": "~" * 256}, ["request_id"]),
    "a request id that is not ASCII": ({"request_id": "é"}, ["request_id"]),
    "a long note": ({"note": LONG}, ["note"]),
    "a use twice": ({"redemption_ids": ["a", "b", "a"]}, ["redemption_ids"]),
    "an empty use": ({"redemption_ids": ["a", ""]}, ["redemption_ids[1]"]),
    "a long use": ({"redemption_ids": [LONG]}, ["redemption_ids[0]"]),
    "too many uses": (
        {"redemption_ids": [f"u{number}" for number in range(501)]},
        ["redemption_ids"],
    ),
    "several faults": (
        {"transaction_identifier": LONG, "reason": 0, "request_id": "", "note": LONG},
        ["transaction_identifier", "reason", "request_id", "note"],
    ),
}
COUPONS = "coupon_redemptions.redemption_ids"
WRONG_COUPONS: dict[str, tuple[list[int], dict[str, Any], list[str]]] = {
    "none": ([], {}, [COUPONS]),
    "too many": (list(range(1, 102)), {}, [COUPONS]),
    "one twice": ([1, 2, 1], {}, [COUPONS]),
    "none that could be": ([1, 0, -1], {}, [f"{COUPONS}[1]", f"{COUPONS}[2]"]),
    "uses besides": ([1], {"redemption_ids": ["a"]}, ["redemption_ids"]),
}


@pytest.mark.provokes("FIELD_INVALID")
@pytest.mark.parametrize(("changes", "named"), WRONG.values(), ids=WRONG.keys())
async def test_what_is_wrong_is_named(
    service: Service, changes: dict[str, Any], named: list[str]
) -> None:
    status = await failure(reverse(service, reversal("t1", **changes)))
    assert (reason(status), fields(status)) == ("FIELD_INVALID", named)


@pytest.mark.provokes("FIELD_INVALID")
@pytest.mark.parametrize(
    ("ids", "changes", "named"), WRONG_COUPONS.values(), ids=WRONG_COUPONS.keys()
)
async def test_what_is_wrong_with_coupons_is_named(
    service: Service, ids: list[int], changes: dict[str, Any], named: list[str]
) -> None:
    message = reversal(coupon_redemptions=Ids(redemption_ids=ids), **changes)
    status = await failure(reverse(service, message))
    assert (reason(status), fields(status)) == ("FIELD_INVALID", named)


@pytest.mark.provokes("REDEMPTION_NOT_FOUND")
@pytest.mark.parametrize(
    "message",
    [
        pytest.param(reversal("é" * 250, note="n" * 250, request_id="~" * 255), id="long texts"),
        pytest.param(reversal(None, *range(1, 101)), id="100 coupons"),
        pytest.param(reversal(None, 2**63 - 1), id="the largest id"),
    ],
)
async def test_what_is_just_right_is_looked_for(service: Service, message: Any) -> None:
    assert reason(await failure(reverse(service, message))) == "REDEMPTION_NOT_FOUND"


async def test_500_uses_may_be_named(service: Service) -> None:
    await redeem(service, request())
    named = [f"u{number}" for number in range(500)]
    status = await failure(reverse(service, reversal("t1", redemption_ids=named)))
    found = fields(status)
    assert reason(status) == "REDEMPTION_NOT_FOUND"
    assert found[0] == "redemption_ids[0]"
    assert len(found) <= 51


async def test_a_whole_transaction_of_500_uses_is_reversed(service: Service) -> None:
    uses = [request().redemptions[0]] * 500
    await redeem(service, request(redemptions=uses))
    answer = await reverse(service, reversal("t1"))
    assert len({r.promotion_redemption_id for r in answer.redemptions}) == 500


@pytest.mark.provokes("FIELD_INVALID")
async def test_the_outcome_of_a_reversal_needs_a_printable_key(service: Service) -> None:
    for key in ("", "x" * 256, "é", "line\n"):
        status = await failure(outcome(service, key))
        assert (reason(status), fields(status)) == ("FIELD_INVALID", ["reversal_request_id"])


async def test_a_coupon_id_is_not_a_use_and_a_use_is_not_a_coupon(service: Service) -> None:
    await redeem(service, request())
    [coupon] = await redeem_coupons(service, "COUPON1")
    message = reversal("t1", redemption_ids=[str(coupon)])
    assert reason(await failure(reverse(service, message))) == "REDEMPTION_NOT_FOUND"
    assert not (await reverse(service, reversal(None, coupon))).replayed
