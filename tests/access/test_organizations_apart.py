"""Nothing crosses organisations, whatever ids a caller sends.

Every scalar field of every request either names something of an organisation or does not, and a
table here says which. Each that does is sent by one organisation with the value of another, whose
thing exists and is live: the answer is that for a value which nobody has, it tells nothing of the
other's, and what is stored of the other stays as it is.
"""

import asyncio
import base64
import itertools
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import argon2
import grpc.aio
import pytest
import pytest_asyncio
import structlog
from google.api import annotations_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from redemption.v1 import catalog_service_pb2, token_service_pb2
from redemption.v1 import coupon_redemption_service_pb2 as coupons_pb2
from redemption.v1 import outcome_service_pb2 as outcome_pb2
from redemption.v1 import promotion_redemption_service_pb2 as promotions_pb2
from redemption.v1.ledger_service_pb2 import VerifyLedgerRequest
from redemption.v1.promotion_redemption_pb2 import PROMOTION_MODE_DISCOUNT
from redemption_gateway import headers as gateway_headers
from redemption_gateway.http import REPLAYED, camel_case
from redemption_server.rpc.server import SERVICES
from redemption_server.storage.schema import METADATA
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.support import catalogs
from tests.support.connections import checked_out
from tests.support.databases import ENGINES, Databases
from tests.support.eventually import eventually
from tests.support.service import Service, basic, detail, error_info, run_service, status_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

RPCS = {
    f"{service}/{method.name}": method
    for service in SERVICES
    for method in descriptor_pool.Default().FindServiceByName(service).methods
}
APPLY = "redemption.v1.CatalogService/ApplyCatalog"
COUPONS = "redemption.v1.CouponRedemptionService/RedeemCoupons"
VERIFY = "redemption.v1.LedgerService/VerifyLedger"
OUTCOME = "redemption.v1.OutcomeService/GetOutcome"
LIST = "redemption.v1.PromotionRedemptionService/ListPromotionRedemptions"
REDEEM = "redemption.v1.PromotionRedemptionService/RedeemPromotions"
TOKEN = "redemption.v1.TokenService/GenerateToken"

# What things are called. Whatever somebody has is told from what others have by tag or number.

Names = Mapping[str, Any]
# Cheap to verify: there is no secret to lose here.
HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
TEXTS = (
    "name label till_code key secret sku external_id card_number card_external_id promotion code "
    "code_id earned coupon validation_code discount_code transaction bill evaluation request "
    "more_code more_code_id more_earned more_till_code"
)


def names(tag: str, number: int) -> Names:
    return {
        **{thing: f"{tag}-{thing}" for thing in TEXTS.split()},
        **{thing: number + i for i, thing in enumerate(("org", "till", "product", "series"))},
        "customer": number + 9,
        "customer_text": str(number + 9),
        "mobile": f"91{9_000_000_000 + number}",
        "email": f"{tag}@example.com",
        "secret_hash": HASHER.hash(f"{tag}-secret"),
        "amount": f"{number}.25",
        "count": number // 100,
        "page_token": base64.urlsafe_b64encode(tag.encode().rjust(28)).decode(),
    }


THEIR_TAG = "bravo"
OURS, THEIRS = names("alfa", 410_000), names(THEIR_TAG, 720_000)
NOBODYS, FRESH = names("nobody", 550_000), names("fresh", 910_000)
BOTHS = names("both", 630_000)
"""What exists in both organisations under the same ids, and differs in all else."""


def organization(own: Names, known: Names, **changes: Any) -> dict[str, Any]:
    """An organisation with one of each; what they refer to are `known` things."""
    access = {"customer": "write", "default": True, "admin": True}
    identifiers = ("mobile", "email", "external_id", "card_number", "card_external_id")
    limits = {"redemptions_total": own["org"] * 1_000 + 7, "discount_total": f"{own['org']}987.5"}
    return {
        "id": known["org"],
        "name": own["name"],
        "region": "IN",
        "redemption_without_evaluation": True,
        "rate_limit_per_minute": "unlimited",
        "tills": [{"id": own["till"], "code": own["till_code"]}],
        "credentials": [
            {"key": own["key"], "secret_hash": own["secret_hash"]}
            | {"till": known["till_code"], "access": access}
        ],
        "products": [{"id": own["product"], "sku": own["sku"]}],
        "customers": [{"id": own["customer"], **{name: own[name] for name in identifiers}}],
        "promotions": [
            {"id": own["promotion"], "name": own["name"], "message_label": own["label"]}
            | {"limits": limits, "codes": [{"id": own["code_id"], "code": own["code"]}]}
        ],
        "earned_promotions": [
            {"id": own["earned"], "promotion": known["promotion"], "customer": known["customer"]}
        ],
        "coupon_series": [
            {
                "id": own["series"],
                "description": own["name"],
                "discount_code": own["discount_code"],
                "discount_type": "ABS",
                "discount_value": own["amount"],
                "any_user": True,
                "validation_required": True,
                "max_redemptions_per_coupon": "unlimited",
                "same_customer_may_repeat": True,
                "tills": [known["till_code"]],
                "coupons": [{"code": own["coupon"], "validation_code": own["validation_code"]}],
            }
        ],
        **changes,
    }


def with_boths(own: Names, total: int) -> dict[str, Any]:
    """An organisation that also has what both have; its promotion may be used `total` times.

    Theirs has more of it than ours.
    """
    number = own["org"] + 50
    codes = [{"id": BOTHS["code_id"], "code": BOTHS["code"]}]
    earned = [{"id": BOTHS["earned"], "promotion": BOTHS["promotion"], "customer": number}]
    tills = [{"id": number, "code": BOTHS["till_code"]}]
    if own is THEIRS:
        tills += [{"id": number + 1, "code": own["more_till_code"]}]
        codes += [{"id": own["more_code_id"], "code": own["more_code"]}]
        earned += [{**earned[0], "id": own["more_earned"]}]
    boths: dict[str, list[dict[str, Any]]] = {
        "tills": tills,
        "products": [{"id": number, "sku": BOTHS["sku"]}],
        "customers": [
            {"id": BOTHS["customer"], "external_id": f"{own['external_id']}-too"},
            {"id": number, "mobile": BOTHS["mobile"], "card_number": BOTHS["card_number"]}
            | {"email": BOTHS["email"], "external_id": BOTHS["external_id"]}
            | {"card_external_id": BOTHS["card_external_id"]},
        ],
        "promotions": [
            {"id": BOTHS["promotion"], "name": f"{own['name']} too"}
            | {"limits": {"redemptions_total": total}, "codes": codes}
        ],
        "earned_promotions": earned,
        "coupon_series": [
            {"id": BOTHS["series"], "discount_code": f"{own['discount_code']}-too"}
            | {"discount_type": "ABS", "discount_value": own["amount"], "any_user": True}
            | {"coupons": [{"code": BOTHS["coupon"]}]}
        ],
    }
    whole = organization(own, own)
    whole["credentials"][0]["till"] = BOTHS["till_code"]
    whole["coupon_series"][0]["tills"] = []
    return whole | {kind: whole[kind] + things for kind, things in boths.items()}


# How much of the promotion that both have a transaction uses, and what each may use.
USES = 2 * BOTHS["count"]
OUR_BUDGET, THEIR_BUDGET = 4 * USES, 3 * USES
OUR_CATALOG, THEIR_CATALOG = with_boths(OURS, OUR_BUDGET), with_boths(THEIRS, THEIR_BUDGET)


# The requests. Each is granted to whoever has these names.


def redeem_promotions(own: Names) -> Message:
    use = {
        "sku": own["sku"],
        "promotion_id": own["promotion"],
        "redemption_count": own["count"],
        "discount": {"value": own["amount"]},
        "discount_applied_on_quantity": {"value": "1"},
        "promotion_applied_on_quantity": {"value": "1"},
    }
    return promotions_pb2.RedeemPromotionsRequest(
        customer_id=own["customer"],
        transaction_identifier=own["transaction"],
        transaction_number=own["bill"],
        transaction_date={"seconds": 1_700_000_000},
        amount={"value": "100"},
        cart_evaluation_id=own["evaluation"],
        line_items=[use],
        redemptions=[use],
    )


def redeem_boths(transaction: str = BOTHS["transaction"], *, earned: bool = False) -> Message:
    """Redeems what both have, in the same words whoever sends it."""
    message = redeem_promotions({**BOTHS, "transaction": transaction})
    for uses in ("line_items", "redemptions"):
        put(message, f"{uses}.promo_code", BOTHS["code"])
    if earned:
        put(message, "redemptions.earned_promotion_id", BOTHS["earned"])
    return message


def redeem_coupons(own: Names) -> Message:
    coupon = {
        "code": own["coupon"],
        "customer": {"customer_id": own["customer"]},
        "validation_code": own["validation_code"],
        "transaction": {"number": own["bill"], "amount": {"value": "100"}},
        "custom_fields": [{"name": "gift", "value": "yes"}],
    }
    return coupons_pb2.RedeemCouponsRequest(coupons=[coupon], request_id=own["request"])


def list_promotion_redemptions(own: Names) -> Message:
    return promotions_pb2.ListPromotionRedemptionsRequest(
        codes=[own["code"]], mode=PROMOTION_MODE_DISCOUNT, include_redemptions=True, page_size=1
    )


def get_outcome(own: Names) -> Message:
    return outcome_pb2.GetOutcomeRequest(transaction_identifier=own["transaction"])


def apply_catalog(own: Names) -> Message:
    """Adds one fresh thing of each kind."""
    return catalog_service_pb2.ApplyCatalogRequest(catalog=own["additions"])


def generate_token(own: Names) -> Message:
    return token_service_pb2.GenerateTokenRequest(key=own["key"], secret=own["secret"])


def verify_ledger(_own: Names) -> Message:
    return VerifyLedgerRequest()


REQUESTS: dict[str, Callable[[Names], Message]] = {
    REDEEM: redeem_promotions,
    LIST: list_promotion_redemptions,
    COUPONS: redeem_coupons,
    OUTCOME: get_outcome,
    APPLY: apply_catalog,
    VERIFY: verify_ledger,
    TOKEN: generate_token,
}


# The fields of the requests.

NO_CUSTOMER, INVALID = "CUSTOMER_NOT_FOUND", "FIELD_INVALID"


class Naming(NamedTuple):
    """A field that names something: what, what we are told, what they are told of the same.

    `beside` replaces other fields of the same message, so that this one counts.
    """

    field: str
    thing: str
    us: str = ""
    them: str = ""
    beside: Mapping[str, Any] = {}


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
    Naming("PromotionUse.promo_code", "code", "CODE_NOT_FOUND"),
    of_boths("earned_promotion_id", "more_earned", "EARNED_PROMOTION_NOT_FOUND"),
    of_boths("promo_code", "more_code", "CODE_NOT_FOUND"),
    Naming("ListPromotionRedemptionsRequest.codes", "code", "MISSING"),
    # Both have that code, so that the token was made for the same query.
    Naming("ListPromotionRedemptionsRequest.page_token", "page_token", INVALID)._replace(
        beside={"codes": BOTHS["code"]}
    ),
    Naming("RedeemCouponsRequest.request_id", "request", "", "REPLAYED"),
    Naming("CouponUse.code", "coupon", "CODE_NOT_FOUND"),
    Naming("CouponUse.validation_code", "validation_code", "VALIDATION_CODE_WRONG"),
    Naming("CouponCustomer.customer_id", "customer", NO_CUSTOMER),
    *map(alone, ("mobile", "email", "external_id", "card_number", "card_external_id")),
    Naming("CouponTransaction.number", "bill"),
    Naming("GetOutcomeRequest.transaction_identifier", "transaction", "NOT_RECORDED", "RECORDED"),
    Naming("GetOutcomeRequest.request_id", "request", "NOT_RECORDED", "RECORDED"),
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
    Naming("CouponSeries.discount_code", "discount_code"),
    Naming("CouponSeries.tills", "till_code", INVALID),
    Naming("Coupon.code", "coupon", "", INVALID),
    Naming("Coupon.customer", "customer", INVALID),
    Naming("Coupon.validation_code", "validation_code"),
)
KEY_OF_CREDENTIAL = "Credential.key"
"""Unique in the installation, hence a test of its own."""
NOT_NAMING = {
    "google.protobuf.Timestamp": "seconds nanos",
    "google.type.Decimal": "value",
    "RedeemPromotionsRequest": "customer_identifier_type",
    "PromotionUse": "redemption_count",
    "ListPromotionRedemptionsRequest": "mode include_redemptions page_size",
    "RedeemCouponsRequest": "atomic",
    "CustomField": "name value",
    "Organization": "name region time_zone redemption_without_evaluation "
    "check_earned_promotion_owner rate_limit_per_minute",
    "Credential": "active",
    "Access": "customer default admin",
    "Customer": "status",
    "CountLimit": "limit window",
    "AmountLimit": "window",
    "PromotionCode": "active",
    "Promotion": "name message_label mode active over_limit",
    "EarnedPromotion": "status",
    "Coupon": "revoked",
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
    """A field of a request that names something."""

    rpc: str
    path: str
    naming: Naming


CASES = [
    Case(rpc, path, naming)
    for rpc in REQUESTS
    for path, field in scalars(RPCS[rpc].input_type)
    for naming in NAMING
    if naming.field == title(field)
]


def put(message: Any, path: str, value: Any) -> None:
    """Sets a field, of the first element where there are several; None clears it."""
    *parents, name = path.split(".")
    for parent in parents:
        message = getattr(message, parent)
        repeated = not isinstance(message, Message)
        message = message[0] if repeated else message
    if value is None:
        message.ClearField(name)
    elif message.DESCRIPTOR.fields_by_name[name].is_repeated:
        getattr(message, name)[:] = [value]
    else:
        setattr(message, name, value)


def request_for(case: Case, own: Names, value: Any) -> Message:
    """The request of somebody, with a value in the field of the case."""
    message = REQUESTS[case.rpc](own)
    parent = case.path.rpartition(".")[0]
    for name, beside in case.naming.beside.items():
        put(message, f"{parent}.{name}".lstrip("."), beside)
    put(message, case.path, value)
    return message


# The requests as the HTTP door takes them.


def plain(message: Message, spell: Callable[[str], str] = str) -> dict[str, Any]:
    """A message as JSON."""

    def cell(value: Any) -> Any:
        if not isinstance(value, Message):
            return value
        if value.DESCRIPTOR.full_name == "google.type.Decimal":
            return float(value.value)  # type: ignore[attr-defined]
        if value.DESCRIPTOR.full_name == "google.protobuf.Timestamp":
            return value.ToMilliseconds()  # type: ignore[attr-defined]
        return plain(value, spell)

    return {
        spell(field.name): [cell(one) for one in value] if field.is_repeated else cell(value)
        for field, value in message.ListFields()
    }


def coupons_body(message: Any) -> dict[str, Any]:
    coupons = [plain(coupon) for coupon in message.coupons]
    for coupon in coupons:
        customer = coupon["customer"]
        if "customer_id" in customer:
            customer["id"] = customer.pop("customer_id")
        coupon["custom_fields"] = {"field": coupon["custom_fields"]}
    headers = {"Idempotency-Key": message.request_id}
    return {"json": {"root": {"coupon": coupons}}, "headers": headers}


def query(message: Any) -> dict[str, Any]:
    codes, token = ",".join(message.codes), message.page_token
    params = {"codes": codes, "mode": "DISCOUNT", "includeRedemptions": "true"}
    return {"params": params | ({"pageToken": token} if token else {})}


HTTP: dict[str, Callable[[Message], dict[str, Any]]] = {
    REDEEM: lambda message: {"json": plain(message, camel_case)},
    LIST: query,
    COUPONS: coupons_body,
    TOKEN: lambda message: {"json": plain(message)},
}


# What is stored.


class Row(NamedTuple):
    """A row as the database writes it, to the last byte."""

    table: str
    owner: str
    cells: str


def is_ours(row: Row) -> bool:
    """Whatever is not ours counts as theirs, so that nothing is left out."""
    return (
        row.owner != THEIRS["key"] if row.table == "credential" else row.owner == str(OURS["org"])
    )


class State(NamedTuple):
    """All rows of all tables."""

    ours: frozenset[Row]
    theirs: frozenset[Row]

    def counted(self) -> Counter[str]:
        """How many rows we have in each table."""
        return Counter(row.table for row in self.ours)


def reading(dialect: str) -> str:
    """A statement for all rows of all tables."""
    selects = []
    for name, table in METADATA.tables.items():
        owner = "org_id" if "org_id" in table.columns else next(iter(table.primary_key)).name
        quoted = " || ',' || ".join(f"quote({column.name})" for column in table.columns)
        row = quoted if dialect == "sqlite" else f"CAST({name} AS text)"
        selects.append(f"SELECT '{name}', CAST({owner} AS text), {row} FROM {name}")
    return " UNION ALL ".join(selects)


def leaves(value: Any) -> set[str]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return set().union(*map(leaves, inner))
    return {str(value)}


def secrets_of(state: State) -> re.Pattern[str]:
    """Whatever they have and we do not, names, labels, limits and counters included."""
    ours, theirs = (
        {word for row in rows for word in re.findall(r"[^,'()\"]+", row.cells)}
        # What claims hold beside their keys is a digest of what was sent, and what was answered.
        for rows in ([row for row in part if row.table != "claim"] for part in state)
    )
    only = (theirs | leaves(THEIR_CATALOG) | {THEIR_TAG}) - ours - leaves(OUR_CATALOG)
    words = sorted(map(re.escape, filter(lambda word: len(word) >= 4, only)), key=len)
    return re.compile(f"(?<![0-9A-Za-z])(?:{'|'.join(reversed(words))})(?![0-9A-Za-z])")


# What is answered.

REQUEST_ID = "0123456789abcdef0123456789abcdef"
ADDRESSES = itertools.count(1)
# What differs from answer to answer, whoever asks.
VOLATILE = re.compile(
    r'"(redemption_?id|redeemedAt|accessToken|timestamp|recordedAt)": ?("[^"]*"|\d+)', re.IGNORECASE
)


class Answer(NamedTuple):
    """What became of a call, and all that was answered."""

    outcome: str
    text: str

    def about(self, value: Any) -> "Answer":
        """Without the value that was sent, and without what always differs."""
        return Answer(self.outcome, VOLATILE.sub(r'"\1"', self.text).replace(str(value), "…"))


Door = Callable[..., Awaitable[Answer]]
# At either door.
GRANTED, REPLAYED_TOO = ("", "200"), ("REPLAYED", f"200 {REPLAYED}")
REFUSED = ("LIMIT_REACHED", "EARNED_PROMOTION_REDEEMED", "400")


def outcome_of(response: Any) -> str:
    """A word for a response; empty for a plain success."""
    if getattr(response, "replayed", False):
        return "REPLAYED"
    if isinstance(response, outcome_pb2.GetOutcomeResponse):
        return outcome_pb2.OutcomeState.Name(response.state).removeprefix("OUTCOME_STATE_")
    if getattr(response, "missing_codes", ()):
        return "MISSING"
    for result in getattr(response, "results", ()):
        if result.HasField("error"):
            return str(detail(result.error, ErrorInfo).reason)
    return ""


class World:
    """A service in which both live, and its database."""

    def __init__(self, service: Service, engine: AsyncEngine, folder: Path) -> None:
        self._service = service
        self._engine = engine
        self.us, self.them = (
            {
                **own,
                # Sent anew each time, under keys that nobody has used.
                **{key: FRESH[key] for key in ("transaction", "request")},
                "additions": catalogs.read(folder, organization(FRESH, own, name=own["name"])),
            }
            for own in (OURS, THEIRS)
        )
        self.theirs = dict(THEIRS)
        self.start = State(frozenset(), frozenset())
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._secrets = re.compile("")

    async def live_through_the_past(self) -> None:
        """Both have redeemed; only they have redeemed what both have."""
        for whose in ({**self.us, **OURS}, {**self.them, **THEIRS}):
            for rpc in (REDEEM, COUPONS):
                answer = await self.ask(whose, rpc, REQUESTS[rpc](whose))
                assert answer.outcome == "", answer
        for rpc, message in ((REDEEM, redeem_boths(earned=True)), (COUPONS, redeem_coupons(BOTHS))):
            answer = await self.ask(self.them, rpc, message)
            assert answer.outcome == "", answer
        page = await self.ask(self.them, LIST, list_promotion_redemptions(BOTHS))
        self.theirs["page_token"] = json.loads(page.text)["nextPageToken"]
        self.start = await self.state()
        self._secrets = secrets_of(self.start)
        async with self._engine.connect() as connection:
            for name, table in METADATA.tables.items():
                found = await connection.execute(select(table))
                self._rows[name] = [dict(row) for row in found.mappings()]

    async def ask(self, who: Names, rpc: str, message: Message, **headers: str) -> Answer:
        """Over gRPC."""
        response = message_factory.GetMessageClass(RPCS[rpc].output_type)
        channel, write = self._service.channel, type(message).SerializeToString
        sending = channel.unary_stream(f"/{rpc}", write, response.FromString)
        metadata = {"authorization": basic(who["key"], who["secret"]), **common(), **headers}
        metadata = {name: value for name, value in metadata.items() if value}
        try:
            found = [r async for r in sending(message, metadata=tuple(metadata.items()))]
        except grpc.aio.AioRpcError as error:
            status = status_of(error)
            return Answer(error_info(status).reason, MessageToJson(status))
        return Answer(outcome_of(found[-1]), "\n".join(map(MessageToJson, found)))

    async def ask_http(self, who: Names, rpc: str, message: Message, **headers: str) -> Answer:
        """Over HTTP."""
        form = HTTP[rpc](message)
        rule = RPCS[rpc].GetOptions().Extensions[annotations_pb2.http]
        sent = {"authorization": basic(who["key"], who["secret"])}
        sent |= common() | form.pop("headers", {}) | headers
        sent = {name: value for name, value in sent.items() if value}
        verb, path = ("GET", rule.get) if rule.get else ("POST", rule.post)
        answer = await self._service.http.request(verb, path, headers=sent, **form)
        replayed = f" {REPLAYED}" if REPLAYED in answer.headers else ""
        link = answer.headers.get("Link", "")
        return Answer(f"{answer.status_code}{replayed}", f"{link}\n{answer.text}")

    def doors(self, rpc: str) -> list[Door]:
        """All ways to ask."""
        return [self.ask, self.ask_http] if rpc in HTTP else [self.ask]

    async def state(self) -> State:
        """What is stored."""
        async with self._engine.connect() as connection:
            found = await connection.execute(text(reading(connection.dialect.name)))
            rows = [Row(*row) for row in found]
        ours = frozenset(filter(is_ours, rows))
        return State(ours, frozenset(rows) - ours)

    async def restore(self, now: State) -> None:
        """Makes what is stored as it was at the start."""
        if now == self.start:
            return
        changes = (now.ours ^ self.start.ours) | (now.theirs ^ self.start.theirs)
        async with self._engine.begin() as connection:
            for name in {row.table for row in changes}:
                table = METADATA.tables[name]
                await connection.execute(table.delete())
                if self._rows[name]:
                    await connection.execute(table.insert(), self._rows[name])

    async def damage(self, *statements: str) -> None:
        """Changes what is stored behind the service's back."""
        async with self._engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    def assert_tells_nothing(self, text: str, *sent: Any) -> None:
        """Holds none of their values but those that were sent."""
        for value in sent:
            text = text.replace(str(value), "…")
        found = self._secrets.search(text)
        assert not found, (found.group(), text)

    async def assert_apart(self, answer: Answer, *sent: Any) -> State:
        """Neither an answer nor what is stored of us tells of them; all of theirs is as it was.

        Values that we `sent` may be echoed.
        """
        self.assert_tells_nothing(answer.text, *sent)
        now = await self.state()
        assert now.theirs == self.start.theirs
        if now.ours != self.start.ours:
            self.assert_tells_nothing(repr(now.ours), *sent)
        return now

    async def look_around(self) -> str:
        """All that we can see of what we have recorded."""
        by_request = outcome_pb2.GetOutcomeRequest(request_id=self.us["request"])
        seen = [
            await self.ask(self.us, OUTCOME, get_outcome(self.us)),
            await self.ask(self.us, OUTCOME, by_request),
            await self.ask(self.us, VERIFY, verify_ledger(self.us)),
        ]
        assert "findings" not in seen[-1].text
        for include, codes in itertools.product((False, True), (OURS["code"], BOTHS["code"])):
            request = promotions_pb2.ListPromotionRedemptionsRequest(
                codes=[codes], mode=PROMOTION_MODE_DISCOUNT, include_redemptions=include
            )
            seen.append(await self.ask(self.us, LIST, request))
        return "\n".join(answer.text for answer in seen)


def common() -> dict[str, str]:
    """The same request id for all, and each time another address: failing too often costs time."""
    number = next(ADDRESSES)
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    return {"x-request-id": REQUEST_ID, "x-forwarded-for": address}


@pytest.fixture(scope="module", params=ENGINES)
def url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """A database of each engine."""
    if request.param == "sqlite":
        yield databases.sqlite()
    else:
        with databases.postgresql() as url:
            yield url


@asynccontextmanager
async def living(url: str, folder: Path) -> AsyncIterator[World]:
    file = catalogs.write(folder, OUR_CATALOG, THEIR_CATALOG)
    # The gateway takes each of its two ways to the server once.
    in_process = url.startswith("postgresql")
    engine = create_async_engine(url)
    try:
        async with run_service(
            url, file, in_process=in_process, unknown_codes_per_minute=1_000_000
        ) as service:
            # Each call says for itself who sends it.
            del service.http.headers["Authorization"]
            world = World(service, engine, folder)
            await world.live_through_the_past()
            yield world
    finally:
        await engine.dispose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world(url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with living(url, tmp_path_factory.mktemp("apart")) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _no_connection_stays_checked_out() -> AsyncIterator[None]:
    """In place of the one for all tests: the service lives on, and keeps probing its database."""
    yield

    async def given_back() -> bool:
        return not checked_out()

    await eventually(given_back)


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared_world: World) -> AsyncIterator[World]:
    """As at the start, for each test."""
    yield shared_world
    await shared_world.restore(await shared_world.state())


# The tests.


async def test_each_rpc_and_each_of_its_fields_has_its_place_in_the_tables() -> None:
    assert set(REQUESTS) == set(RPCS)
    with_http = {
        rpc
        for rpc, method in RPCS.items()
        if method.GetOptions().HasExtension(annotations_pb2.http)
    }
    assert set(HTTP) == with_http
    found = {title(field) for method in RPCS.values() for _, field in scalars(method.input_type)}
    naming = {naming.field for naming in NAMING} | {KEY_OF_CREDENTIAL}
    others = {f"{m}.{name}" for m, listed in NOT_NAMING.items() for name in listed.split()}
    assert not naming & others
    assert naming | others == found
    known = {*CREDENTIAL_HEADERS, *(naming.field for naming in HEADERS)}
    assert known == set(gateway_headers._FORWARDED_HEADERS)


def case_id(case: Case) -> str:
    return f"{case.rpc.rpartition('/')[2]}:{case.path}:{case.naming.thing}"


@pytest.mark.parametrize("case", CASES, ids=case_id)
async def test_what_is_anothers_is_answered_like_what_nobody_has(world: World, case: Case) -> None:
    thing = case.naming.thing
    nobodys, theirs = NOBODYS[thing], world.theirs[thing]
    like_nobodys = request_for(case, world.us, nobodys)
    message = request_for(case, world.us, theirs)
    assert str(theirs) in str(HTTP.get(case.rpc, repr)(message))
    for ask in world.doors(case.rpc):
        expected = await ask(world.us, case.rpc, like_nobodys)
        now = await world.state()
        counted = now.counted()
        await world.restore(now)
        found = await ask(world.us, case.rpc, message)
        now = await world.assert_apart(found, theirs)
        assert found.about(theirs) == expected.about(nobodys)
        assert now.counted() == counted
        if ask == world.ask:
            assert found.outcome == case.naming.us, found
            if case.rpc != APPLY and now.ours != world.start.ours:
                world.assert_tells_nothing(await world.look_around(), theirs)
        await world.restore(now)
    # It is there for them, as live as ever.
    for ask in world.doors(case.rpc):
        answer = await ask(world.them, case.rpc, request_for(case, world.them, theirs))
        if ask == world.ask:
            assert answer.outcome == case.naming.them, answer
        else:
            assert answer.outcome in (*GRANTED, *REPLAYED_TOO), answer
            assert '"success":"false"' not in answer.text
        await world.restore(await world.state())


@pytest.mark.parametrize("atomic", [False, True])
async def test_what_is_anothers_counts_for_nothing_beside_what_is_ours(
    world: World, atomic: bool
) -> None:
    codes = {}
    for whose, own in (("nobody", NOBODYS), ("they", THEIRS)):
        listing = promotions_pb2.ListPromotionRedemptionsRequest(
            codes=[OURS["code"], own["code"]], mode=PROMOTION_MODE_DISCOUNT
        )
        redeeming = redeem_coupons(world.us)
        redeeming.MergeFrom(redeem_coupons({**world.us, "coupon": own["coupon"]}))
        put(redeeming, "atomic", atomic)
        listed = await world.ask(world.us, LIST, listing)
        redeemed = await world.ask(world.us, COUPONS, redeeming)
        await world.assert_apart(listed, own["code"])
        now = await world.assert_apart(redeemed, own["coupon"])
        assert (now.ours == world.start.ours) is atomic
        await world.restore(now)
        codes[whose] = (listed.about(own["code"]), redeemed.about(own["coupon"]))
    assert codes["they"] == codes["nobody"]
    assert codes["they"][0].outcome == "MISSING"
    assert codes["they"][1].outcome == ("BATCH_FAILED" if atomic else "CODE_NOT_FOUND")


@pytest.mark.provokes("FIELD_INVALID")
async def test_what_others_have_holds_up_no_reference_of_ours(world: World) -> None:
    message = apply_catalog(world.us)
    # Another code for the till that our credential names by a code which they have too.
    put(message, "catalog.organizations.tills.id", OURS["org"] + 50)
    answer = await world.ask(world.us, APPLY, message)
    assert answer.outcome == INVALID
    assert BOTHS["till_code"] in answer.text
    assert await world.assert_apart(answer) == world.start


@pytest.mark.provokes("FIELD_INVALID")
async def test_of_a_key_that_others_have_it_is_told_only_that_it_is_taken(world: World) -> None:
    """Keys are unique in the installation, so that much cannot be kept from who wants the same."""
    path = "catalog.organizations.credentials"
    for field, value in (("secret", OURS["secret"]), ("secret_hash", OURS["secret_hash"])):
        message = apply_catalog(world.us)
        for name in ("secret", "secret_hash"):
            put(message, f"{path}.{name}", value if name == field else None)
        put(message, f"{path}.key", THEIRS["key"])
        answer = await world.ask(world.us, APPLY, message)
        assert await world.assert_apart(answer, THEIRS["key"]) == world.start
        assert answer.outcome == INVALID
        assert THEIRS["key"] not in answer.text
        fields = set(re.findall(r'"field": "(.*)"', answer.text))
        assert fields == {"catalog.organizations[0].credentials[0].key"}
    again = await world.ask(world.them, OUTCOME, get_outcome(THEIRS))
    assert again.outcome == "RECORDED"


@pytest.mark.provokes("PERMISSION_DENIED", "FIELD_INVALID")
@pytest.mark.parametrize("naming", HEADERS, ids=lambda naming: naming.field)
@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.rpartition("/")[2])
async def test_a_header_that_names_anothers_is_refused_like_one_that_names_nobodys(
    world: World, rpc: str, naming: Naming
) -> None:
    header, nobodys, theirs = naming.field, NOBODYS[naming.thing], THEIRS[naming.thing]
    # Who asks for a token is nobody yet.
    refused = rpc != TOKEN
    audited = [{"credential": OURS["key"], "org_id": theirs, "why": "foreign"}]
    # They may send it, and whatever is remembered of that helps nobody else.
    answer = await world.ask(world.them, rpc, REQUESTS[rpc](world.them), **{header: str(theirs)})
    assert answer.outcome in ("", "NOT_RECORDED")
    await world.restore(await world.state())
    for ask in world.doors(rpc):
        message = REQUESTS[rpc](world.us)
        expected = await ask(world.us, rpc, message, **{header: str(nobodys)})
        with structlog.testing.capture_logs() as log:
            found = await ask(world.us, rpc, message, **{header: str(theirs)})
        assert await world.assert_apart(found, theirs) == world.start
        assert found.about(theirs) == expected.about(nobodys)
        if ask == world.ask:
            assert found.outcome == (naming.us if refused else "")
        lines = [line for line in log if line["event"] == "authorisation failed"]
        written = [{name: line[name] for name in audited[0]} for line in lines]
        assert written == (audited if refused and naming.thing == "org" else [])


@pytest.mark.provokes("UNAUTHENTICATED")
async def test_the_key_of_another_is_refused_like_one_that_nobody_has(world: World) -> None:
    for ask in world.doors(REDEEM):
        answers = []
        for key in (NOBODYS["key"], THEIRS["key"]):
            pretending = {**OURS, "key": key}
            answers.append(await ask(pretending, REDEEM, redeem_promotions(THEIRS)))
        assert answers[0].about("") == answers[1].about("")
        assert answers[1].outcome in ("UNAUTHENTICATED", "401")
        assert await world.assert_apart(answers[1]) == world.start


@pytest.mark.provokes("PERMISSION_DENIED")
@pytest.mark.parametrize(
    ("header", "form"), [("authorization", "Bearer {}"), ("x-cap-api-oauth-token", "{}")]
)
async def test_a_token_acts_for_the_organisation_of_its_credential_alone(
    world: World, header: str, form: str
) -> None:
    given = await world.ask(world.us, TOKEN, generate_token(world.us))
    token = {"authorization": "", header: form.format(json.loads(given.text)["accessToken"])}
    there = {"x-cap-api-auth-org-id": str(THEIRS["org"])}
    for rpc in RPCS:
        for ask in world.doors(rpc):
            if rpc != TOKEN:
                answer = await ask(world.us, rpc, REQUESTS[rpc](world.them), **token, **there)
                assert answer.outcome in ("PERMISSION_DENIED", "403")
                assert await world.assert_apart(answer, THEIRS["org"]) == world.start
    for ask in world.doors(LIST):
        # What both have and only they have redeemed; then what we have redeemed.
        answer = await ask(world.us, LIST, list_promotion_redemptions(BOTHS), **token)
        assert answer.outcome in ("MISSING", "404")
        await world.assert_apart(answer)
        answer = await ask(world.us, LIST, list_promotion_redemptions(OURS), **token)
        assert answer.outcome in ("", "200")
        assert str(OURS["org"]) in answer.text
    message = redeem_boths()
    answer = await world.ask(world.us, REDEEM, message, **token)
    assert json.loads(answer.text)["orgId"] == str(OURS["org"])
    await world.assert_apart(answer, *BOTHS_WORDS)


# What is written down of a request that both send.
BOTHS_WORDS = (*BOTHS.values(), f"{BOTHS['org']}250000", USES)


@pytest.fixture(params=["grpc", "http"])
def door(request: pytest.FixtureRequest, world: World) -> Door:
    """A way to redeem."""
    doors: dict[str, Door] = {"grpc": world.ask, "http": world.ask_http}
    return doors[request.param]


@pytest.mark.provokes("LIMIT_REACHED", "EARNED_PROMOTION_REDEEMED")
async def test_a_promotion_that_both_have_is_each_ones_own(world: World, door: Door) -> None:
    # They have recorded the very same, under the same key, and used what they had earned.
    message = redeem_boths(earned=True)
    answer = await door(world.us, REDEEM, message)
    assert answer.outcome in GRANTED, answer
    await world.assert_apart(answer, *BOTHS_WORDS)
    for who, org_id in ((world.us, OURS["org"]), (world.them, THEIRS["org"])):
        answer = await door(who, REDEEM, message)
        assert answer.outcome in REPLAYED_TOO, answer
        assert re.search(rf'"orgId": ?"?{org_id}\b', answer.text)
    answer = await door(world.us, REDEEM, redeem_boths("again", earned=True))
    assert answer.outcome in REFUSED
    assert BOTHS["earned"] in answer.text
    # Together, so that they meet in a batch, under the same keys.
    together = [
        door(who, REDEEM, redeem_boths(f"together-{number}"))
        for number in range(2)
        for who in (world.us, world.them)
    ]
    assert all(answer.outcome in GRANTED for answer in await asyncio.gather(*together))
    # That was all of theirs. We have room for one more.
    answer = await door(world.them, REDEEM, redeem_boths("last"))
    assert answer.outcome in REFUSED
    answer = await door(world.us, REDEEM, redeem_boths("last"))
    assert answer.outcome in GRANTED
    for who, budget in ((world.us, OUR_BUDGET), (world.them, THEIR_BUDGET)):
        answer = await world.ask(who, REDEEM, redeem_boths("too much"))
        assert answer.outcome == "LIMIT_REACHED"
        assert f'"limit": "{budget}"' in answer.text
        verified = await world.ask(who, VERIFY, VerifyLedgerRequest())
        assert "findings" not in verified.text


async def test_a_lookup_shows_each_what_is_its_own(world: World, door: Door) -> None:
    # Ours has that code alone, so that it needs no mention.
    message = by_identifier("mobile", BOTHS["mobile"])
    assert (await door(world.us, REDEEM, message)).outcome in GRANTED
    assert (await door(world.them, REDEEM, redeem_boths("later"))).outcome in GRANTED
    ours = {"promotionName": f"{OURS['name']} too", "orgId": str(OURS["org"])}
    there = str(OURS["org"] + 50)
    listing = promotions_pb2.ListPromotionRedemptionsRequest(
        codes=[BOTHS["code"]], mode=PROMOTION_MODE_DISCOUNT
    )
    answer = await world.ask(world.us, LIST, listing)
    world.assert_tells_nothing(answer.text, *BOTHS_WORDS)
    (summary,) = json.loads(answer.text)["codeSummaries"]
    assert ours.items() <= summary.items()
    assert summary["redemptionCount"] == str(USES)
    listing.include_redemptions = True
    # The cart's record, then the line's.
    for page_size, records in ((1, 1), (0, 2)):
        listing.page_size = page_size
        answer = await world.ask(world.us, LIST, listing)
        world.assert_tells_nothing(answer.text, *BOTHS_WORDS)
        found = json.loads(answer.text)["redemptions"]
        assert len(found) == records
        for record in found:
            assert {**ours, "redemptionTill": there, "customerId": there}.items() <= record.items()
    assert [r["productId"] for r in found if "productId" in r] == [there]


def by_identifier(kind: str, value: str) -> Message:
    """Redeems what both have for the customer who has an identifier, without naming a code."""
    message = redeem_promotions({**BOTHS, "transaction": "by identifier"})
    put(message, "customer_id", None)
    put(message, "customer_identifier_type", kind)
    put(message, "customer_identifier_value", value)
    return message


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("mobile", "mobile"),
        ("email", "email"),
        ("externalId", "external_id"),
        ("cardNumber", "card_number"),
        ("cardExternalId", "card_external_id"),
    ],
)
async def test_a_customer_whom_both_know_by_one_identifier_is_each_ones_own(
    world: World, door: Door, kind: str, thing: str
) -> None:
    for who, own in ((world.us, OURS), (world.them, THEIRS)):
        answer = await door(who, REDEEM, by_identifier(kind, BOTHS[thing]))
        assert answer.outcome in GRANTED
        assert re.search(rf'"customerId": ?"?{own["org"] + 50}\b', answer.text)


async def test_a_coupon_that_both_have_is_each_ones_own(world: World, door: Door) -> None:
    # It may be redeemed once, and they have done so, under the same key.
    answer = await door(world.us, COUPONS, redeem_coupons(BOTHS))
    assert answer.outcome in GRANTED, answer
    assert f"{OURS['discount_code']}-too" in answer.text
    await world.assert_apart(answer, *BOTHS_WORDS, BOTHS["series"])
    for who, own in ((world.us, OURS), (world.them, THEIRS)):
        answer = await door(who, COUPONS, redeem_coupons(BOTHS))
        assert answer.outcome in REPLAYED_TOO, answer
        assert f"{own['discount_code']}-too" in answer.text
        answer = await world.ask(who, COUPONS, redeem_coupons({**BOTHS, "request": "again"}))
        assert answer.outcome == "COUPON_REPEATED"


async def test_what_is_wrong_with_the_ledger_of_another_is_not_told(world: World) -> None:
    await world.damage(
        f"UPDATE usage SET used = used - 1 WHERE org_id = {THEIRS['org']}",
        f"DELETE FROM event WHERE org_id = {THEIRS['org']}",
        f"DELETE FROM claim WHERE org_id = {THEIRS['org']}",
    )
    ours = await world.ask(world.us, VERIFY, VerifyLedgerRequest())
    world.assert_tells_nothing(ours.text)
    assert "findings" not in ours.text
    assert "findings" in (await world.ask(world.them, VERIFY, VerifyLedgerRequest())).text
