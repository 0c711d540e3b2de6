"""Random catalogs, and random requests that look for trouble in them."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from redemption_server.rules.commands import Caller, Command, CouponCustomer

from tests.support import catalogs
from tests.support.clock import ODD_DATE
from tests.support.desk import coupon, coupons, promotions, use

CODES = ("A1", "A2", "B1")
_INSTANTS = tuple(
    (ODD_DATE + timedelta(milliseconds=ms)).isoformat()
    for ms in (-86_400_000, -1, 0, 1, 86_400_000)
)
Values = dict[str, Any]


def _some(most: int, **fields: Any) -> st.SearchStrategy[Values]:
    """At most so many of these fields, each with one of its values."""
    pairs = [(name, value) for name, values in fields.items() for value in values]
    chosen = st.lists(st.sampled_from(pairs), max_size=most, unique_by=lambda pair: pair[0])
    return chosen.map(dict).map(_with_good_order)


def _with_good_order(fields: Values) -> Values:
    """Without the last of two bounds where it does not lie behind the first."""
    for first, last in (("valid_from", "valid_until"), ("starts_at", "ends_at")):
        if first in fields and last in fields and fields[first] >= fields[last]:
            del fields[last]
    if "min_amount" in fields:
        fields.pop("max_amount", None)
    return fields


_limits = st.dictionaries(
    st.sampled_from(
        (
            "redemptions_total",
            "redemptions_per_customer",
            "redemptions_per_code",
            "redemptions_per_transaction",
            "discount_total",
        )
    ),
    st.integers(1, 3),
    max_size=2,
)
_promotion = st.tuples(
    _some(
        1,
        active=(False,),
        starts_at=_INSTANTS,
        ends_at=_INSTANTS,
        over_limit=("REFUSE", "RECORD"),
    ),
    _limits,
)
_series = _some(
    3,
    valid_from=_INSTANTS[:4],
    valid_until=_INSTANTS[1:],
    any_user=(True, True, False),
    validation_required=(True,),
    transaction_number_required=(True,),
    min_amount=("100.5",),
    max_amount=("99.5",),
    max_redemptions=(1, 2),
    max_redemptions_per_coupon=(1, 2, "unlimited"),
    max_redemptions_per_customer=(1, 2),
    same_customer_may_repeat=(True,),
    min_days_between_redemptions=(1,),
    redeemable_after_days=(1,),
    redeemable_days_of_week=(["TUE"], ["WED"]),
    redeemable_days_of_month=([4], [5]),
    redeemable_hours=([5], [6]),
    tills=(["till-1"], ["till-2"]),
)
_coupon = _some(
    2,
    customer=(501, 502),
    issued_at=_INSTANTS[:3],
    valid_until=_INSTANTS,
    validation_code=("right",),
    revoked=(True,),
)


def _organization(
    promotion: tuple[Values, Values],
    series: list[Values],
    stock: list[Values],
    status: str,
    *,
    enabled: bool,
) -> Values:
    changes, limits = promotion
    codes = [{"id": f"{name}1", "code": f"{name}1"} for name in ("p", "q")]
    first, second, third = (
        {"code": code, **fields} for code, fields in zip(CODES, stock, strict=True)
    )
    whole = catalogs.organization(
        credentials=[],
        redemption_without_evaluation=enabled,
        promotions=[
            catalogs.promotion("p", limits=limits, codes=codes[:1], **changes),
            catalogs.promotion("q", codes=codes[1:]),
        ],
        coupon_series=[
            catalogs.series(1, **{**series[0], "coupons": [first, second]}),
            catalogs.series(2, **{**series[1], "coupons": [third]}),
        ],
    )
    whole["customers"][1]["status"] = status
    return whole


organizations = st.builds(
    _organization,
    _promotion,
    st.lists(_series, min_size=2, max_size=2),
    st.lists(_coupon, min_size=3, max_size=3),
    st.sampled_from(("ACTIVE", "ACTIVE", "ACTIVE", "FRAUD", "BLOCKED")),
    enabled=st.sampled_from((True, True, True, True, False)),
)
"""An organisation with a promotion and two series that have odd rules and tight limits."""

_keys = st.sampled_from(("", "k1", "k2"))
_customers = st.sampled_from((501, 501, 501, 502, 999))
_coupon_use = st.builds(
    lambda code, customer, fields: coupon(
        code, customer=CouponCustomer(customer_id=customer), **fields
    ),
    st.sampled_from((*CODES, *CODES, "a1", "GONE", "")),
    st.sampled_from((501, 501, 501, 502, 502, 999, 0)),
    _some(2, amount=("100", "ten"), transaction_number=("n1",), validation_code=("right", "bad")),
)
_promotion_use = st.builds(
    lambda name, fields: use(name, **fields),
    st.sampled_from(("p", "p", "p", "q", "q", "gone")),
    _some(1, promo_code=("p1", "P1", "gone"), redemption_count=(2,), discount=(2_000_000,)),
)
some_coupons = st.tuples(
    st.just("coupons"), _keys, st.lists(_coupon_use, min_size=1, max_size=4), st.booleans()
)
some_promotions = st.tuples(
    st.just("promotions"), _keys, st.lists(_promotion_use, min_size=1, max_size=3), _customers
)
requests = st.lists(
    st.tuples(st.one_of(some_coupons, some_promotions), st.sampled_from((0, 0, 1, 86_400_000))),
    min_size=1,
    max_size=6,
)
"""Requests, each with the milliseconds that pass before it comes."""


def command_of(request: tuple[Any, ...], org_id: int, unkeyed: str, clock: Any) -> Command:
    """The command in a request to an organisation; without a key of its own it gets `unkeyed`."""
    kind, key, uses, detail = request
    caller = Caller(org_id, catalogs.KEY, catalogs.TILL, "till-1")
    if kind == "coupons":
        return coupons(unkeyed, *uses, request_id=key, atomic=detail, caller=caller)
    return promotions(
        clock.now,
        *uses,
        caller=caller,
        customer_id=detail,
        transaction_identifier=key or unkeyed,
    )
