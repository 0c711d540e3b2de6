"""What requests demand, and the limits that hold it: from the catalog's plain values."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from redemption_server.rules.facts import CounterKey, Scope
from redemption_server.rules.normal import fold

MICROS = 1_000_000
_LIMITS = {
    "redemptions_total": Scope.PROMOTION,
    "redemptions_per_customer": Scope.PROMOTION_CUSTOMER,
    "redemptions_per_code": Scope.PROMOTION_CODE,
    "discount_total": Scope.PROMOTION_DISCOUNT,
}


class Use(NamedTuple):
    """One use of a promotion; the discount is micro-units."""

    promotion_id: str
    redemption_count: int
    discount: int
    code_id: str = ""
    earned_promotion_id: str = ""
    on_line: bool = False


class Sale(NamedTuple):
    """A transaction with its uses, those on lines first; the amount is micro-units."""

    customer_id: int
    at: datetime
    amount: int
    uses: tuple[Use, ...]


class Coupon(NamedTuple):
    """One coupon in the hands of a customer."""

    code_key: str
    customer_id: int


class Limit(NamedTuple):
    """A limit, in all or for each day; one that records counts on beyond it."""

    limit: int
    daily: bool = False
    records: bool = False


class Limits:
    """The limits of an organisation, from the plain values that its catalog was made of."""

    def __init__(self, *catalogs: dict[str, Any]) -> None:
        self.callers: set[str] = set()
        self._limits: dict[tuple[Scope, str], Limit] = {}
        self._series: dict[str, str] = {}
        for catalog in catalogs:
            self.add(catalog)

    def add(self, catalog: dict[str, Any]) -> None:
        """More of the catalog."""
        self._zone = ZoneInfo(catalog.get("time_zone", "UTC"))
        self.callers |= {credential["key"] for credential in catalog.get("credentials", ())}
        for promotion in catalog.get("promotions", ()):
            self._add_promotion(promotion)
        for earned in catalog.get("earned_promotions", ()):
            self._limits[Scope.EARNED_PROMOTION, earned["id"]] = Limit(1)
        for series in catalog.get("coupon_series", ()):
            self._add_series(series)

    def _add_promotion(self, promotion: dict[str, Any]) -> None:
        records = promotion.get("over_limit") == "RECORD"
        for name, given in promotion.get("limits", {}).items():
            limit = given if isinstance(given, dict) else {"limit": given}
            unit = MICROS if name == "discount_total" else 1
            self._limits[_LIMITS[name], promotion["id"]] = Limit(
                int(limit["limit"]) * unit, limit.get("window") == "DAY", records
            )

    def _add_series(self, series: dict[str, Any]) -> None:
        series_id = str(series["id"])
        per_coupon = series.get("max_redemptions_per_coupon", 1)
        for scope, name in (
            (Scope.SERIES, "max_redemptions"),
            (Scope.SERIES_CUSTOMER, "max_redemptions_per_customer"),
        ):
            if name in series:
                self._limits[scope, series_id] = Limit(series[name])
        for coupon in series["coupons"]:
            key = fold(coupon["code"])
            self._series[key] = series_id
            if per_coupon != "unlimited":
                self._limits[Scope.COUPON, key] = Limit(per_coupon)
            if not series.get("same_customer_may_repeat"):
                self._limits[Scope.COUPON_CUSTOMER, key] = Limit(1)

    def of(self, key: CounterKey) -> Limit | None:
        """The limit that a counter is for; None when the catalog has none."""
        return self._limits.get((key.scope, key.subject))

    def sale_demand(self, sale: Sale) -> Counter[CounterKey]:
        """What a sale asks of each counter."""
        return sum(self.sale_demands(sale).values(), Counter[CounterKey]())

    def sale_demands(self, sale: Sale) -> dict[str, Counter[CounterKey]]:
        """What a sale asks of each counter, by promotion."""
        demands: dict[str, Counter[CounterKey]] = defaultdict(Counter)
        for use in sale.uses:
            demand = demands[use.promotion_id]
            for scope, member, amount in (
                (Scope.PROMOTION, "", use.redemption_count),
                (Scope.PROMOTION_CUSTOMER, str(sale.customer_id), use.redemption_count),
                (Scope.PROMOTION_CODE, use.code_id, use.redemption_count),
                (Scope.PROMOTION_DISCOUNT, "", use.discount),
            ):
                limit = self._limits.get((scope, use.promotion_id))
                if limit:
                    start = sale.at.astimezone(self._zone).toordinal() if limit.daily else 0
                    demand[CounterKey(scope, use.promotion_id, member, start)] += amount
            if use.earned_promotion_id:
                demand[CounterKey(Scope.EARNED_PROMOTION, use.earned_promotion_id)] += 1
        return demands

    def coupon_demand(self, *coupons: Coupon) -> Counter[CounterKey]:
        """What coupons ask of each counter."""
        demand: Counter[CounterKey] = Counter()
        for code_key, customer_id in coupons:
            for scope, subject, member in (
                (Scope.COUPON, code_key, ""),
                (Scope.COUPON_CUSTOMER, code_key, str(customer_id)),
                (Scope.SERIES, self._series[code_key], ""),
                (Scope.SERIES_CUSTOMER, self._series[code_key], str(customer_id)),
            ):
                if (scope, subject) in self._limits:
                    demand[CounterKey(scope, subject, member)] += 1
        return demand

    def have_room(self, used: Mapping[CounterKey, int], demand: Mapping[CounterKey, int]) -> bool:
        """Whether a demand fits on top of what is used; limits that record always have room."""
        for key, amount in demand.items():
            limit = self.of(key)
            if limit and not limit.records and used.get(key, 0) + amount > limit.limit:
                return False
        return True
