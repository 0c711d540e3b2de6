"""Catalogs for tests, written as plain values and read through the file format like any other."""

from pathlib import Path
from typing import Any

import yaml
from redemption.v1 import catalog_pb2
from redemption_server.catalog.files import read_catalog_file

ORG = 100
OTHER_ORG = 200
TILL = 11
CUSTOMER = 501
OTHER_CUSTOMER = 502
KEY, SECRET = "key", "secret"
OTHER_KEY, OTHER_SECRET = "other-key", "other-secret"

CREDENTIAL = {
    "key": KEY,
    "secret": SECRET,
    "till": "till-1",
    "access": {"customer": "write", "default": True, "admin": True},
}


def organization(**changes: Any) -> dict[str, Any]:
    """An organisation with a till, a credential and two customers; `changes` replace its keys."""
    return {
        "id": ORG,
        "name": "Test",
        "region": "IN",
        "redemption_without_evaluation": True,
        "rate_limit_per_minute": "unlimited",
        "tills": [{"id": TILL, "code": "till-1"}, {"id": TILL + 1, "code": "till-2"}],
        "credentials": [CREDENTIAL],
        "customers": [
            {
                "id": CUSTOMER,
                "mobile": "919999988881",
                "email": "One@example.com",
                "external_id": "E1",
            },
            {"id": OTHER_CUSTOMER, "mobile": "919999988882", "card_number": "C2"},
        ],
        **changes,
    }


def promotion(id: str = "p1", **changes: Any) -> dict[str, Any]:  # noqa: A002
    """A promotion without limits; `changes` replace its keys."""
    return {"id": id, "name": f"Promotion {id}", **changes}


def series(id: int = 1, **changes: Any) -> dict[str, Any]:  # noqa: A002
    """A coupon series that anyone may redeem; `changes` replace its keys."""
    return {
        "id": id,
        "discount_type": "ABS",
        "discount_value": "50",
        "any_user": True,
        "coupons": [{"code": "COUPON1"}],
        **changes,
    }


def read(folder: Path, *organizations: dict[str, Any]) -> catalog_pb2.Catalog:
    """The catalog as a message, by way of a file."""
    return read_catalog_file(write(folder, *organizations))


def write(folder: Path, *organizations: dict[str, Any]) -> Path:
    """The catalog as a file."""
    file = folder / "catalog.yaml"
    file.write_text(yaml.safe_dump({"organizations": list(organizations)}))
    return file
