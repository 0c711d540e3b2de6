"""Sales and lookups of them, in the words of both doors."""

import json
from collections.abc import Mapping
from decimal import Decimal as Number
from typing import Any, NamedTuple
from urllib.parse import urlencode

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal
from redemption.v1.promotion_redemption_pb2 import PROMOTION_MODE_DISCOUNT, PromotionUse
from redemption.v1.promotion_redemption_service_pb2 import (
    ListPromotionRedemptionsRequest,
    ListPromotionRedemptionsResponse,
    RedeemPromotionsRequest,
    RedeemPromotionsResponse,
)

from tests.soak.calls import Answer, Ask
from tests.soak.sender import Sender
from tests.support.service import REDEMPTIONS

_SERVICE = "/redemption.v1.PromotionRedemptionService"
REDEEM, LIST = f"{_SERVICE}/RedeemPromotions", f"{_SERVICE}/ListPromotionRedemptions"
_BILL = "bill-1"
_DATE_SECONDS = 1_743_521_508
_ONE = Decimal(value="1")


class Sale(NamedTuple):
    """One use of a promotion; money is in cents."""

    identifier: str
    customer_id: int
    promotion_id: str
    code: str
    times: int
    amount: int
    discount: int

    def ask(self, sender: Sender) -> Ask:
        """The request that redeems it."""
        if sender.by_http:
            return sender.post(REDEMPTIONS, self.body())
        return sender.ask_grpc(REDEEM, self.message())

    def body(self) -> dict[str, Any]:
        """The request as JSON."""
        use = {
            "promotionId": self.promotion_id,
            "promoCode": self.code,
            "redemptionCount": self.times,
            "discount": self.discount / 100,
            "discountAppliedOnQuantity": 1,
            "promotionAppliedOnQuantity": 1,
        }
        return {
            "customerId": self.customer_id,
            "transactionIdentifier": self.identifier,
            "transactionNumber": _BILL,
            "transactionDate": _DATE_SECONDS * 1000,
            "amount": self.amount / 100,
            "redemptions": [use],
        }

    def message(self) -> RedeemPromotionsRequest:
        """The request as a message."""
        use = PromotionUse(
            promotion_id=self.promotion_id,
            promo_code=self.code,
            redemption_count=self.times,
            discount=_decimal(self.discount),
            discount_applied_on_quantity=_ONE,
            promotion_applied_on_quantity=_ONE,
        )
        return RedeemPromotionsRequest(
            customer_id=self.customer_id,
            transaction_identifier=self.identifier,
            transaction_number=_BILL,
            transaction_date=Timestamp(seconds=_DATE_SECONDS),
            amount=_decimal(self.amount),
            redemptions=[use],
        )


class Lookup(NamedTuple):
    """A question for the sales under a code: for each of them, or for their sum."""

    code: str
    each: bool

    def ask(self, sender: Sender) -> Ask:
        """The request that asks it."""
        if sender.by_http:
            query = {"codes": self.code, "mode": "DISCOUNT"}
            query["includeRedemptions"] = "true" if self.each else "false"
            return sender.ask_http("GET", f"{REDEMPTIONS}?{urlencode(query)}")
        message = ListPromotionRedemptionsRequest(
            codes=[self.code], mode=PROMOTION_MODE_DISCOUNT, include_redemptions=self.each
        )
        return sender.ask_grpc(LIST, message)


def told_sale(answer: Answer, *, by_http: bool) -> tuple[Sale, bool]:
    """The sale that an answer speaks of, and whether it says that it is a repeat.

    Neither door is asked for the code: the documented JSON does not show it.
    """
    if not by_http:
        response = RedeemPromotionsResponse.FromString(answer.body)
        return sale_in(response), response.replayed
    data = json.loads(answer.body)["data"]
    (use,) = data["redemptions"]
    sale = Sale(
        data["transactionIdentifier"],
        data["customerId"],
        use["promotionId"],
        "",
        use["redemptionCount"],
        _cents(data["amount"]),
        _cents(use["discount"]),
    )
    return sale, answer.headers.get("Idempotent-Replayed") == "true"


def sale_in(response: RedeemPromotionsResponse) -> Sale:
    """The sale that a message speaks of, without its code."""
    (use,) = response.redemptions
    return Sale(
        response.transaction_identifier,
        response.customer_id,
        use.promotion_id,
        "",
        use.redemption_count,
        _cents(response.amount.value),
        _cents(use.discount.value),
    )


class Found(NamedTuple):
    """What a lookup found: counts by identifier, and their sum, which is all that a summary has."""

    counts: Mapping[str, int]
    total: int


def told_lookup(answer: Answer, *, by_http: bool) -> Found:
    """What an answer to a lookup says."""
    if by_http:
        records = json.loads(answer.body)["data"]
        counts = {r.get("transactionIdentifier", ""): r["redemptionCount"] for r in records}
    else:
        response = ListPromotionRedemptionsResponse.FromString(answer.body)
        counts = {r.transaction_identifier: r.redemption_count for r in response.redemptions}
        counts[""] = sum(summary.redemption_count for summary in response.code_summaries)
    total = sum(counts.values())
    counts.pop("", None)
    return Found(counts, total)


def _decimal(cents: int) -> Decimal:
    return Decimal(value=str(Number(cents).scaleb(-2)))


def _cents(value: object) -> int:
    return int(Number(str(value)).scaleb(2))
