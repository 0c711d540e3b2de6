"""The date of a transaction: 1970 or later, at most 24 hours ahead, cut to whole milliseconds."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.rpc.promotion_calls import failure, fields, reason, redeem, request
from tests.support import catalogs
from tests.support.clock import ODD_DATE, FakeClock
from tests.support.service import Service, run_service

DAY_AHEAD = ODD_DATE + timedelta(hours=24)


@pytest.fixture
async def still(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A service whose clock stands still at ODD_DATE."""
    file = catalogs.write(tmp_path, catalogs.organization(promotions=[catalogs.promotion()]))
    async with run_service(sqlite_url, file, clock=FakeClock()) as service:
        yield service


def timestamp(at: datetime, nanos: int = 0) -> Timestamp:
    result = Timestamp()
    result.FromDatetime(at)
    result.nanos += nanos
    return result


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_transaction_is_at_most_24_hours_ahead_of_the_clock(still: Service) -> None:
    too_late = timestamp(DAY_AHEAD + timedelta(milliseconds=1))
    status = await failure(redeem(still, request(transaction_date=too_late)))
    assert (reason(status), fields(status)) == ("FIELD_INVALID", ["transaction_date"])
    answer = await redeem(still, request(transaction_date=timestamp(DAY_AHEAD)))
    assert answer.transaction_date == timestamp(DAY_AHEAD)


@pytest.mark.provokes("FIELD_INVALID")
async def test_what_is_no_instant_is_refused(still: Service) -> None:
    odd = [
        Timestamp(seconds=-1),
        Timestamp(seconds=-62_135_596_800),
        Timestamp(seconds=-(2**63)),
        Timestamp(seconds=253_402_300_800),
        Timestamp(seconds=2**63 - 1),
        Timestamp(seconds=1, nanos=-1),
        Timestamp(seconds=1, nanos=10**9),
        Timestamp(seconds=1, nanos=2**31 - 1),
        Timestamp(seconds=1, nanos=-(2**31)),
    ]
    for date in odd:
        status = await failure(redeem(still, request(transaction_date=date)))
        assert (reason(status), fields(status)) == ("FIELD_INVALID", ["transaction_date"]), date


async def test_the_first_instant_is_that_of_1970(still: Service) -> None:
    answer = await redeem(still, request(transaction_date=Timestamp()))
    assert answer.HasField("transaction_date")
    assert answer.transaction_date == Timestamp()


async def test_an_instant_is_cut_to_whole_milliseconds(still: Service) -> None:
    first = await redeem(still, request(transaction_date={"seconds": 5, "nanos": 1_999_999}))
    assert first.transaction_date == Timestamp(seconds=5, nanos=1_000_000)
    again = await redeem(still, request(transaction_date={"seconds": 5, "nanos": 1_000_000}))
    assert again.replayed
    last = {"seconds": 5, "nanos": 999_999_999}
    cut = await redeem(still, request(transaction_date=last, transaction_identifier="t2"))
    assert cut.transaction_date == Timestamp(seconds=5, nanos=999_000_000)
