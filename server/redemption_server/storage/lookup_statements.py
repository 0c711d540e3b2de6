"""The statements of lookups by code, built once. Each is bounded, whatever a code has seen."""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    select,
    union_all,
)

from redemption_server.rules.facts import RecordKind
from redemption_server.storage.catalog_tables import (
    OrganizationRow,
    ProductRow,
    PromotionCodeRow,
    PromotionRow,
)
from redemption_server.storage.dialect import Matched, Search, table_of
from redemption_server.storage.record_tables import (
    PromotionRedemptionRow,
    PromotionTransactionRow,
    ReversalRow,
    ReversedRecordRow,
)
from redemption_server.storage.sums import sum_parts

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

ORGANIZATION = select(_organization).where(_organization.c.id == bindparam("org_id"))
_OF_ORGANIZATION = _redemption.c.org_id == bindparam("org_id")
_COUNT = bindparam("count", type_=Integer)
# Most lookups are of one code; clients that send more send as many each time.
_NEWEST_MAX = 16


@lru_cache(maxsize=_NEWEST_MAX)
def newest(codes: int, *, onwards: bool) -> Select[Any]:
    """Ids of the newest records of so many codes, `onwards` from an id.

    One bounded walk down the index for each code, instead of sorting all that codes ever saw.
    """
    parts = []
    for i in range(codes):
        of_code = _redemption.c.code_id == bindparam(f"code_id_{i}")
        part = select(_redemption.c.id).where(_OF_ORGANIZATION, of_code, _HAS_CODE)
        if onwards:
            part = part.where(_redemption.c.id < bindparam("before"))
        walk = part.order_by(_redemption.c.id.desc()).limit(_COUNT).subquery()
        parts.append(select(walk.c.id))
    ids = union_all(*parts).subquery()
    return select(ids.c.id).order_by(ids.c.id.desc()).limit(_COUNT)


def _codes_of_mode(matched: Matched) -> Select[Any]:
    source = matched.source.join(
        _promotion,
        (_promotion.c.org_id == _code.c.org_id) & (_promotion.c.id == _code.c.promotion_id),
    )
    columns = (_code.c.id, _code.c.code_key, _code.c.code, _code.c.promotion_id, _promotion.c.name)
    return select(*columns).select_from(source).where(_promotion.c.mode == bindparam("mode"))


def _redeemed_codes(matched: Matched) -> Select[Any]:
    of_code = (
        _redemption.c.org_id == _code.c.org_id,
        _redemption.c.code_id == _code.c.id,
        _HAS_CODE,
    )
    return select(_code.c.id).select_from(matched.source).where(exists().where(*of_code))


def _sums(matched: Matched) -> Select[Any]:
    stands = _reversed.c.reversal_id.is_(None)
    return (
        select(
            _redemption.c.code_id,
            func.sum(case((stands, _redemption.c.redemption_count), else_=0)),
            *sum_parts(case((stands, _redemption.c.discount_micros), else_=0)),
        )
        .select_from(matched.source.outerjoin(_reversed, _is_reversed(_redemption.c.org_id)))
        .where(_HAS_CODE)
        .group_by(_redemption.c.code_id)
    )


def _spellings(matched: Matched) -> Select[Any]:
    return select(_code.c.id, _code.c.code).select_from(matched.source)


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


def _is_reversed(org_id: ColumnElement[int]) -> ColumnElement[bool]:
    return and_(
        _reversed.c.org_id == org_id,
        _reversed.c.kind == int(RecordKind.PROMOTION_REDEMPTION),
        _reversed.c.record_id == _redemption.c.id,
    )


CODES_OF_MODE = Search([_code.c.code_key], _codes_of_mode)
"""Codes by their keys, those whose promotion has `mode`."""
REDEEMED_CODES = Search([_code.c.id], _redeemed_codes)
"""Ids of the codes among some that were ever redeemed."""
SPELLINGS = Search([_code.c.id], _spellings)
"""Codes as the catalog spells them, by their ids."""
SUMS = Search([_redemption.c.code_id], _sums)
"""What codes were redeemed for and not reversed, by their ids: uses, and parts of a discount."""
RECORDS = Search([_redemption.c.id], _records)
"""Records by their ids, with the catalog's present names, newest first."""
