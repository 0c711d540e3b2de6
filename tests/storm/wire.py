"""What a storm sends and is told, as messages."""

from datetime import UTC
from decimal import Decimal as Number

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from google.type.decimal_pb2 import Decimal
from redemption.v1.coupon_redemption_pb2 import (
    CouponCustomer,
    CouponResult,
    CouponTransaction,
    CouponUse,
)
from redemption.v1.coupon_redemption_service_pb2 import (
    RedeemCouponsRequest,
    RedeemCouponsResponse,
)
from redemption.v1.promotion_redemption_pb2 import PromotionUse
from redemption.v1.promotion_redemption_service_pb2 import (
    RedeemPromotionsRequest,
    RedeemPromotionsResponse,
)
from redemption_server.rules.normal import fold

from tests.storm.demand import Content, Key
from tests.storm.limits import MICROS, Coupon, Sale, Use
from tests.support.service import error_info

Request = RedeemPromotionsRequest | RedeemCouponsRequest
Response = RedeemPromotionsResponse | RedeemCouponsResponse
_ONE = Decimal(value="1")


def request_of(key: Key, content: Content) -> Request:
    """The request that sends a content under a key."""
    if isinstance(content, Sale):
        return RedeemPromotionsRequest(
            customer_id=content.customer_id,
            transaction_identifier=key.text,
            transaction_number="bill-1",
            transaction_date=Timestamp(seconds=int(content.at.timestamp())),
            amount=_decimal(content.amount),
            line_items=[_promotion_use(use) for use in content.uses if use.on_line],
            redemptions=[_promotion_use(use) for use in content.uses if not use.on_line],
        )
    transaction = CouponTransaction(number=content.transaction_number)
    return RedeemCouponsRequest(
        request_id=key.text,
        atomic=content.atomic,
        coupons=[
            CouponUse(
                # Case does not matter: what is sent is never spelled like what is stored.
                code=coupon.code_key.upper(),
                customer=CouponCustomer(customer_id=coupon.customer_id),
                transaction=transaction,
            )
            for coupon in content.coupons
        ],
    )


def refusal_in(response: Response) -> str:
    """Why a response redeems nothing; empty when it redeems something."""
    if isinstance(response, RedeemPromotionsResponse) or redeemed_in(response):
        return ""
    reasons = [reason_of(result.error) for result in response.results]
    return next((reason for reason in reasons if reason != "BATCH_FAILED"), "BATCH_FAILED")


def reason_of(status: Status) -> str:
    """The reason in a status."""
    return str(error_info(status).reason)


def told_sale(response: RedeemPromotionsResponse) -> tuple[int, str, Sale]:
    """Organisation, transaction identifier and sale that a response speaks of."""
    uses = [
        *(_use(use, on_line=True) for use in response.line_items),
        *(_use(use, on_line=False) for use in response.redemptions),
    ]
    at = response.transaction_date.ToDatetime(UTC)
    sale = Sale(response.customer_id, at, _micros(response.amount), tuple(uses))
    return response.org_id, response.transaction_identifier, sale


def told_coupons(response: RedeemCouponsResponse) -> tuple[Coupon, ...]:
    """The coupons that a response speaks of."""
    return tuple(_coupon(result) for result in response.results)


def fingerprint(response: Response) -> bytes:
    """What a response says, apart from whether it is a replay: equal for equal answers."""
    response.replayed = False
    if isinstance(response, RedeemCouponsResponse):
        for result in response.results:
            for packed in result.error.details:
                # Details travel as bytes, in which the order of a map is left to chance.
                info = ErrorInfo()
                if packed.Unpack(info):
                    packed.Pack(info, deterministic=True)
    return response.SerializeToString(deterministic=True)


def redeemed_in(response: RedeemCouponsResponse) -> dict[int, Coupon]:
    """The coupons that were redeemed, by redemption id."""
    return {
        result.redemption.redemption_id: _coupon(result)
        for result in response.results
        if result.HasField("redemption")
    }


def failed_in(response: RedeemCouponsResponse) -> list[Coupon]:
    """The coupons that were not redeemed."""
    return [_coupon(result) for result in response.results if result.HasField("error")]


def _promotion_use(use: Use) -> PromotionUse:
    return PromotionUse(
        promotion_id=use.promotion_id,
        redemption_count=use.redemption_count,
        discount=_decimal(use.discount),
        discount_applied_on_quantity=_ONE,
        promotion_applied_on_quantity=_ONE,
        promo_code=use.code_id.upper(),
        earned_promotion_id=use.earned_promotion_id,
    )


def _use(use: PromotionUse, *, on_line: bool) -> Use:
    return Use(
        use.promotion_id,
        use.redemption_count,
        _micros(use.discount),
        use.promo_code.lower(),
        use.earned_promotion_id,
        on_line,
    )


def _coupon(result: CouponResult) -> Coupon:
    return Coupon(fold(result.code), result.customer.customer_id)


def _decimal(micros: int) -> Decimal:
    return Decimal(value=f"{Number(micros).scaleb(-6):f}")


def _micros(decimal: Decimal) -> int:
    return int(Number(decimal.value) * MICROS)
