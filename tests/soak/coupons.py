"""Requests for coupons, in the words of both doors."""

import json
from typing import NamedTuple

from google.rpc.status_pb2 import Status
from redemption.v1.coupon_redemption_pb2 import CouponCustomer, CouponTransaction, CouponUse
from redemption.v1.coupon_redemption_service_pb2 import RedeemCouponsRequest, RedeemCouponsResponse

from tests.soak.calls import Answer, Ask
from tests.soak.sender import Sender
from tests.support.service import COUPONS, error_info

REDEEM = "/redemption.v1.CouponRedemptionService/RedeemCoupons"
_SUCCESS = 700


class CouponRequest(NamedTuple):
    """Coupons of one customer and one bill, under one key."""

    key: str
    customer_id: int
    codes: tuple[str, ...]
    number: str

    def ask(self, sender: Sender) -> Ask:
        """The request that redeems them."""
        if not sender.by_http:
            return sender.ask_grpc(REDEEM, self.message())
        coupons = [
            {
                "code": code,
                "customer": {"id": self.customer_id},
                "transaction": {"number": self.number},
            }
            for code in self.codes
        ]
        return sender.post(COUPONS, {"root": {"coupon": coupons}}, f"Idempotency-Key: {self.key}")

    def message(self) -> RedeemCouponsRequest:
        """The request as a message."""
        customer = CouponCustomer(customer_id=self.customer_id)
        transaction = CouponTransaction(number=self.number)
        uses = [CouponUse(code=c, customer=customer, transaction=transaction) for c in self.codes]
        return RedeemCouponsRequest(request_id=self.key, coupons=uses)


class Redeemed(NamedTuple):
    """What became of a coupon: its redemption, or why there is none, in the door's own words."""

    code: str
    redemption_id: str
    problem: str


def told_coupons(answer: Answer, *, by_http: bool) -> tuple[tuple[Redeemed, ...], bool]:
    """The coupons that an answer speaks of, and whether it says that it is a repeat."""
    if not by_http:
        response = RedeemCouponsResponse.FromString(answer.body)
        return coupons_in(response), response.replayed
    items = json.loads(answer.body)["response"]["coupons"]["coupon"]
    found = tuple(
        Redeemed(item["code"], item.get("redemption_id", ""), _problem(item["item_status"]["code"]))
        for item in (items if isinstance(items, list) else [items])
    )
    return found, answer.headers.get("Idempotent-Replayed") == "true"


def coupons_in(response: RedeemCouponsResponse) -> tuple[Redeemed, ...]:
    """The coupons that a message speaks of."""
    return tuple(
        Redeemed(result.code, "", _reason(result.error))
        if result.HasField("error")
        else Redeemed(result.code, str(result.redemption.redemption_id), "")
        for result in response.results
    )


def _problem(item_code: int) -> str:
    return "" if item_code == _SUCCESS else str(item_code)


def _reason(status: Status) -> str:
    return str(error_info(status).reason)
