"""Records of redemptions: written by the batch, read again to answer a replay."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, select

from redemption_server.rules.commands import Caller, PromotionUse, RedeemPromotions
from redemption_server.rules.facts import Operation, RequestKey
from redemption_server.rules.identity import promotion_identifier
from redemption_server.rules.outcomes import (
    CouponRecord,
    RecordedTransaction,
    RecordedUse,
)
from redemption_server.storage.dialect import Search, insert_returning, insert_rows, table_of
from redemption_server.storage.instants import from_ms, to_ms
from redemption_server.storage.record_tables import (
    CouponRedemptionRow,
    EventRow,
    EventSequenceRow,
    PromotionRedemptionRow,
    PromotionTransactionRow,
)

_transaction = table_of(PromotionTransactionRow)
_redemption = table_of(PromotionRedemptionRow)
_coupon_redemption = table_of(CouponRedemptionRow)
_event = table_of(EventRow)
_event_sequence = table_of(EventSequenceRow)

_TRANSACTIONS = Search(
    [_transaction.c.transaction_identifier],
    lambda found: select(_transaction).select_from(found.source),
)
_USES = Search(
    [_redemption.c.transaction_id],
    lambda found: select(_redemption).select_from(found.source).order_by(_redemption.c.id),
)
_ADD_TO_SEQUENCE = "ON CONFLICT (org_id) DO UPDATE SET last = event_sequence.last + excluded.last"


class EventKind(IntEnum):
    """What happened. The numbers are stored; never reuse one."""

    PROMOTION_REDEEMED = 1
    COUPON_REDEEMED = 2
    PROMOTION_REVERSED = 3
    COUPON_REVERSED = 4
    # In a request with several coupons, for which no `CouponRedeemed` fires by itself.
    COUPON_REDEEMED_AMONG_OTHERS = 5


def write_transactions(
    connection: Connection, org_id: int, transactions: Sequence[RecordedTransaction]
) -> None:
    """Adds transactions and their uses."""
    insert_rows(connection, _transaction, [_transaction_row(org_id, t) for t in transactions])
    uses = [_use_row(org_id, t.id, use) for t in transactions for use in t.uses]
    insert_rows(connection, _redemption, uses)


def write_coupons(
    connection: Connection,
    org_id: int,
    records: Iterable[tuple[Caller, RequestKey, CouponRecord]],
) -> None:
    """Adds coupon redemptions."""
    rows = [_coupon_row(org_id, caller, key, record) for caller, key, record in records]
    insert_rows(connection, _coupon_redemption, rows)


def write_events(
    connection: Connection, org_id: int, happened: Sequence[tuple[EventKind, str]], now: datetime
) -> None:
    """Numbers and adds events. Comes last: commits of an organisation queue up only here."""
    if not happened:
        return
    ((last,),) = insert_returning(
        connection, _event_sequence, [(org_id, len(happened))], _ADD_TO_SEQUENCE, "last"
    )
    first, now_ms = last - len(happened) + 1, to_ms(now)
    rows = [
        (org_id, first + i, int(kind), record_id, now_ms)
        for i, (kind, record_id) in enumerate(happened)
    ]
    insert_rows(connection, _event, rows)


def load_transactions(
    connection: Connection, org_id: int, identifiers: Sequence[str], region: str
) -> dict[RequestKey, RecordedTransaction]:
    """The recorded transactions among the identifiers, with their uses in request order."""
    if not identifiers:
        return {}
    rows = _TRANSACTIONS.run_for(connection, org_id, identifiers).mappings()
    transactions = {row["id"]: row for row in rows}
    uses: dict[str, list[RowMapping]] = {transaction_id: [] for transaction_id in transactions}
    for row in _USES.run_for(connection, org_id, transactions).mappings():
        uses[row["transaction_id"]].append(row)
    return {
        RequestKey(Operation.REDEEM_PROMOTIONS, row["transaction_identifier"]): _recorded(
            row, uses[row["id"]], region
        )
        for row in transactions.values()
    }


def _transaction_row(org_id: int, recorded: RecordedTransaction) -> tuple[Any, ...]:
    request = recorded.request
    return (
        org_id,
        recorded.id,
        request.transaction_identifier,
        request.transaction_number,
        to_ms(request.transaction_date),
        request.amount,
        request.cart_evaluation_id,
        recorded.customer_id,
        request.customer_id,
        request.customer_identifier_type,
        request.customer_identifier_value,
        request.caller.till_id,
        request.caller.credential_key,
        to_ms(recorded.recorded_at),
    )


def _use_row(org_id: int, transaction_id: str, recorded: RecordedUse) -> tuple[Any, ...]:
    use = recorded.use
    return (
        org_id,
        recorded.id,
        transaction_id,
        recorded.line_id,
        use.promotion_id,
        use.earned_promotion_id,
        recorded.code_id,
        use.promo_code,
        use.sku,
        use.redemption_count,
        use.discount,
        use.discount_applied_on_quantity,
        use.promotion_applied_on_quantity,
        use.amount,
        recorded.over_limit,
        recorded.earned_by_other_customer,
    )


def _coupon_row(
    org_id: int, caller: Caller, key: RequestKey, record: CouponRecord
) -> tuple[Any, ...]:
    redemption = record.result.redemption
    assert redemption is not None
    return (
        org_id,
        redemption.redemption_id,
        record.code_key,
        redemption.series_id,
        record.customer_id,
        redemption.discount_code,
        redemption.discount_type.value,
        redemption.discount_value,
        redemption.discount_up_to,
        record.result.transaction_number,
        record.amount,
        orjson.dumps(record.custom_fields).decode(),
        int(key.operation),
        key.key,
        caller.till_id,
        caller.credential_key,
        to_ms(redemption.redeemed_at),
    )


def _recorded(row: RowMapping, uses: list[RowMapping], region: str) -> RecordedTransaction:
    request = RedeemPromotions(
        caller=Caller(row["org_id"], row["credential_key"], row["till_id"], ""),
        customer_id=row["customer_id_sent"],
        customer_identifier_type=row["customer_identifier_type"],
        customer_identifier_value=row["customer_identifier_value"],
        identifier=promotion_identifier(
            row["customer_id_sent"],
            row["customer_identifier_type"],
            row["customer_identifier_value"],
            region,
        ),
        transaction_identifier=row["transaction_identifier"],
        transaction_number=row["transaction_number"],
        transaction_date=from_ms(row["transaction_at_ms"]),
        amount=row["amount_micros"],
        cart_evaluation_id=row["cart_evaluation_id"],
        line_items=tuple(_use(use) for use in uses if use["line_id"] is not None),
        redemptions=tuple(_use(use) for use in uses if use["line_id"] is None),
    )
    recorded_at = from_ms(row["recorded_at_ms"])
    return RecordedTransaction(row["id"], request, row["customer_id"], recorded_at, ())


def _use(row: RowMapping) -> PromotionUse:
    return PromotionUse(
        sku=row["sku"],
        promotion_id=row["promotion_id"],
        earned_promotion_id=row["earned_promotion_id"],
        promo_code=row["promo_code_sent"],
        redemption_count=row["redemption_count"],
        discount=row["discount_micros"],
        discount_applied_on_quantity=row["discount_quantity_micros"],
        promotion_applied_on_quantity=row["promotion_quantity_micros"],
        amount=row["amount_micros"],
    )
