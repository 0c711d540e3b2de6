"""Loads promotions, their codes and earned promotions."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, asc, desc, select

from redemption_server.rules.commands import PromotionUse, RedeemPromotions
from redemption_server.rules.facts import (
    EarnedPromotion,
    EarnedPromotionStatus,
    Facts,
    Limit,
    OverLimit,
    Promotion,
    PromotionCode,
)
from redemption_server.rules.normal import fold
from redemption_server.rules.reversal_policy import Policies, Returned, ReversalReason
from redemption_server.rules.windows import Window
from redemption_server.storage.catalog_tables import (
    EarnedPromotionRow,
    PromotionCodeRow,
    PromotionRow,
)
from redemption_server.storage.dialect import Matched, Search, table_of
from redemption_server.storage.instants import optional_from_ms

_promotion = table_of(PromotionRow)
_code = table_of(PromotionCodeRow)
_earned = table_of(EarnedPromotionRow)


def _with_codes(matched: Matched) -> Select[Any]:
    """Promotions, each with the first and the last of its codes.

    The two ends of an index tell whether there is no code, one or more, without counting what may
    be millions.
    """
    codes = _code.alias()
    ends = [
        select(codes.c.id)
        .where(codes.c.org_id == _promotion.c.org_id, codes.c.promotion_id == _promotion.c.id)
        .order_by(direction(codes.c.customer_id), direction(codes.c.id))
        .limit(1)
        .correlate(_promotion)
        .scalar_subquery()
        for direction in (asc, desc)
    ]
    return select(
        _promotion, ends[0].label("first_code_id"), ends[1].label("last_code_id")
    ).select_from(matched.source)


_PROMOTIONS_WITH_CODES = Search([_promotion.c.id], _with_codes)
_PROMOTIONS = Search([_promotion.c.id], lambda found: select(_promotion).select_from(found.source))
_EARNED = Search([_earned.c.id], lambda found: select(_earned).select_from(found.source))
_CODES = Search([_code.c.code_key], lambda found: select(_code).select_from(found.source))
_CODES_BY_ID = Search([_code.c.id], lambda found: select(_code).select_from(found.source))
_LINKED_CODES = Search(
    [_code.c.promotion_id, _code.c.customer_id],
    lambda found: select(_code).select_from(found.source).where(_code.c.active),
)


def load(connection: Connection, facts: Facts, commands: Sequence[RedeemPromotions]) -> None:
    """Fills in what the uses of the commands refer to; the customers are there already."""
    org_id = facts.organization.id
    uses = [use for command in commands for use in (*command.line_items, *command.redemptions)]
    promotion_ids = sorted({use.promotion_id for use in uses})
    only_code_ids = _load_promotions(connection, facts, promotion_ids)
    _load_codes(connection, facts, uses, only_code_ids)
    # Only promotions that have codes can have one that is linked to the customer.
    pairs = {
        pair for command in commands for pair in _pairs(command, facts) if pair[0] in only_code_ids
    }
    _load_linked_codes(connection, facts, sorted(pairs))
    earned_ids = sorted({use.earned_promotion_id for use in uses if use.earned_promotion_id})
    if earned_ids:
        rows = _EARNED.run_for(connection, org_id, earned_ids)
        facts.earned_promotions = {row.id: _earned_of(row) for row in rows}


def load_more(
    connection: Connection, facts: Facts, promotion_ids: set[str], earned_ids: set[str]
) -> None:
    """Adds promotions and earned promotions that are not there yet."""
    org_id = facts.organization.id
    missing = sorted(promotion_ids - facts.promotions.keys())
    if missing:
        rows = _PROMOTIONS.run_for(connection, org_id, missing)
        facts.promotions = {**facts.promotions, **{row.id: promotion_of(row) for row in rows}}
    missing = sorted(earned_ids - facts.earned_promotions.keys())
    if missing:
        rows = _EARNED.run_for(connection, org_id, missing)
        more = {row.id: _earned_of(row) for row in rows}
        facts.earned_promotions = {**facts.earned_promotions, **more}


def _pairs(command: RedeemPromotions, facts: Facts) -> Iterator[tuple[str, int]]:
    """The promotions of a command, each with its customer."""
    customer = facts.customers.get(command.identifier) if command.identifier else None
    if customer:
        for use in (*command.line_items, *command.redemptions):
            yield use.promotion_id, customer.id


def _load_promotions(
    connection: Connection, facts: Facts, promotion_ids: list[str]
) -> dict[str, str | None]:
    """Fills in the promotions; returns, for those with codes, the only code's id or None."""
    org_id = facts.organization.id
    promotions, only_code_ids = {}, {}
    for row in _PROMOTIONS_WITH_CODES.run_for(connection, org_id, promotion_ids):
        promotions[row.id] = promotion_of(row)
        if row.first_code_id is not None:
            only = row.first_code_id == row.last_code_id
            only_code_ids[row.id] = row.first_code_id if only else None
    facts.promotions = promotions
    return only_code_ids


def _load_codes(
    connection: Connection,
    facts: Facts,
    uses: Sequence[PromotionUse],
    only_code_ids: dict[str, str | None],
) -> None:
    org_id = facts.organization.id
    keys = sorted({fold(use.promo_code) for use in uses if use.promo_code})
    if keys:
        rows = _CODES.run_for(connection, org_id, keys)
        facts.codes = {row.code_key: _code_of(row) for row in rows}
    only = sorted(code_id for code_id in only_code_ids.values() if code_id)
    if only:
        rows = _CODES_BY_ID.run_for(connection, org_id, only)
        facts.only_codes = {row.promotion_id: _code_of(row) for row in rows}


def _load_linked_codes(connection: Connection, facts: Facts, pairs: list[tuple[str, int]]) -> None:
    if not pairs:
        return
    linked: dict[tuple[str, int], tuple[PromotionCode, ...]] = {}
    for row in _LINKED_CODES.run(connection, facts.organization.id, pairs):
        key = (row.promotion_id, row.customer_id)
        linked[key] = (*linked.get(key, ()), _code_of(row))
    facts.linked_codes = linked


def promotion_of(row: Row[tuple[object, ...]]) -> Promotion:
    """The promotion in a row of its table."""
    return Promotion(
        id=row.id,
        active=row.active,
        starts_at=optional_from_ms(row.starts_at_ms),
        ends_at=optional_from_ms(row.ends_at_ms),
        over_limit=OverLimit(row.over_limit),
        total=_limit(row.total_limit, row.total_window),
        per_customer=_limit(row.customer_limit, row.customer_window),
        per_code=_limit(row.code_limit),
        per_transaction=_limit(row.transaction_limit),
        discount_total=_limit(row.discount_limit_micros, row.discount_window),
        reversal_policies=policies_of(row.reversal_policies),
    )


def policies_of(text: str) -> Policies:
    """Reversal policies as they are stored."""
    # Most have none, and this is on the way of every batch.
    if text == "[]":
        return {}
    return {ReversalReason(reason): Returned(what) for reason, what in orjson.loads(text)}


def _limit(limit: int | None, window: str = Window.NONE) -> Limit | None:
    return None if limit is None else Limit(limit, Window(window))


def _code_of(row: Row[tuple[object, ...]]) -> PromotionCode:
    return PromotionCode(row.id, row.code, row.promotion_id, row.customer_id, row.active)


def _earned_of(row: Row[tuple[object, ...]]) -> EarnedPromotion:
    return EarnedPromotion(
        row.id, row.promotion_id, row.customer_id, EarnedPromotionStatus(row.status)
    )
