"""Reads codes page by page, as cells of a CSV file that can be imported again."""

from collections.abc import AsyncIterator
from typing import Any

from redemption_server.bulk.kinds import COUPONS, Kind
from redemption_server.rules.normal import fold
from redemption_server.storage.bulk import load_page, require_target
from redemption_server.storage.database import Database
from redemption_server.storage.instants import from_ms

PAGE = 5_000
_COUPON_COLUMNS = (
    "code",
    "customer",
    "issued_at",
    "valid_until",
    "validation_code",
    "revoked",
)
_CODE_COLUMNS = ("id", "code", "customer", "active")


def columns_of(kind: Kind) -> tuple[str, ...]:
    """The columns of an export."""
    return _COUPON_COLUMNS if kind is COUPONS else _CODE_COLUMNS


async def export(
    database: Database, kind: Kind, org_id: int, target_id: int | str, after: str
) -> AsyncIterator[list[tuple[str, ...]]]:
    """Pages of rows behind a coupon code, in any case, or behind the id of a promotion code.

    Raises Refused when the series or promotion does not exist.
    """
    after = fold(after) if kind is COUPONS else after
    await database.read(require_target, org_id, kind.name, target_id)
    while True:
        rows = await database.read(load_page, org_id, kind.name, target_id, after, PAGE)
        if not rows:
            return
        after = rows[-1].code_key if kind is COUPONS else rows[-1].id
        yield [_coupon(row) if kind is COUPONS else _code(row) for row in rows]


def _coupon(row: Any) -> tuple[str, ...]:
    return (
        row.code,
        _number(row.customer_id),
        _instant(row.issued_at_ms),
        _instant(row.valid_until_ms),
        row.validation_code,
        _boolean(row.revoked),
    )


def _code(row: Any) -> tuple[str, ...]:
    return row.id, row.code, _number(row.customer_id), _boolean(row.active)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _instant(ms: int | None) -> str:
    return "" if ms is None else from_ms(ms).isoformat()


def _boolean(value: object) -> str:
    return "true" if value else "false"
