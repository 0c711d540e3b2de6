"""Idempotency keys against records and recorded answers."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, exists, func, select, tuple_

from redemption_server.rules.facts import Operation
from redemption_server.storage.answers import unpack_results
from redemption_server.storage.dialect import table_of
from redemption_server.storage.record_tables import (
    ClaimRow,
    CouponRedemptionRow,
    PromotionTransactionRow,
    ReversalRow,
)
from redemption_server.storage.retention import pruned
from redemption_server.storage.verify.findings import FINDINGS_MAX, Finding, FindingKind
from redemption_server.storage.verify.known import known

_claim = table_of(ClaimRow)
_transaction = table_of(PromotionTransactionRow)
_coupon = table_of(CouponRedemptionRow)
_reversal = table_of(ReversalRow)
_PAGE = 2_000
_PROMOTIONS = int(Operation.REDEEM_PROMOTIONS)
_OF_COUPONS = (int(Operation.REDEEM_COUPONS), int(Operation.REDEEM_COUPONS_ONCE))
_REVERSALS = int(Operation.REVERSE_REDEMPTION)


def promotion_keys(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Each transaction has its key, each key its one transaction."""
    of_org = (_claim.c.org_id == org_id, _transaction.c.org_id == org_id)
    same = (_claim.c.operation == _PROMOTIONS) & (
        _claim.c.key == _transaction.c.transaction_identifier
    )
    keys = select(_claim.c.key).where(
        of_org[0],
        _claim.c.operation == _PROMOTIONS,
        ~exists().where(of_org[1], same).correlate(_claim),
    )
    for (key,) in connection.execute(keys.limit(FINDINGS_MAX)):
        text = "the key is taken, no transaction is recorded under it"
        yield Finding(FindingKind.KEY_WITHOUT_RECORD, f"transactions/{key}", text)
    records = select(_transaction.c.transaction_identifier).where(
        of_org[1], ~exists().where(of_org[0], same).correlate(_transaction)
    )
    for (key,) in connection.execute(records.limit(FINDINGS_MAX)):
        text = "the transaction is recorded, its key is free"
        yield Finding(FindingKind.RECORD_WITHOUT_KEY, f"transactions/{key}", text)
    identifier = _transaction.c.transaction_identifier
    repeated = (
        select(identifier, func.count())
        .where(of_org[1])
        .group_by(identifier)
        .having(func.count() > 1)
    )
    for key, count in connection.execute(repeated.limit(FINDINGS_MAX)):
        text = f"{count} transactions are recorded under the key"
        yield Finding(FindingKind.KEY_REPEATED, f"transactions/{key}", text)


def coupon_keys(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Each coupon redemption is named by the recorded answer under its key, and the reverse."""
    kept_from = pruned(connection, org_id).answers_before_ms
    without_key = select(_coupon.c.id, _coupon.c.claim_key).where(
        _coupon.c.org_id == org_id,
        _coupon.c.redeemed_at_ms >= kept_from,
        ~exists()
        .where(
            _claim.c.org_id == org_id,
            _claim.c.operation == _coupon.c.claim_operation,
            _claim.c.key == _coupon.c.claim_key,
        )
        .correlate(_coupon),
    )
    for redemption_id, key in connection.execute(without_key.limit(FINDINGS_MAX)):
        text = f"the redemption is recorded, its key {key} is free"
        yield Finding(FindingKind.RECORD_WITHOUT_KEY, f"couponRedemptions/{redemption_id}", text)
    for page in _pages(connection, org_id):
        recorded = _recorded(connection, org_id, page, kept_from)
        for claim in page:
            yield from _check_answer(claim, recorded[claim.operation, claim.key])


def reversal_keys(connection: Connection, org_id: int) -> Iterator[Finding]:
    """Each reversal has its key, each key its one reversal."""
    of_org = (_claim.c.org_id == org_id, _claim.c.operation == _REVERSALS)
    of_reversals = _reversal.c.org_id == org_id
    claimed = known(select(_reversal.c.claim_key).where(of_reversals))
    keys = (
        select(_claim.c.key)
        .select_from(_claim.outerjoin(claimed, claimed.c[0] == _claim.c.key))
        .where(*of_org, claimed.c[0].is_(None))
    )
    for (key,) in connection.execute(keys.limit(FINDINGS_MAX)):
        text = "the key is taken, no reversal is recorded under it"
        yield Finding(FindingKind.KEY_WITHOUT_RECORD, f"reversals/{key}", text)
    records = select(_reversal.c.claim_key).where(
        of_reversals,
        _reversal.c.recorded_at_ms >= pruned(connection, org_id).answers_before_ms,
        ~exists().where(*of_org, _claim.c.key == _reversal.c.claim_key).correlate(_reversal),
    )
    for (key,) in connection.execute(records.limit(FINDINGS_MAX)):
        text = "the reversal is recorded, its key is free"
        yield Finding(FindingKind.RECORD_WITHOUT_KEY, f"reversals/{key}", text)


def _pages(connection: Connection, org_id: int) -> Iterator[list[Row[Any]]]:
    position = tuple_(_claim.c.operation, _claim.c.key)
    after: tuple[int, str] = (_PROMOTIONS, "")
    while True:
        page = connection.execute(
            select(_claim)
            .where(_claim.c.org_id == org_id, _claim.c.operation.in_(_OF_COUPONS), position > after)
            .order_by(_claim.c.operation, _claim.c.key)
            .limit(_PAGE)
        ).all()
        if not page:
            return
        yield list(page)
        after = (page[-1].operation, page[-1].key)


def _recorded(
    connection: Connection, org_id: int, page: list[Row[Any]], kept_from: int
) -> dict[tuple[int, str], set[int]]:
    """The redemptions recorded under the keys of a page.

    Without those of an earlier request under the same key, whose answer has been pruned.
    """
    first, last = page[0], page[-1]
    claimed_at_ms = {(claim.operation, claim.key): claim.claimed_at_ms for claim in page}
    position = tuple_(_coupon.c.claim_operation, _coupon.c.claim_key)
    found: dict[tuple[int, str], set[int]] = defaultdict(set)
    statement = select(
        _coupon.c.id, _coupon.c.claim_operation, _coupon.c.claim_key, _coupon.c.redeemed_at_ms
    ).where(
        _coupon.c.org_id == org_id,
        position >= (first.operation, first.key),
        position <= (last.operation, last.key),
    )
    for redemption_id, operation, key, redeemed_at_ms in connection.execute(statement):
        if redeemed_at_ms >= min(kept_from, claimed_at_ms.get((operation, key), 0)):
            found[operation, key].add(redemption_id)
    return found


def _check_answer(claim: Row[Any], recorded: set[int]) -> Iterator[Finding]:
    subject = f"requests/{claim.key}"
    if not recorded:
        text = "the key is taken, no redemption is recorded under it"
        yield Finding(FindingKind.KEY_WITHOUT_RECORD, subject, text)
        return
    answered = _answered(claim)
    if answered is None:
        text = f"the answer cannot be read, recorded are {sorted(recorded)}"
        yield Finding(FindingKind.ANSWER_WRONG, subject, text)
    elif answered != recorded:
        text = f"the answer names redemptions {sorted(answered)}, recorded are {sorted(recorded)}"
        yield Finding(FindingKind.ANSWER_WRONG, subject, text)


def _answered(claim: Row[Any]) -> set[int] | None:
    """The redemptions that the recorded answer names, None when it cannot be read."""
    if claim.answer is None:
        return set()
    try:
        results = unpack_results(claim.content, claim.answer).results
    except (ValueError, TypeError, IndexError):
        return None
    return {r.redemption.redemption_id for r in results if r.redemption}
