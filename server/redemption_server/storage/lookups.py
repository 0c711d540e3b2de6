"""Looks promotion redemptions up by code. Every statement is bounded, whatever a code has seen."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    exists,
    func,
    literal_column,
    select,
    union_all,
)

from redemption_server.rules.facts import Organization, PromotionMode, RecordKind
from redemption_server.rules.reversal_policy import Returned, ReversalReason
from redemption_server.storage.catalog_tables import (
    OrganizationRow,
    ProductRow,
    PromotionCodeRow,
    PromotionRow,
)
from redemption_server.storage.dialect import Matched, Search, among, table_of
from redemption_server.storage.facts import organization_of
from redemption_server.storage.instants import from_ms
from redemption_server.storage.record_tables import (
    PromotionRedemptionRow,
    PromotionTransactionRow,
    ReversalRow,
    ReversedRecordRow,
)
from redemption_server.storage.sums import sum_parts, whole_sum

_organization = table_of(OrganizationRow)
_promotion = table_of(PromotionRow)
_code = table_of(PromotionCodeRow)
_product = table_of(ProductRow)
_transaction = table_of(PromotionTransactionRow)
_redemption = table_of(PromotionRedemptionRow)
_reversal = table_of(ReversalRow)
_reversed = table_of(ReversedRecordRow)

# The condition of the partial index, which planners want to see.
_HAS_CODE = _redemption.c.code_id != literal_column("''")


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
    row = connection.execute(select(_organization).where(_organization.c.id == org_id)).one()
    return LookupOrganization(organization_of(row), row.page_token_key)


def find_codes(
    connection: Connection, org_id: int, code_keys: Sequence[str], mode: PromotionMode
) -> list[FoundCode]:
    """The codes among the keys whose promotion has the mode."""
    statement = (
        select(
            _code.c.id,
            _code.c.code_key,
            _code.c.code,
            _code.c.promotion_id,
            _promotion.c.name,
        )
        .select_from(
            among(connection, org_id, _code.c.code_key, code_keys).join(
                _promotion,
                (_promotion.c.org_id == org_id) & (_promotion.c.id == _code.c.promotion_id),
            )
        )
        .where(_promotion.c.mode == mode.value)
    )
    return [FoundCode(*row, mode) for row in connection.execute(statement)]


def redeemed_code_ids(connection: Connection, org_id: int, codes: Sequence[FoundCode]) -> set[str]:
    """Ids of those codes that were ever redeemed."""
    if not codes:
        return set()
    redeemed = exists().where(
        _redemption.c.org_id == org_id, _redemption.c.code_id == _code.c.id, _HAS_CODE
    )
    wanted = among(connection, org_id, _code.c.id, [code.id for code in codes])
    statement = select(_code.c.id).select_from(wanted).where(redeemed)
    return set(connection.execute(statement).scalars())


def find_redemptions(
    connection: Connection, org_id: int, codes: Sequence[FoundCode], before: str, count: int
) -> list[FoundRedemption]:
    """The newest `count` records of the codes, by record id, those below `before` if it is set."""
    if not codes:
        return []
    # One bounded walk down the index for each code, instead of sorting all that codes ever saw.
    newest = [_newest(org_id, code.id, before, count).subquery() for code in codes]
    ids = union_all(*(select(part.c.id) for part in newest)).subquery()
    wanted = connection.execute(select(ids.c.id).order_by(ids.c.id.desc()).limit(count))
    rows = _RECORDS.run(connection, org_id, [(record_id,) for record_id in wanted.scalars()])
    spelled = {code.id: code.code for code in codes}
    return [_found(row, spelled) for row in rows]


def load_redemptions(
    connection: Connection, org_id: int, ids: Sequence[str]
) -> list[FoundRedemption]:
    """Records by their ids."""
    rows = _RECORDS.run(connection, org_id, [(record_id,) for record_id in ids]).all()
    code_ids = sorted({row.code_id for row in rows if row.code_id})
    spelled = {"": ""}
    if code_ids:
        codes = select(_code.c.id, _code.c.code).select_from(
            among(connection, org_id, _code.c.id, code_ids)
        )
        spelled.update((row.id, row.code) for row in connection.execute(codes))
    return [_found(row, spelled) for row in rows]


def summarize(
    connection: Connection, org_id: int, codes: Sequence[FoundCode]
) -> dict[str, CodeSummary]:
    """For each code that was ever redeemed, by its id, its redemptions added up."""
    if not codes:
        return {}
    stands = _reversed.c.reversal_id.is_(None)
    statement = (
        select(
            _redemption.c.code_id,
            func.sum(case((stands, _redemption.c.redemption_count), else_=0)),
            *sum_parts(case((stands, _redemption.c.discount_micros), else_=0)),
        )
        .select_from(
            among(connection, org_id, _redemption.c.code_id, [code.id for code in codes]).outerjoin(
                _reversed, _is_reversed(org_id)
            )
        )
        .where(_HAS_CODE)
        .group_by(_redemption.c.code_id)
    )
    sums = {row[0]: row for row in connection.execute(statement)}
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


def _newest(org_id: int, code_id: str, before: str, count: int) -> Select[Any]:
    statement = (
        select(_redemption.c.id)
        .where(_redemption.c.org_id == org_id, _redemption.c.code_id == code_id, _HAS_CODE)
        .order_by(_redemption.c.id.desc())
        .limit(count)
    )
    return statement.where(_redemption.c.id < before) if before else statement


def _records(matched: Matched) -> Select[Any]:
    org_id = _redemption.c.org_id
    return (
        select(
            _redemption.c.id,
            _redemption.c.line_id,
            _redemption.c.promotion_id,
            _promotion.c.name,
            _promotion.c.message_label,
            _promotion.c.mode,
            _redemption.c.code_id,
            _redemption.c.earned_promotion_id,
            _transaction.c.customer_id,
            _transaction.c.transaction_at_ms,
            _transaction.c.transaction_identifier,
            _transaction.c.transaction_number,
            _transaction.c.amount_micros.label("transaction_amount"),
            _transaction.c.cart_evaluation_id,
            _transaction.c.till_id,
            _redemption.c.discount_micros,
            _redemption.c.redemption_count,
            _redemption.c.amount_micros,
            _redemption.c.sku,
            _product.c.id.label("product_id"),
            _redemption.c.discount_quantity_micros,
            _redemption.c.promotion_quantity_micros,
            _redemption.c.over_limit,
            _redemption.c.earned_by_other_customer,
            _reversed.c.reversal_id,
            _reversal.c.reason,
            _reversal.c.recorded_at_ms.label("reversed_at_ms"),
            _reversed.c.returned,
        )
        .select_from(
            matched.source.join(
                _transaction,
                (_transaction.c.org_id == org_id)
                & (_transaction.c.id == _redemption.c.transaction_id),
            )
            .join(
                _promotion,
                (_promotion.c.org_id == org_id) & (_promotion.c.id == _redemption.c.promotion_id),
            )
            .outerjoin(
                _product, (_product.c.org_id == org_id) & (_product.c.sku == _redemption.c.sku)
            )
            .outerjoin(_reversed, _is_reversed(org_id))
            .outerjoin(
                _reversal,
                (_reversal.c.org_id == org_id) & (_reversal.c.id == _reversed.c.reversal_id),
            )
        )
        .order_by(_redemption.c.id.desc())
    )


_RECORDS = Search([_redemption.c.id], _records)


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


def _is_reversed(org_id: int | ColumnElement[int]) -> ColumnElement[bool]:
    return and_(
        _reversed.c.org_id == org_id,
        _reversed.c.kind == int(RecordKind.PROMOTION_REDEMPTION),
        _reversed.c.record_id == _redemption.c.id,
    )
