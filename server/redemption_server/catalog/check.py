"""Checks a catalog by itself: shapes, ranges, duplicates. References are checked against storage.

All errors are collected; each names the path of the field and, secrets excepted, the value.
"""

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import argon2
from redemption.v1 import catalog_pb2, coupon_redemption_pb2

from redemption_server.catalog.checker import Checker
from redemption_server.rules.decimals import MICROS_PER_UNIT, DecimalError, parse_micros
from redemption_server.rules.normal import fold, mobile_digits
from redemption_server.rules.refusals import Violation, field_invalid
from redemption_server.storage import catalog_paths as paths

OBJECTS_MAX = 50_000
COUNT_LIMIT_MAX = 10**15
DAYS_MAX = 36_500


def count_objects(catalog: catalog_pb2.Catalog) -> int:
    """How many objects the catalog holds, codes and coupons included."""
    return sum(1 for _ in paths.objects(catalog))


def check_catalog(catalog: catalog_pb2.Catalog) -> list[Violation]:
    """Everything that is wrong with the catalog by itself."""
    objects = count_objects(catalog)
    if objects > OBJECTS_MAX:
        problem = f"must hold at most {OBJECTS_MAX} objects, not {objects}; use the import commands"
        return [field_invalid("catalog", problem)]
    if not objects:
        return [field_invalid("catalog.organizations", "must not be empty")]
    checker = Checker()
    checker.message(catalog, "catalog")
    checker.unique("catalog.organizations", catalog.organizations, "id", lambda o: o.id)
    for path, organization in paths.indexed("catalog.organizations", catalog.organizations):
        _organization(checker, organization, path)
    return checker.violations


def _organization(checker: Checker, organization: catalog_pb2.Organization, path: str) -> None:
    checker.positive(f"{path}.id", organization.id)
    if organization.HasField("rate_limit_per_minute"):
        value = organization.rate_limit_per_minute
        checker.between(f"{path}.rate_limit_per_minute", value, 0, 10**9)
    if organization.region and not _known_region(organization.region):
        checker.fail(f"{path}.region", f"is no ISO 3166 region: {organization.region!r}")
    if not _known_zone(organization.time_zone):
        checker.fail(f"{path}.time_zone", f"is no IANA time zone: {organization.time_zone!r}")
    _simple_objects(checker, organization, path)
    check_customers(checker, organization, path)
    for item_path, promotion in paths.indexed(f"{path}.promotions", organization.promotions):
        _promotion(checker, promotion, item_path)
    check_promotion_codes(checker, organization, path)
    for item_path, code in paths.promotion_codes(organization, path):
        checker.present(f"{item_path}.id", code.id)
    for item_path, series in paths.indexed(f"{path}.coupon_series", organization.coupon_series):
        _series(checker, series, item_path)
    check_coupons(checker, organization, path)
    for item_path, webhook in paths.indexed(f"{path}.webhooks", organization.webhooks):
        _webhook(checker, webhook, item_path)


def _webhook(checker: Checker, webhook: catalog_pb2.Webhook, path: str) -> None:
    if not _good_webhook_url(webhook.url):
        checker.fail(f"{path}.url", f"must be an http(s) URL without a user, not {webhook.url!r}")
    if not _good_webhook_secret(webhook.secret):
        checker.fail(f"{path}.secret", "must be whsec_ and 24 to 64 bytes in base64")
    checker.present(f"{path}.events", len(webhook.events))
    for index, (item_path, event) in enumerate(paths.indexed(f"{path}.events", webhook.events)):
        if not event:
            checker.fail(item_path, "must be an event")
        elif event in webhook.events[:index]:
            checker.fail(item_path, "stands twice in the list")


def _good_webhook_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and "@" not in parts.netloc and port != 0
    return plain and parts.scheme in ("https", "http") and bool(parts.hostname)


def _good_webhook_secret(secret: str) -> bool:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    return secret.startswith("whsec_") and 24 <= len(key) <= 64


def check_coupon_series(series: catalog_pb2.CouponSeries) -> list[Violation]:
    """Everything that is wrong with a series by itself, whose coupons come in another way."""
    checker = Checker()
    checker.message(series, "series")
    checker.positive("series.id", series.id)
    _series(checker, series, "series")
    if series.coupons:
        checker.fail("series.coupons", "must be empty; import coupons instead")
    return checker.violations


def check_promotion_codes(
    checker: Checker, organization: catalog_pb2.Organization, path: str
) -> None:
    """What holds for promotion codes, but that they have ids."""
    codes = list(paths.promotion_codes(organization, path))
    checker.unique_over_lists(codes, "id", lambda code: code.id)
    checker.unique_over_lists(codes, "code", lambda code: fold(code.code))
    for item_path, code in codes:
        _code(checker, f"{item_path}.code", code.code, forbidden=",")
        _optional_id(checker, f"{item_path}.customer", code.customer)


def check_coupons(checker: Checker, organization: catalog_pb2.Organization, path: str) -> None:
    """What holds for coupons."""
    coupons = list(paths.coupons(organization, path))
    checker.unique_over_lists(coupons, "code", lambda coupon: fold(coupon.code))
    for item_path, coupon in coupons:
        _code(checker, f"{item_path}.code", coupon.code)
        _optional_id(checker, f"{item_path}.customer", coupon.customer)


def _simple_objects(checker: Checker, organization: catalog_pb2.Organization, path: str) -> None:
    for name in (
        "tills",
        "products",
        "customers",
        "promotions",
        "earned_promotions",
        "coupon_series",
        "webhooks",
    ):
        items = getattr(organization, name)
        checker.unique(f"{path}.{name}", items, "id", lambda item: item.id)
        for item_path, item in paths.indexed(f"{path}.{name}", items):
            if isinstance(item.id, str):
                checker.present(f"{item_path}.id", item.id)
            else:
                checker.positive(f"{item_path}.id", item.id)
    checker.unique(f"{path}.tills", organization.tills, "code", lambda till: till.code)
    for item_path, till in paths.indexed(f"{path}.tills", organization.tills):
        checker.present(f"{item_path}.code", till.code)
    checker.unique(f"{path}.products", organization.products, "sku", lambda product: product.sku)
    for item_path, product in paths.indexed(f"{path}.products", organization.products):
        checker.present(f"{item_path}.sku", product.sku)
    for item_path, earned in paths.indexed(
        f"{path}.earned_promotions", organization.earned_promotions
    ):
        checker.present(f"{item_path}.promotion", earned.promotion)
        checker.positive(f"{item_path}.customer", earned.customer)
    checker.unique(f"{path}.credentials", organization.credentials, "key", lambda c: c.key)
    for item_path, credential in paths.indexed(f"{path}.credentials", organization.credentials):
        _credential(checker, credential, item_path)


def check_customers(checker: Checker, organization: catalog_pb2.Organization, path: str) -> None:
    """What holds for customers."""
    list_path = f"{path}.customers"
    keys: dict[str, Callable[[Any], str]] = {
        "mobile": lambda c: mobile_digits(c.mobile, organization.region) if c.mobile else "",
        "email": lambda c: fold(c.email),
        "external_id": lambda c: str(c.external_id),
        "card_number": lambda c: str(c.card_number),
        "card_external_id": lambda c: str(c.card_external_id),
    }
    for name, key in keys.items():
        checker.unique(list_path, organization.customers, name, key)
    for item_path, customer in paths.indexed(list_path, organization.customers):
        if customer.mobile and not keys["mobile"](customer):
            checker.fail(f"{item_path}.mobile", f"is no mobile number: {customer.mobile!r}")


def _credential(checker: Checker, credential: catalog_pb2.Credential, path: str) -> None:
    checker.present(f"{path}.key", credential.key)
    if ":" in credential.key or not credential.key.isprintable():
        checker.fail(
            f"{path}.key", f"must be printable and without a colon, not {credential.key!r}"
        )
    if bool(credential.secret) == bool(credential.secret_hash):
        checker.fail(f"{path}.secret", "or secret_hash is required, one of the two")
    if credential.secret_hash and not _acceptable_hash(credential.secret_hash):
        checker.fail(f"{path}.secret_hash", "must be an argon2id hash in its encoded form")


def _acceptable_hash(encoded: str) -> bool:
    """Whether verifying against the hash is possible, and cheap enough to do for a caller."""
    try:
        parameters = argon2.extract_parameters(encoded)
    except argon2.exceptions.InvalidHashError:
        return False
    cheap = (
        parameters.memory_cost <= 262_144
        and parameters.time_cost <= 10
        and parameters.parallelism <= 16
    )
    return parameters.type is argon2.Type.ID and cheap


def _promotion(checker: Checker, promotion: catalog_pb2.Promotion, path: str) -> None:
    limits, limits_path = promotion.limits, f"{path}.limits"
    for name in (
        "redemptions_total",
        "redemptions_per_customer",
        "redemptions_per_code",
        "redemptions_per_transaction",
    ):
        if limits.HasField(name):
            value = getattr(limits, name)
            checker.between(f"{limits_path}.{name}.limit", value.limit, 1, COUNT_LIMIT_MAX)
            windowed = name in ("redemptions_total", "redemptions_per_customer")
            if value.window and not windowed:
                window = catalog_pb2.LimitWindow.Name(value.window).removeprefix("LIMIT_WINDOW_")
                checker.fail(f"{limits_path}.{name}.window", f"is not possible here: {window}")
    if limits.HasField("discount_total") and not limits.discount_total.HasField("limit"):
        checker.fail(f"{limits_path}.discount_total.limit", "is required")
    _order(checker, promotion, "starts_at", "ends_at", path)
    _policies(checker, promotion, path)


def _policies(checker: Checker, message: Any, path: str) -> None:
    list_path = f"{path}.reversal_policies"
    checker.unique(list_path, message.reversal_policies, "reason", lambda policy: policy.reason)
    for item_path, policy in paths.indexed(list_path, message.reversal_policies):
        checker.present(f"{item_path}.reason", policy.reason)


def _series(checker: Checker, series: catalog_pb2.CouponSeries, path: str) -> None:
    checker.present(f"{path}.discount_type", series.discount_type)
    if not series.HasField("discount_value"):
        checker.fail(f"{path}.discount_value", "is required")
    _percentage(checker, series, path)
    for name in ("max_redemptions", "max_redemptions_per_coupon", "max_redemptions_per_customer"):
        checker.between(f"{path}.{name}", getattr(series, name), 0, COUNT_LIMIT_MAX)
    for name in ("min_days_between_redemptions", "redeemable_after_days"):
        checker.between(f"{path}.{name}", getattr(series, name), 0, DAYS_MAX)
    for name, lowest, highest in (
        ("redeemable_days_of_week", 1, 7),
        ("redeemable_days_of_month", 1, 31),
        ("redeemable_hours", 0, 23),
    ):
        for item_path, value in paths.indexed(f"{path}.{name}", getattr(series, name)):
            checker.between(item_path, value, lowest, highest)
    _order(checker, series, "valid_from", "valid_until", path)
    if series.HasField("min_amount") and series.HasField("max_amount"):
        _amount_order(checker, series, path)
    _policies(checker, series, path)


def _percentage(checker: Checker, series: catalog_pb2.CouponSeries, path: str) -> None:
    if series.discount_type != coupon_redemption_pb2.DISCOUNT_TYPE_PERC:
        return
    shown = series.discount_value.value
    try:
        above = parse_micros(shown or "0") > 100 * MICROS_PER_UNIT
    except DecimalError:
        return  # reported with the field
    if above:
        checker.fail(f"{path}.discount_value", f"must be at most 100 percent, not {shown}")


def _amount_order(checker: Checker, series: catalog_pb2.CouponSeries, path: str) -> None:
    try:
        reversed_ = parse_micros(series.min_amount.value) > parse_micros(series.max_amount.value)
    except DecimalError:
        return  # reported with the field
    if reversed_:
        shown = series.max_amount.value
        checker.fail(f"{path}.max_amount", f"must not be below min_amount, as {shown} is")


def _order(checker: Checker, message: Any, first: str, last: str, path: str) -> None:
    if message.HasField(first) and message.HasField(last):
        start, end = getattr(message, first), getattr(message, last)
        if (end.seconds, end.nanos) <= (start.seconds, start.nanos):
            checker.fail(f"{path}.{last}", f"must be after {first}, not {end.ToJsonString()}")


def _code(checker: Checker, path: str, code: str, forbidden: str = "") -> None:
    checker.present(path, code)
    if any(character.isspace() or character in forbidden for character in code):
        or_comma = " or a comma" if forbidden else ""
        checker.fail(path, f"must not contain white space{or_comma}, not {code!r}")


def _optional_id(checker: Checker, path: str, value: int) -> None:
    if value < 0:
        checker.fail(path, f"must be a positive integer, not {value}")


def _known_zone(name: str) -> bool:
    try:
        ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        return False
    return True


def _known_region(region: str) -> bool:
    import phonenumbers  # late: its metadata costs start-up time

    return region in phonenumbers.SUPPORTED_REGIONS
