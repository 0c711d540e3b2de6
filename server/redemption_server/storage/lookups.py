"""Looks promotion redemptions up by code. Every statement is bounded, whatever a code has seen."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from redemption_server.rules.facts import Organization, PromotionMode
from redemption_server.rules.reversal_policy import Returned, ReversalReason
from redemption_server.storage import lookup_statements as statements
from redemption_server.storage.facts import organization_of
from redemption_server.storage.instants import from_ms
from redemption_server.storage.sums import whole_sum


class FoundCode(NamedTuple):
    """A code of the catalog whose promotion has the mode that was asked for."""

    id: str
    code_key: str
    code: str
    promotion_id: str
    promotion_name: str
    mode: PromotionMode


class FoundRedemption(NamedTuple):
    """A record with the catalog's present names. Amounts and quantities are micro-units."""

    id: str
    line_id: int | None
    promotion_id: str
    promotion_name: str
    promotion_message_label: str | None
    mode: PromotionMode
    promo_code: str
    earned_promotion_id: str
    customer_id: int
    transaction_date: datetime
    transaction_identifier: str
    transaction_number: str
    transaction_amount: int
    cart_evaluation_id: str
    till_id: int | None
    discount: int
    redemption_count: int
    line_amount: int | None
    sku: str
    product_id: int | None
    discount_quantity: int
    promotion_quantity: int
    over_limit: bool
    earned_by_other_customer: bool
    reversal: "FoundReversal | None"


class FoundReversal(NamedTuple):
    """The reversal of a record."""

    id: str
    reason: ReversalReason
    reversed_at: datetime
    returned: Returned


_MODES = {mode.value: mode for mode in PromotionMode}
_MODE = FoundRedemption._fields.index("mode")
_CODE = FoundRedemption._fields.index("promo_code")
_DATE = FoundRedemption._fields.index("transaction_date")
_REVERSAL = FoundRedemption._fields.index("reversal")


class CodeSummary(NamedTuple):
    """The redemptions of a code that are not reversed, added up; `discount` is micro-units."""

    code_id: str
    promotion_id: str
    promotion_name: str
    promo_code: str
    mode: PromotionMode
    redemption_count: int
    discount: int


class LookupOrganization(NamedTuple):
    """An organisation and the key that signs its page tokens."""

    organization: Organization
    page_token_key: bytes


def load_organization(connection: Connection, org_id: int) -> LookupOrganization:
    """The organisation, not kept from changing."""
    row = connection.execute(statements.ORGANIZATION, {"org_id": org_id}).one()
    return LookupOrganization(organization_of(row), row.page_token_key)


def find_codes(
    connection: Connection, org_id: int, code_keys: Sequence[str], mode: PromotionMode
) -> list[FoundCode]:
    """The codes among the keys whose promotion has the mode."""
    rows = statements.CODES_OF_MODE.run_for(connection, org_id, code_keys, mode=mode.value)
    return [FoundCode._make((*row, mode)) for row in rows]


def redeemed_code_ids(connection: Connection, org_id: int, codes: Sequence[FoundCode]) -> set[str]:
    """Ids of those codes that were ever redeemed."""
    if not codes:
        return set()
    return set(
        statements.REDEEMED_CODES.run_for(connection, org_id, (code.id for code in codes)).scalars()
    )


def find_redemptions(
    connection: Connection, org_id: int, codes: Sequence[FoundCode], before: str, count: int
) -> list[FoundRedemption]:
    """The newest `count` records of the codes, by record id, those below `before` if it is set."""
    if not codes:
        return []
    parameters = {"org_id": org_id, "count": count, "before": before}
    parameters.update((f"code_id_{i}", code.id) for i, code in enumerate(codes))
    wanted = connection.execute(statements.newest(len(codes), onwards=bool(before)), parameters)
    rows = statements.RECORDS.run_for(connection, org_id, wanted.scalars())
    spelled = {code.id: code.code for code in codes}
    return [_found(row, spelled) for row in rows]


def load_redemptions(
    connection: Connection, org_id: int, ids: Sequence[str]
) -> list[FoundRedemption]:
    """Records by their ids."""
    rows = statements.RECORDS.run_for(connection, org_id, ids).all()
    code_ids = sorted({row.code_id for row in rows if row.code_id})
    spelled = {"": ""}
    if code_ids:
        codes = statements.SPELLINGS.run_for(connection, org_id, code_ids)
        spelled.update((row.id, row.code) for row in codes)
    return [_found(row, spelled) for row in rows]


def summarize(
    connection: Connection, org_id: int, codes: Sequence[FoundCode]
) -> dict[str, CodeSummary]:
    """For each code that was ever redeemed, by its id, its redemptions added up."""
    if not codes:
        return {}
    rows = statements.SUMS.run_for(connection, org_id, (code.id for code in codes))
    sums = {row[0]: row for row in rows}
    return {
        code.id: CodeSummary(
            code.id,
            code.promotion_id,
            code.promotion_name,
            code.code,
            code.mode,
            int(sums[code.id][1]),
            whole_sum(*sums[code.id][2:]),
        )
        for code in codes
        if code.id in sums
    }


def _found(row: Row[Any], spelled: dict[str, str]) -> FoundRedemption:
    # The columns come as FoundRedemption has them. By position: feeds read very many.
    cells: list[Any] = list(row)
    *_, reversal_id, reason, reversed_at_ms, returned = cells
    cells[_REVERSAL:] = [
        FoundReversal(
            reversal_id, ReversalReason(reason), from_ms(reversed_at_ms), Returned(returned)
        )
        if reversal_id
        else None
    ]
    cells[_MODE] = _MODES[cells[_MODE]]
    cells[_CODE] = spelled[cells[_CODE]]
    cells[_DATE] = from_ms(cells[_DATE])
    return FoundRedemption._make(cells)
