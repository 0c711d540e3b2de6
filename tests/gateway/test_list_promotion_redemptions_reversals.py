"""Surface B after reversals: records say that they were reversed, summaries leave them out."""

from datetime import datetime
from typing import Any

import pytest
from redemption.v1 import reversal_pb2, reversal_service_pb2

from tests.gateway.door import fresh, line, promotions
from tests.gateway.test_openapi_document import content, validator
from tests.support.service import REDEMPTIONS, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODE = "RETURNED"


async def redeem(door: Service, *discounts: int) -> str:
    lines = [line("returned", discount=discount, redemptionCount=2) for discount in discounts]
    body = promotions(redemptions=lines)
    response = await door.post(REDEMPTIONS, body)
    assert response.status_code == 200, response.text
    return str(body["transactionIdentifier"])


async def reverse(door: Service, identifier: str, *record_ids: str, reason: str) -> Any:
    request = reversal_service_pb2.ReverseRedemptionRequest(
        transaction_identifier=identifier,
        redemption_ids=record_ids,
        reason=f"REVERSAL_REASON_{reason}",
        request_id=fresh(),
    )
    return await door.reversals.ReverseRedemption(request, metadata=door.metadata)


async def look_up(door: Service, *, records: bool) -> list[dict[str, Any]]:
    """What a lookup answers, which must be what the document promises."""
    query = {"codes": CODE, "mode": "DISCOUNT", "includeRedemptions": str(records).lower()}
    response = await door.http.get(REDEMPTIONS, params=query)
    assert response.status_code == 200, response.text
    validator(content("get", REDEMPTIONS, "200")["schema"]).validate(response.json())
    data: list[dict[str, Any]] = response.json()["data"]
    return data


async def test_a_record_shows_its_reversal_last(door: Service) -> None:
    for value in reversal_pb2.ReversalReason.DESCRIPTOR.values[1:]:
        reason = value.name.removeprefix("REVERSAL_REASON_")
        identifier = await redeem(door, 10, 20)
        second, first = (await look_up(door, records=True))[:2]
        reversal = await reverse(door, identifier, first["id"], reason=reason)
        found = (await look_up(door, records=True))[:2]
        assert found[0] == second
        shown = found[1].pop("reversal")
        assert found[1] == first
        instant = datetime.fromisoformat(shown.pop("reversalDateISO"))
        assert instant.timestamp() == reversal.reversed_at.seconds
        assert shown == {
            "id": reversal.reversal_id,
            "reason": reason,
            "reversalDate": reversal.reversed_at.ToMilliseconds(),
        }


async def test_a_summary_leaves_reversed_records_out(door: Service) -> None:
    before = await redeem(door, 1)
    [summary] = await look_up(door, records=False)
    identifier = await redeem(door, 10, 20)
    records = await look_up(door, records=True)
    await reverse(door, identifier, records[0]["id"], reason="FRAUD")
    [after] = await look_up(door, records=False)
    more = {
        "redemptionCount": summary["redemptionCount"] + 2,
        "discount": f"{float(summary['discount']) + 10:.6f}",
    }
    assert after == {**summary, **more}
    for standing in (before, identifier):
        await reverse(door, standing, reason="CANCEL")
    [last] = await look_up(door, records=False)
    assert last["redemptionCount"] == summary["redemptionCount"] - 2


async def test_a_code_whose_redemptions_are_all_reversed_adds_up_to_nothing(door: Service) -> None:
    await redeem(door, 1)
    for record in await look_up(door, records=True):
        if "reversal" not in record:
            identifier = record["transactionIdentifier"]
            await reverse(door, identifier, record["id"], reason="RETURN")
    [summary] = await look_up(door, records=False)
    assert (summary["redemptionCount"], summary["discount"]) == (0, "0.000000")
