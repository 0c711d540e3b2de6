"""The fields of the requests: which of them name something of an organisation, and what."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from tests.access.apart.answers import NOTHING
from tests.access.apart.names import BOTHS, Names
from tests.access.apart.requests import (
    FORMS,
    RPCS,
    Build,
    Form,
    create_coupon_series,
    import_coupons,
    import_in_place,
    issue_new_coupon,
    put,
    update_coupon_series,
    update_some_fields,
)

NO_CUSTOMER, INVALID = "CUSTOMER_NOT_FOUND", "FIELD_INVALID"
NO_CODE, NO_SERIES, NO_REDEMPTION = "CODE_NOT_FOUND", "SERIES_NOT_FOUND", "REDEMPTION_NOT_FOUND"


class Naming(NamedTuple):
    """A field that names something: what, what we are told, what they are told of the same.

    `beside` replaces other fields of the same message, so that this one counts. A row for `only`
    some forms of requests holds for these in place of the rows for all.
    """

    field: str
    thing: str
    us: str = ""
    them: str = ""
    beside: Mapping[str, Any] = {}
    only: tuple[Build, ...] = ()


def pair(kind: str, thing: str) -> Naming:
    beside = {"customer_id": None, "customer_identifier_type": kind}
    return Naming(
        "RedeemPromotionsRequest.customer_identifier_value", thing, NO_CUSTOMER, "", beside
    )


def of_boths(field: str, thing: str, us: str) -> Naming:
    """What belongs to the promotion that both have, and of which we have less."""
    return Naming(f"PromotionUse.{field}", thing, us, "", {"promotion_id": BOTHS["promotion"]})


def alone(thing: str) -> Naming:
    return Naming(f"CouponCustomer.{thing}", thing, NO_CUSTOMER, "", {"customer_id": None})


def of_no_use_in_a_series(field: str, thing: str) -> Iterator[Naming]:
    """Series are changed without their coupons: refused, or left out of what is to change."""
    yield Naming(f"Coupon.{field}", thing, INVALID, INVALID, only=WHOLE_SERIES)
    yield Naming(f"Coupon.{field}", thing, only=(update_some_fields,))


IMPORTS = (import_coupons, import_in_place)
UPDATES = (update_coupon_series, update_some_fields)
WHOLE_SERIES = (create_coupon_series, update_coupon_series)
NAMING = (
    Naming("RedeemPromotionsRequest.customer_id", "customer", NO_CUSTOMER),
    pair("id", "customer_text"),
    pair("mobile", "mobile"),
    pair("email", "email"),
    pair("externalId", "external_id"),
    pair("cardNumber", "card_number"),
    pair("cardExternalId", "card_external_id"),
    Naming("RedeemPromotionsRequest.transaction_identifier", "transaction", "", "REPLAYED"),
    Naming("RedeemPromotionsRequest.transaction_number", "bill"),
    Naming("RedeemPromotionsRequest.cart_evaluation_id", "evaluation"),
    Naming("PromotionUse.sku", "sku"),
    Naming("PromotionUse.promotion_id", "promotion", "PROMOTION_NOT_FOUND"),
    Naming("PromotionUse.earned_promotion_id", "earned", "EARNED_PROMOTION_NOT_FOUND"),
    Naming("PromotionUse.promo_code", "code", NO_CODE),
    of_boths("earned_promotion_id", "more_earned", "EARNED_PROMOTION_NOT_FOUND"),
    of_boths("promo_code", "more_code", NO_CODE),
    Naming("ListPromotionRedemptionsRequest.codes", "code", "MISSING"),
    # Both have that code, so that the token was made for the same query.
    Naming("ListPromotionRedemptionsRequest.page_token", "page_token", INVALID)._replace(
        beside={"codes": BOTHS["code"]}
    ),
    Naming("RedeemCouponsRequest.request_id", "request", "", "REPLAYED"),
    Naming("CouponUse.code", "coupon", NO_CODE),
    Naming("CouponUse.validation_code", "validation_code", "VALIDATION_CODE_WRONG"),
    Naming("CouponCustomer.customer_id", "customer", NO_CUSTOMER),
    *map(alone, ("mobile", "email", "external_id", "card_number", "card_external_id")),
    Naming("CouponTransaction.number", "bill"),
    Naming("GetOutcomeRequest.transaction_identifier", "transaction", "NOT_RECORDED", "RECORDED"),
    Naming("GetOutcomeRequest.request_id", "request", "NOT_RECORDED", "RECORDED"),
    Naming("GetOutcomeRequest.reversal_request_id", "reversal", "NOT_RECORDED", "RECORDED"),
    Naming("ReverseRedemptionRequest.transaction_identifier", "sold", NO_REDEMPTION),
    Naming("ReverseRedemptionRequest.redemption_ids", "use", NO_REDEMPTION),
    Naming("CouponRedemptionIds.redemption_ids", "coupon_redemption", NO_REDEMPTION),
    # They reversed something else under that key.
    Naming("ReverseRedemptionRequest.request_id", "reversal", "", "REQUEST_CONFLICT"),
    # They have come further than we, and nothing has happened to them since.
    Naming("WatchRedemptionsRequest.after_sequence", "sequence", INVALID, NOTHING),
    Naming("WatchRedemptionsRequest.promotion_ids", "promotion", NOTHING),
    Naming("WatchRedemptionsRequest.codes", "code", NOTHING),
    Naming("WatchRedemptionsRequest.codes", "coupon", NOTHING),
    Naming("WatchRedemptionsRequest.customer_ids", "customer", NOTHING),
    Naming("GetCouponSeriesRequest.series_id", "series", NO_SERIES),
    Naming("GenerateCouponsRequest.series_id", "series", NO_SERIES),
    # Theirs was begun, and has ended.
    Naming("GenerateCouponsRequest.request_id", "job", "", "DONE"),
    Naming("GetCouponJobRequest.job_id", "job", "JOB_NOT_FOUND", "DONE"),
    Naming("ImportCouponsRequest.series_id", "series", NO_SERIES),
    Naming("ExportCouponsRequest.series_id", "series", NO_SERIES),
    # A place in the order of codes, behind all of ours.
    Naming("ExportCouponsRequest.after_code", "coupon", NOTHING),
    Naming("IssueCouponRequest.code", "coupon", NO_CODE),
    Naming("IssueCouponRequest.series_id", "series", NO_SERIES),
    Naming("IssueCouponRequest.customer_id", "customer", NO_CUSTOMER),
    Naming("IssueCouponRequest.request_id", "issue"),
    # Another customer has theirs.
    Naming("IssueCouponRequest.request_id", "issue", "", "COUPON_ISSUED")._replace(
        only=(issue_new_coupon,)
    ),
    Naming("RevokeCouponRequest.code", "coupon", NO_CODE),
    Naming("GetCouponRequest.code", "coupon", NO_CODE),
    Naming("GenerateTokenRequest.key", "key", "UNAUTHENTICATED"),
    Naming("GenerateTokenRequest.secret", "secret", "UNAUTHENTICATED"),
    # What we define under their ids becomes ours; what we refer to must be ours already. They are
    # refused what they have already.
    Naming("Organization.id", "org", "PERMISSION_DENIED"),
    Naming("Till.id", "till", "", INVALID),
    Naming("Till.code", "till_code", "", INVALID),
    Naming("Credential.secret", "secret", "", "", {"secret_hash": None}),
    Naming("Credential.secret_hash", "secret_hash"),
    Naming("Credential.till", "till_code", INVALID),
    Naming("Product.id", "product"),
    Naming("Product.sku", "sku", "", INVALID),
    Naming("Customer.id", "customer"),
    Naming("Customer.mobile", "mobile", "", INVALID),
    Naming("Customer.email", "email", "", INVALID),
    Naming("Customer.external_id", "external_id", "", INVALID),
    Naming("Customer.card_number", "card_number", "", INVALID),
    Naming("Customer.card_external_id", "card_external_id", "", INVALID),
    Naming("Promotion.id", "promotion"),
    Naming("PromotionCode.id", "code_id", "", INVALID),
    Naming("PromotionCode.code", "code", "", INVALID),
    Naming("PromotionCode.customer", "customer", INVALID),
    Naming("EarnedPromotion.id", "earned"),
    Naming("EarnedPromotion.promotion", "promotion", INVALID),
    Naming("EarnedPromotion.customer", "customer", INVALID),
    Naming("CouponSeries.id", "series"),
    Naming("CouponSeries.id", "series", "", "SERIES_EXISTS", only=(create_coupon_series,)),
    Naming("CouponSeries.id", "series", NO_SERIES, only=UPDATES),
    Naming("CouponSeries.discount_code", "discount_code"),
    Naming("CouponSeries.tills", "till_code", INVALID),
    Naming("Coupon.code", "coupon", "", INVALID),
    Naming("Coupon.customer", "customer", INVALID),
    Naming("Coupon.validation_code", "validation_code"),
    # What is there already may be imported again.
    Naming("Coupon.code", "coupon", only=IMPORTS),
    Naming("Coupon.customer", "customer", "BAD_COUPONS", only=IMPORTS),
    *of_no_use_in_a_series("code", "coupon"),
    *of_no_use_in_a_series("customer", "customer"),
    *of_no_use_in_a_series("validation_code", "validation_code"),
    Naming("Webhook.id", "webhook"),
    Naming("Webhook.url", "webhook_url"),
    Naming("Webhook.secret", "webhook_secret"),
)
KEY_OF_CREDENTIAL = "Credential.key"
"""Unique in the installation, hence a test of its own."""
NOT_NAMING = {
    "google.protobuf.FieldMask": "paths",
    "google.protobuf.Timestamp": "seconds nanos",
    "google.type.Decimal": "value",
    "RedeemPromotionsRequest": "customer_identifier_type validate_only",
    "PromotionUse": "redemption_count",
    "ListPromotionRedemptionsRequest": "mode include_redemptions page_size",
    "RedeemCouponsRequest": "atomic validate_only",
    "ValidateCouponsRequest": "atomic",
    "GenerateCouponsRequest": "count length prefix suffix",
    "ImportCouponsRequest": "skip_bad replace",
    "ReverseRedemptionRequest": "reason note",
    "CustomField": "name value",
    "Organization": "name region time_zone redemption_without_evaluation "
    "check_earned_promotion_owner rate_limit_per_minute",
    "Credential": "active",
    "Access": "customer default admin",
    "Customer": "status",
    "CountLimit": "limit window",
    "AmountLimit": "window",
    "PromotionCode": "active",
    "ReversalPolicy": "reason code customer budget",
    "Promotion": "name message_label mode active over_limit",
    "EarnedPromotion": "status",
    "Coupon": "revoked",
    "Webhook": "events every_coupon active",
    "CouponSeries": "description discount_type any_user validation_required "
    "transaction_number_required max_redemptions max_redemptions_per_coupon "
    "max_redemptions_per_customer same_customer_may_repeat min_days_between_redemptions "
    "redeemable_after_days redeemable_days_of_week redeemable_days_of_month redeemable_hours",
}
HEADERS = (
    # Tried by every RPC.
    Naming("x-cap-api-auth-org-id", "org", "PERMISSION_DENIED"),
    Naming("x-cap-api-attribution-till-code", "more_till_code", INVALID),
)
# Have tests of their own.
CREDENTIAL_HEADERS = ("authorization", "x-cap-api-oauth-token")


def scalars(message: Descriptor, path: str = "") -> Iterator[tuple[str, FieldDescriptor]]:
    """The scalar fields of a message and of all that it holds, by path."""
    for field in message.fields:
        if field.message_type:
            yield from scalars(field.message_type, f"{path}{field.name}.")
        else:
            yield path + field.name, field


def title(field: FieldDescriptor) -> str:
    """`Message.field`."""
    return str(field.full_name).removeprefix("redemption.v1.")


class Case(NamedTuple):
    """A field of a form of request that names something."""

    form: Form
    path: str
    naming: Naming

    @property
    def id(self) -> str:
        return f"{self.form.build.__name__}:{self.path}:{self.naming.thing}"


def namings_of(field: FieldDescriptor, form: Form) -> list[Naming]:
    """The rows for a field in a form: its own, else those for all."""
    rows = [naming for naming in NAMING if naming.field == title(field)]
    own = [naming for naming in rows if form.build in naming.only]
    return own or [naming for naming in rows if not naming.only]


CASES = [
    Case(form, path, naming)
    for form in FORMS
    for path, field in scalars(RPCS[form.rpc].input_type)
    for naming in namings_of(field, form)
]


def request_for(case: Case, own: Names, value: Any) -> Message:
    """The request of somebody, with a value in the field of the case."""
    message = case.form.build(own)
    parent = case.path.rpartition(".")[0]
    for name, beside in case.naming.beside.items():
        put(message, f"{parent}.{name}".lstrip("."), beside)
    put(message, case.path, value)
    return message
