"""Item codes and messages of surface C, by reason (contract section 6)."""

from collections.abc import Mapping

Item = tuple[int, str]

SUCCESS: Item = (700, "Coupon processing successful")
_FAILED: Item = (709, "Coupon processing failed")
_NO_CUSTOMER: Item = (
    701,
    "The customer could not be found. Please check mobile, email, external id passed",
)
_REPEATED: Item = (716, "Cannot redeem same Coupon multiple times")
_DATE_INVALID: Item = (739, "Allowed redemption date is invalid")
_AMOUNT_INVALID: Item = (733, "Invalid transaction amount")

ITEMS: dict[str, Item] = {
    "CODE_REQUIRED": (702, "Coupon code is invalid"),
    "AMOUNT_INVALID": _AMOUNT_INVALID,
    "CUSTOMER_NOT_FOUND": _NO_CUSTOMER,
    "CUSTOMER_REQUIRED": _NO_CUSTOMER,
    "CUSTOMER_FRAUD": (740, "Fraud customer"),
    "CUSTOMER_BLOCKED": (742, "Issue and redemption blocked for the customer"),
    "CODE_NOT_FOUND": (719, "Coupon code does not exist"),
    "COUPON_REPEATED": _REPEATED,
    "COUPON_REVOKED": (660, "Coupon code has been revoked"),
    "SERIES_EXPIRED": (712, "Coupon Series / Campaign has expired"),
    "COUPON_EXPIRED": (713, "Coupon has expired"),
    "SERIES_NOT_STARTED": _DATE_INVALID,
    "COUPON_TOO_EARLY": _DATE_INVALID,
    "TIME_NOT_ALLOWED": (729, "Invalid redemption range For coupon series"),
    "COUPON_NOT_OWNED": (703, "Coupon not issued to this customer"),
    "TILL_NOT_ALLOWED": (735, "Invalid store"),
    "TRANSACTION_NUMBER_REQUIRED": (718, "Transaction number needed for redemption"),
    "VALIDATION_CODE_REQUIRED": (725, "Validation code required"),
    "VALIDATION_CODE_WRONG": (705, "Both coupon code and the validation code are invalid"),
    "AMOUNT_OUT_OF_RANGE": _AMOUNT_INVALID,
    "COUPON_TOO_SOON": (738, "Allowed redemption gap is invalid"),
    "BATCH_FAILED": (749, "Failed because others in the batch failed"),
}

LIMIT_ITEMS: dict[str, Item] = {
    "coupon": (696, "Redemption per coupon code limit has reached max limit"),
    "customer": (736, "Allowed redemption consumed"),
    "series": (714, "Maximum number of redemptions reached"),
}
_SINGLE_USE: Item = (711, "Coupon is already used")


def item_status(reason: str, metadata: Mapping[str, str]) -> Item:
    """Code and message of a failed coupon."""
    if reason != "LIMIT_REACHED":
        return ITEMS.get(reason, _FAILED)
    scope = metadata.get("scope", "")
    if scope == "coupon" and metadata.get("limit") == "1":
        return _SINGLE_USE
    return LIMIT_ITEMS.get(scope, _FAILED)
