"""The kinds of rows that come in bulk. Each is a message of the catalog, and checked like one."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from redemption.v1 import catalog_pb2

from redemption_server.catalog import check
from redemption_server.catalog.checker import Checker
from redemption_server.rules.normal import fold

_ID_DIGITS = 24


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of rows: what it is called, its columns, and where its messages stand in a catalog.

    `target` is what the rows belong to: `coupon_series`, `promotions`, or nothing.
    """

    name: str
    columns: tuple[str, ...]
    required: tuple[str, ...]
    message: Callable[[], Any]
    target: str
    check: Callable[[Checker, catalog_pb2.Organization, str], None]

    def place(
        self, org_id: int, region: str, target_id: int | str, messages: list[Any]
    ) -> catalog_pb2.Organization:
        """An organisation that holds the messages, as a catalog would."""
        organization = catalog_pb2.Organization(id=org_id, region=region)
        self.list_of(organization, target_id).extend(messages)
        return organization

    def list_of(self, organization: catalog_pb2.Organization, target_id: int | str) -> Any:
        """The list in an organisation where the messages stand."""
        if self.target == "coupon_series":
            return organization.coupon_series.add(id=int(target_id)).coupons
        if self.target == "promotions":
            return organization.promotions.add(id=str(target_id)).codes
        return organization.customers


def promotion_code_id(code: str) -> str:
    """The id of a promotion code that was given none: the same one each time."""
    return hashlib.sha256(fold(code).encode()).hexdigest()[:_ID_DIGITS]


def _check_customers(checker: Checker, organization: catalog_pb2.Organization, path: str) -> None:
    list_path = f"{path}.customers"
    checker.unique(list_path, organization.customers, "id", lambda customer: customer.id)
    for i, customer in enumerate(organization.customers):
        checker.positive(f"{list_path}[{i}].id", customer.id)
    check.check_customers(checker, organization, path)


def _columns(message: type[Message]) -> tuple[str, ...]:
    return tuple(message.DESCRIPTOR.fields_by_name)


COUPONS = Kind(
    "coupons",
    _columns(catalog_pb2.Coupon),
    ("code",),
    catalog_pb2.Coupon,
    "coupon_series",
    check.check_coupons,
)
PROMOTION_CODES = Kind(
    "promotion codes",
    _columns(catalog_pb2.PromotionCode),
    ("code",),
    catalog_pb2.PromotionCode,
    "promotions",
    check.check_promotion_codes,
)
CUSTOMERS = Kind(
    "customers",
    _columns(catalog_pb2.Customer),
    ("id",),
    catalog_pb2.Customer,
    "",
    _check_customers,
)
