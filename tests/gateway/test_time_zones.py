"""`…ISO` fields are rendered in the server's time zone, without a fraction."""

from pathlib import Path

import pytest

from tests.gateway.door import line, promotions
from tests.support.service import REDEMPTIONS, run_service

MIDNIGHT_IN_INDIA = 1_762_991_906_999
NOT_UTC_IN_SUMMER = 1_751_328_000_000


@pytest.mark.parametrize(
    ("zone", "ms", "rendered"),
    [
        pytest.param("UTC", MIDNIGHT_IN_INDIA, "2025-11-12T23:58:26Z", id="UTC"),
        pytest.param(
            "Asia/Kolkata", MIDNIGHT_IN_INDIA, "2025-11-13T05:28:26+05:30", id="half an hour"
        ),
        pytest.param(
            "America/New_York", NOT_UTC_IN_SUMMER, "2025-06-30T20:00:00-04:00", id="summer time"
        ),
    ],
)
async def test_iso_fields_are_in_the_server_time_zone(
    sqlite_url: str, catalog_file: Path, zone: str, ms: int, rendered: str
) -> None:
    async with run_service(sqlite_url, catalog_file, time_zone=zone) as service:
        body = promotions(transactionDate=ms, redemptions=[line("coded")])
        answer = (await service.post(REDEMPTIONS, body)).json()["data"]
        query = "?codes=CODE-1&mode=DISCOUNT&includeRedemptions=true"
        (record,) = (await service.http.get(REDEMPTIONS + query)).json()["data"]
    assert (answer["transactionDate"], answer["transactionDateISO"]) == (ms, rendered)
    assert (record["redemptionDate"], record["redemptionDateISO"]) == (ms, rendered)
