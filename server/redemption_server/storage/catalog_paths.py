"""Walks over a catalog: every object with the path by which an error names it."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from redemption.v1 import catalog_pb2

Item = TypeVar("Item")


def indexed(path: str, items: Iterable[Item]) -> Iterator[tuple[str, Item]]:
    """Items of a list with their paths."""
    for i, item in enumerate(items):
        yield f"{path}[{i}]", item


def promotion_codes(
    organization: catalog_pb2.Organization, path: str
) -> Iterator[tuple[str, catalog_pb2.PromotionCode]]:
    """All promotion codes of an organisation."""
    for promotion_path, promotion in indexed(f"{path}.promotions", organization.promotions):
        yield from indexed(f"{promotion_path}.codes", promotion.codes)


def coupons(
    organization: catalog_pb2.Organization, path: str
) -> Iterator[tuple[str, catalog_pb2.Coupon]]:
    """All coupons of an organisation."""
    for series_path, series in indexed(f"{path}.coupon_series", organization.coupon_series):
        yield from indexed(f"{series_path}.coupons", series.coupons)


def objects(catalog: catalog_pb2.Catalog) -> Iterator[Any]:
    """All objects of a catalog: organisations and what belongs to them."""
    for organization in catalog.organizations:
        yield organization
        for name in (
            "tills",
            "credentials",
            "products",
            "customers",
            "promotions",
            "earned_promotions",
            "coupon_series",
            "webhooks",
        ):
            yield from getattr(organization, name)
        for _, code in promotion_codes(organization, ""):
            yield code
        for _, coupon in coupons(organization, ""):
            yield coupon
