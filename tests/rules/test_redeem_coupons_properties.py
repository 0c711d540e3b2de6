"""Properties of judging coupons, tried on many requests far from any database."""

import copy
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from redemption_server.ids import TimeOrderedIds
from redemption_server.rules import redeem_coupons
from redemption_server.rules.commands import CouponCustomer, CouponUse
from redemption_server.rules.facts import (
    Count,
    Coupon,
    CouponSeries,
    Customer,
    CustomerIdentifier,
    CustomerStatus,
    DiscountType,
    Facts,
    IdentifierKind,
    Organization,
    Scope,
)
from redemption_server.rules.outcomes import Granted, Outcome

from tests.rules.coupon_desk import GRANTED, reasons
from tests.support.clock import ODD_DATE
from tests.support.desk import coupon, coupons

CODES, CUSTOMERS = ("a", "b", "c"), (1, 2)
IDS = TimeOrderedIds()

limit = st.none() | st.integers(1, 3)


def a_series(
    per_coupon: int | None, per_customer: int | None, total: int | None, *, repeat: bool, gap: int
) -> CouponSeries:
    return CouponSeries(
        id=1,
        discount_code="NO_VALUE",
        discount_type=DiscountType.ABS,
        discount_value=1,
        discount_up_to=None,
        valid_from=None,
        valid_until=None,
        any_user=True,
        validation_required=False,
        transaction_number_required=False,
        min_amount=None,
        max_amount=None,
        max_redemptions=total,
        max_redemptions_per_coupon=per_coupon,
        max_redemptions_per_customer=per_customer,
        same_customer_may_repeat=repeat,
        min_days_between_redemptions=gap,
        redeemable_after_days=0,
        redeemable_days_of_week=frozenset(),
        redeemable_days_of_month=frozenset(),
        redeemable_hours=frozenset(),
        tills=frozenset(),
    )


def a_customer(number: int) -> Customer:
    return Customer(number, "", "", "", "", "", CustomerStatus.ACTIVE)


def facts_of(series: CouponSeries) -> Facts:
    organization = Organization(100, "IN", ZoneInfo("UTC"), True, False)
    customers = {
        CustomerIdentifier(IdentifierKind.ID, str(number)): a_customer(number)
        for number in CUSTOMERS
    }
    stock = {code: Coupon(code, 1, None, None, None, "", False) for code in CODES}
    return Facts(organization, customers=customers, coupons=stock, series={1: series})


def submit(facts: Facts, *uses: CouponUse, atomic: bool = False) -> Outcome:
    plan = redeem_coupons.prepare(coupons(IDS.record_id(), *uses, atomic=atomic), facts)
    for key in plan.counters():
        facts.usage.setdefault(key, Count())
    outcome = redeem_coupons.decide(plan, facts, ODD_DATE, IDS)
    if isinstance(outcome, Granted):
        outcome.apply(facts)
    return outcome


some_series = st.builds(a_series, limit, limit, limit, repeat=st.booleans(), gap=st.integers(0, 1))
some_use = st.builds(
    lambda code, customer: coupon(code, customer=CouponCustomer(customer_id=customer)),
    st.sampled_from((*CODES, "unknown")),
    st.sampled_from(CUSTOMERS),
)
some_requests = st.lists(st.lists(some_use, min_size=1, max_size=4), max_size=8)


@settings(max_examples=100, deadline=None)
@given(some_series, some_requests)
def test_no_counter_passes_its_limit_and_each_counts_what_was_granted(
    series: CouponSeries, requests: list[list[CouponUse]]
) -> None:
    facts = facts_of(series)
    granted = [
        use
        for uses in requests
        for use, found in zip(uses, reasons(submit(facts, *uses)), strict=True)
        if found == GRANTED
    ]
    limits = {
        Scope.COUPON: series.max_redemptions_per_coupon,
        Scope.COUPON_CUSTOMER: 1,
        Scope.SERIES: series.max_redemptions,
        Scope.SERIES_CUSTOMER: series.max_redemptions_per_customer,
    }
    for key, count in facts.usage.items():
        most = limits[key.scope]
        assert most is None or count.used <= most
        of_series = key.scope in (Scope.SERIES, Scope.SERIES_CUSTOMER)
        counted = [
            use
            for use in granted
            if (of_series or use.code_key == key.subject)
            and key.member in ("", str(use.customer.customer_id))
        ]
        assert count.used == len(counted)


@settings(max_examples=100, deadline=None)
@given(some_series, st.lists(some_use, min_size=1, max_size=4, unique_by=lambda u: u.code_key))
def test_a_request_is_judged_as_if_each_coupon_came_by_itself(
    series: CouponSeries, uses: list[CouponUse]
) -> None:
    together = reasons(submit(facts_of(series), *uses))
    facts = facts_of(series)
    alone = [reason for use in uses for reason in reasons(submit(facts, use))]
    assert together == alone


@settings(max_examples=100, deadline=None)
@given(some_series, some_requests, st.lists(some_use, min_size=1, max_size=4))
def test_an_atomic_request_redeems_all_or_nothing(
    series: CouponSeries, requests: list[list[CouponUse]], uses: list[CouponUse]
) -> None:
    facts = facts_of(series)
    for earlier in requests:
        submit(facts, *earlier)
    before = copy.deepcopy({key: count for key, count in facts.usage.items() if count.used})
    alone = reasons(submit(copy.deepcopy(facts), *uses))
    found = reasons(submit(facts, *uses, atomic=True))
    if all(reason == GRANTED for reason in alone):
        assert found == alone
    else:
        after = {key: count for key, count in facts.usage.items() if count.used}
        assert after == before
        assert found == ["BATCH_FAILED" if reason == GRANTED else reason for reason in alone]
