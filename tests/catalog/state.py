"""What a catalog left in the database, and what was wrong with one that was refused."""

from typing import Any

import pytest
from redemption_server.rules.refusals import Refused

from tests.support import catalogs
from tests.support.desk import Desk

_CATALOG = (
    "organization",
    "till",
    "credential",
    "credential_organization",
    "product",
    "customer",
    "promotion",
    "promotion_code",
    "earned_promotion",
    "coupon_series",
    "coupon",
)
_RECORDS = (
    "promotion_transaction",
    "promotion_redemption",
    "coupon_redemption",
    "claim",
    "event",
    "event_sequence",
)
State = dict[str, list[dict[str, Any]]]


def organization(**changes: Any) -> dict[str, Any]:
    """The test organisation without a credential, whose hash takes long to compute."""
    return catalogs.organization(**{"credentials": [], **changes})


async def catalog(desk: Desk) -> State:
    """The whole catalog. How often it was changed is no part of it."""
    found = {table: await _table(desk, table) for table in _CATALOG}
    for row in found["organization"]:
        del row["catalog_version"]
    return found


async def records(desk: Desk) -> State:
    """All records of redemptions, and the counters that count something."""
    return {**{table: await _table(desk, table) for table in _RECORDS}, "usage": await usage(desk)}


async def usage(desk: Desk) -> list[dict[str, Any]]:
    """The counters that count something, without the limit that they are held to."""
    rows = await _table(desk, "usage")
    for row in rows:
        del row["use_limit"]
    return [row for row in rows if row["used"]]


async def _table(desk: Desk, table: str) -> list[dict[str, Any]]:
    columns = [column.name for column in _columns(table)]
    rows = await desk.rows(f"SELECT {', '.join(columns)} FROM {table}")
    return sorted((dict(zip(columns, row, strict=True)) for row in rows), key=repr)


def _columns(table: str) -> Any:
    from sqlmodel import SQLModel

    return SQLModel.metadata.tables[table].columns


async def refusal(desk: Desk, *organizations: dict[str, Any]) -> dict[str, str]:
    """What is wrong, by path; nothing is applied."""
    before = await catalog(desk), await records(desk)
    with pytest.raises(Refused) as caught:
        await desk.apply(*organizations)
    assert (await catalog(desk), await records(desk)) == before
    assert {violation.reason for violation in caught.value.violations} == {"FIELD_INVALID"}
    return {violation.field: violation.description for violation in caught.value.violations}
