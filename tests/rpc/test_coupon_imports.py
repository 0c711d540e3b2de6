"""Coupons that come and go in chunks over real gRPC."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redemption_server.rpc.coupon_service import IMPORT_MAX

from tests.rpc.coupon_service_calls import (
    CLERK,
    THEIR_CODE,
    THEIR_SERIES,
    THEIRS,
    Coupon,
    assert_clean,
    call,
    create,
    exported,
    instant,
    invalid,
    on_sqlite,
    open_service,
    pb,
    refusal,
)
from tests.rpc.promotion_calls import failure, reason
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER
from tests.support.clock import ODD_DATE, FakeClock
from tests.support.service import Service

NOW = instant(ODD_DATE)
FULL = [
    Coupon(
        code="B",
        customer=CUSTOMER,
        issued_at=NOW,
        valid_until=instant(ODD_DATE.replace(year=2030)),
        validation_code='odd "code", with\nlines',
        revoked=True,
    ),
    Coupon(code="a", customer=OTHER_CUSTOMER),
    Coupon(code="ß,€"),
]
IN_ORDER = [FULL[1], FULL[0], FULL[2]]


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with open_service(database_url, tmp_path, FakeClock()) as service:
        yield service


async def add(service: Service, *coupons: Any, series_id: int = 2, **fields: Any) -> Any:
    """What becomes of an import: how many were added and kept, and where it was wrong."""
    answer = await call(service, "ImportCoupons", series_id=series_id, coupons=coupons, **fields)
    return answer.imported, answer.kept, [bad.position for bad in answer.bad_coupons]


async def codes(service: Service, series_id: int = 2) -> list[str]:
    return [coupon.code for coupon in await exported(service, series_id)]


async def test_what_was_imported_is_exported_the_same(service: Service, database_url: str) -> None:
    await create(service)
    assert await add(service, *FULL) == (3, 0, [])
    assert await exported(service, 2) == IN_ORDER
    # Sent again it is kept, as it is when it says something else by now.
    assert await add(service, *FULL) == (0, 3, [])
    assert await add(service, Coupon(code="b"), Coupon(code="C")) == (1, 1, [])
    assert await exported(service, 2) == [*IN_ORDER[:2], Coupon(code="C"), IN_ORDER[2]]
    # Unless it is to be replaced, its spelling included.
    assert await add(service, Coupon(code="b"), replace=True) == (1, 0, [])
    assert (await exported(service, 2))[1] == Coupon(code="b")
    await assert_clean(database_url)


@on_sqlite
async def test_a_whole_export_goes_in_elsewhere_and_a_part_begins_behind_a_code(
    service: Service,
) -> None:
    many = [Coupon(code=f"N{number:05}") for number in range(IMPORT_MAX)]
    await create(service)
    assert await add(service, *many) == (IMPORT_MAX, 0, [])
    assert await add(service, Coupon(code="LAST")) == (1, 0, [])
    assert await exported(service, 2) == [Coupon(code="LAST"), *many]
    rest = await exported(service, 2, after_code="n04990")
    assert [coupon.code for coupon in rest] == [f"N{number:05}" for number in range(4991, 5000)]
    assert await exported(service, 2, after_code="N04999") == []


@pytest.mark.provokes("FIELD_INVALID")
async def test_what_is_wrong_ends_the_import_or_is_skipped(
    service: Service, database_url: str
) -> None:
    await create(service)
    await create(service, "TAKEN", number=3)
    rows = [
        Coupon(code="A"),
        Coupon(code="with space"),
        Coupon(code="B", customer=999),
        Coupon(code="a"),
        Coupon(code="taken"),
        Coupon(),
        Coupon(code="C", customer=-1),
        Coupon(code="x" * 251),
        Coupon(code="Z"),
    ]
    assert await add(service, *rows) == (1, 0, [1])
    assert await codes(service) == ["A"]
    assert await add(service, *rows[2:]) == (0, 0, [0])
    assert await add(service, *rows, skip_bad=True) == (1, 1, [1, 2, 3, 4, 5, 6, 7])
    assert await codes(service) == ["A", "Z"]
    assert await codes(service, 3) == ["TAKEN"]
    answer = await call(service, "ImportCoupons", series_id=2, coupons=rows, skip_bad=True)
    assert answer.bad_coupons[0] == pb.BadCoupon(
        position=1, description="code must not contain white space, not 'with space'"
    )
    # What a replacement says must be right as well, or what is there stays.
    wrong = Coupon(code="A", customer=999)
    assert await add(service, wrong, replace=True) == (0, 0, [0])
    assert await exported(service, 2) == [Coupon(code="A"), Coupon(code="Z")]
    await assert_clean(database_url)


@on_sqlite
@pytest.mark.provokes("SERIES_NOT_FOUND", "PERMISSION_DENIED")
async def test_chunks_are_limited_and_belong_to_administrators_of_the_organisation(
    service: Service,
) -> None:
    too_many = [Coupon(code=f"N{number}") for number in range(IMPORT_MAX + 1)]
    for coupons in ([], too_many):
        assert await invalid(service, "ImportCoupons", series_id=1, coupons=coupons) == ["coupons"]
    assert await codes(service, 1) == ["COUPON1"]
    row = {"coupons": [Coupon(code="A")]}
    for number in (99, THEIR_SERIES):
        assert await refusal(service, "ImportCoupons", series_id=number, **row) == (
            "SERIES_NOT_FOUND"
        )
        assert await export_refusal(service, number) == "SERIES_NOT_FOUND"
    assert await refusal(service, "ImportCoupons", CLERK, series_id=1, **row) == (
        "PERMISSION_DENIED"
    )
    assert await export_refusal(service, 1, CLERK) == "PERMISSION_DENIED"
    # Their code is free for us.
    assert await add(service, Coupon(code=THEIR_CODE), series_id=1) == (1, 0, [])
    assert (await call(service, "GetCoupon", THEIRS, code=THEIR_CODE)).series_id == THEIR_SERIES


async def export_refusal(service: Service, series_id: int, metadata: Any = None) -> str:
    async def first() -> Any:
        return await call(service, "ExportCoupons", metadata, series_id=series_id).read()

    return reason(await failure(first()))
