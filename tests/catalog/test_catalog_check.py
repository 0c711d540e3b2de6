"""A bad value in a catalog is named by its path and itself, and nothing of it is applied."""

from typing import Any

import argon2
import pytest

from tests.catalog.state import organization, refusal
from tests.support import catalogs
from tests.support.desk import Desk

AT = "catalog.organizations[0]"
CODE_A = {"id": "c1", "code": "A"}
HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x")


def wrong(case: str, path: str, shown: str, /, **changes: Any) -> Any:
    return pytest.param(changes, path, shown, id=case)


def of_promotion(case: str, path: str, shown: str, /, **changes: Any) -> Any:
    promotions = [catalogs.promotion(**changes)]
    return wrong(case, f"promotions[0].{path}", shown, promotions=promotions)


def of_series(case: str, path: str, shown: str, /, **changes: Any) -> Any:
    series = [catalogs.series(**changes)]
    return wrong(case, f"coupon_series[0].{path}", shown, coupon_series=series)


def of_credential(case: str, path: str, shown: str, /, **changes: Any) -> Any:
    credentials = [{**catalogs.CREDENTIAL, **changes}]
    return wrong(case, f"credentials[0].{path}", shown, credentials=credentials)


BAD_VALUES = [
    wrong("organisation 0", "id", "0", id=0),
    wrong("organisation below 0", "id", "-1", id=-1),
    wrong("region", "region", "'XX'", region="XX"),
    wrong("zone", "time_zone", "'Asia/Atlantis'", time_zone="Asia/Atlantis"),
    wrong("zone as a path", "time_zone", "'../UTC'", time_zone="../UTC"),
    wrong("rate", "rate_limit_per_minute", "-1", rate_limit_per_minute=-1),
    wrong("till 0", "tills[1].id", "0", tills=[{"id": 1, "code": "a"}, {"id": 0, "code": "b"}]),
    wrong("till without code", "tills[0].code", "required", tills=[{"id": 1}]),
    wrong("product without sku", "products[0].sku", "required", products=[{"id": 1}]),
    wrong("mobile", "customers[0].mobile", "'call me'", customers=[{"id": 1, "mobile": "call me"}]),
    wrong("too long", "name", "251", name="x" * 251),
    wrong("NUL", "name", "NUL", name="a\0b"),
    of_promotion("no id", "id", "required", id=""),
    of_promotion("limit 0", "limits.redemptions_total.limit", "0", limits={"redemptions_total": 0}),
    of_promotion(
        "limit too high",
        "limits.redemptions_total.limit",
        "1000000000000001",
        limits={"redemptions_total": 10**15 + 1},
    ),
    of_promotion(
        "discount limit",
        "limits.discount_total.limit",
        "'-5'",
        limits={"discount_total": "-5"},
    ),
    of_promotion("code without id", "codes[0].id", "required", codes=[{"code": "C"}]),
    of_promotion("no code", "codes[0].code", "required", codes=[{"id": "c"}]),
    of_promotion("code id twice", "codes[1].id", "'c1'", codes=[CODE_A, {**CODE_A, "code": "B"}]),
    of_promotion("code twice", "codes[1].code", "'a'", codes=[CODE_A, {"id": "c2", "code": "a"}]),
    wrong(
        "series without type",
        "coupon_series[0].discount_type",
        "required",
        coupon_series=[{"id": 1, "discount_value": "1"}],
    ),
    wrong(
        "series without value",
        "coupon_series[0].discount_value",
        "required",
        coupon_series=[{"id": 1, "discount_type": "ABS"}],
    ),
    of_series("bad amount", "min_amount", "'1e99'", min_amount="1e99"),
    of_series("seven decimals", "discount_value", "'1.0000001'", discount_value="1.0000001"),
    of_series("gap", "min_days_between_redemptions", "36501", min_days_between_redemptions=36_501),
    of_series("wait", "redeemable_after_days", "-1", redeemable_after_days=-1),
    of_series("day", "redeemable_days_of_month[1]", "32", redeemable_days_of_month=[1, 32]),
    of_series("hour", "redeemable_hours[0]", "24", redeemable_hours=[24]),
    of_series("limit", "max_redemptions", "-1", max_redemptions=-1),
    of_series("coupon twice", "coupons[1].code", "'a'", coupons=[{"code": "a"}, {"code": "A"}]),
    of_series(
        "coupon's customer", "coupons[0].customer", "-1", coupons=[{"code": "a", "customer": -1}]
    ),
    of_credential("no key", "key", "required", key=""),
    of_credential("no secret", "secret", "required", secret=""),
    of_credential("both", "secret", "one of the two", secret_hash=HASH),
    of_credential("no hash", "secret_hash", "argon2id", secret="", secret_hash="plain"),
    wrong(
        "dangling customer of a code",
        "promotions[0].codes[0].customer",
        "999",
        promotions=[catalogs.promotion(codes=[{**CODE_A, "customer": 999}])],
    ),
    of_series(
        "dangling customer", "coupons[0].customer", "999", coupons=[{"code": "a", "customer": 999}]
    ),
    of_series("dangling till", "tills[1]", "'till-9'", tills=["till-1", "till-9"]),
    of_credential("dangling till", "till", "'till-9'", till="till-9"),
    wrong(
        "dangling promotion",
        "earned_promotions[0].promotion",
        "'p9'",
        earned_promotions=[{"id": "e", "promotion": "p9", "customer": 501}],
    ),
    wrong(
        "dangling customer of an earned promotion",
        "earned_promotions[0].customer",
        "999",
        promotions=[catalogs.promotion()],
        earned_promotions=[{"id": "e", "promotion": "p1", "customer": 999}],
    ),
    of_promotion(
        "window of a limit per code",
        "limits.redemptions_per_code.window",
        "DAY",
        limits={"redemptions_per_code": {"limit": 1, "window": "DAY"}},
    ),
    of_promotion(
        "ends before it starts",
        "ends_at",
        "2025-01-01",
        starts_at="2026-01-01T00:00:00Z",
        ends_at="2025-01-01T00:00:00Z",
    ),
    of_promotion("comma in a code", "codes[0].code", "A,B", codes=[{"id": "c", "code": "A,B"}]),
    of_series("space in a code", "coupons[0].code", "A B", coupons=[{"code": "A B"}]),
    of_series("percentage", "discount_value", "150", discount_type="PERC", discount_value="150"),
    of_series("range upside down", "max_amount", "99", min_amount="100", max_amount="99"),
    of_credential("colon in a key", "key", "a:b", key="a:b"),
]


@pytest.mark.provokes("FIELD_INVALID")
@pytest.mark.parametrize(("changes", "path", "shown"), BAD_VALUES)
async def test_a_bad_value_is_named_by_path_and_value(
    one_desk: Desk, changes: dict[str, Any], path: str, shown: str
) -> None:
    violations = await refusal(one_desk, organization(**changes))
    assert list(violations) == [f"{AT}.{path}"]
    assert shown in violations[f"{AT}.{path}"]
