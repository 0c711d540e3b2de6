"""What coupon requests must be answered, judged by looking through all that was redeemed.

Slow and simple on purpose: it reads the catalog as it was written, and shares nothing with the
rules that it is compared with.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.model.machine import GRANTED, REFUSED, REPLAYED, Returned, Verdict, comes_back
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER

JUDGED = "JUDGED"
PER_COUPON = "max_redemptions_per_coupon"
PER_CUSTOMER = "max_redemptions_per_customer"
IN_ALL = "max_redemptions"
UNLIMITED = "unlimited"
Why = tuple[str, ...]
Counted = tuple[str, str, str, int]

_PARTS = {"coupon": "code", "repeat": "customer", "series": "budget", "customer": "customer"}
"""With which part of what comes back a counter gets its use back."""

NO_WINDOW = 0
NOBODY = 0
WHO = {
    "one": CUSTOMER,
    "one by mobile": CUSTOMER,
    "two": OTHER_CUSTOMER,
    "two by card": OTHER_CUSTOMER,
    "a stranger": NOBODY,
    "": NOBODY,
}
"""How requests name customers, and whom they mean."""


class Ask(NamedTuple):
    """One coupon of a request."""

    code: str
    who: str


class Request(NamedTuple):
    """A request; its `key` is sent if it is `keyed`."""

    key: str
    keyed: bool
    atomic: bool
    asks: tuple[Ask, ...]


class Redemption(NamedTuple):
    key: str
    code: str
    series: int
    customer: int
    at: datetime


class Record(NamedTuple):
    request: Request
    results: tuple[Why, ...]
    redemptions: tuple[Redemption, ...]


class Undo(NamedTuple):
    """A reversal of redemptions."""

    key: str
    redemptions: tuple[Redemption, ...]
    reason: str


class Undone(NamedTuple):
    """A recorded reversal: what came back for each of its redemptions."""

    request: Undo
    at: datetime
    returned: tuple[Returned, ...]


class CouponModel:
    """`series` are those of the catalog, as they were written last."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self.series: dict[int, dict[str, Any]] = {}
        self.recorded: Mapping[str, Record | Undone] = {}

    def judge(self, request: Request | Undo, now: datetime) -> Verdict:
        return self._undo(request, now) if isinstance(request, Undo) else self._redeem(request, now)

    def _undo(self, request: Undo, now: datetime) -> Verdict:
        recorded = self.recorded.get(request.key)
        if isinstance(recorded, Undone):
            same = recorded.request == request
            return Verdict((REPLAYED,) if same else (REFUSED, "REQUEST_CONFLICT"))
        if set(request.redemptions) & self.returned().keys():
            return Verdict((REFUSED, "REDEMPTION_REVERSED"))
        returned = tuple(
            comes_back(self.series[one.series], request.reason) for one in request.redemptions
        )
        return Verdict((GRANTED, *returned), Undone(request, now, returned))

    def returned(self) -> dict[Redemption, Returned]:
        """What came back for the redemptions that are reversed."""
        return {
            one: returned
            for undone in self.recorded.values()
            if isinstance(undone, Undone)
            for one, returned in zip(undone.request.redemptions, undone.returned, strict=True)
        }

    def _redeem(self, request: Request, now: datetime) -> Verdict:
        recorded = self.recorded.get(request.key)
        if isinstance(recorded, Record):
            same = recorded.request == request
            return Verdict((REPLAYED, *recorded.results) if same else (REFUSED, "REQUEST_CONFLICT"))
        results: list[Why] = []
        redeemed: list[Redemption] = []
        for position, ask in enumerate(request.asks):
            before = [earlier.code.lower() for earlier in request.asks[:position]]
            found = next(self._violations(ask, before, [*self.redemptions(), *redeemed], now), None)
            results.append(found or (GRANTED,))
            if found is None:
                series, coupon = self._find(ask.code)
                redeemed.append(
                    Redemption(request.key, coupon["code"].lower(), series["id"], WHO[ask.who], now)
                )
        if request.atomic and len(redeemed) < len(results):
            redeemed = []
            results = [("BATCH_FAILED",) if found == (GRANTED,) else found for found in results]
        if not redeemed:
            return Verdict((JUDGED, *results))
        return Verdict((GRANTED, *results), Record(request, tuple(results), tuple(redeemed)))

    def redemptions(self) -> list[Redemption]:
        """All that was redeemed."""
        return [
            one
            for record in self.recorded.values()
            if isinstance(record, Record)
            for one in record.redemptions
        ]

    def counted(self) -> dict[Counted, tuple[int, datetime]]:
        """What each limit that exists has counted, and when it last did."""
        found: dict[Counted, tuple[int, datetime]] = {}
        returned = self.returned()
        for one in self.redemptions():
            for where in self._counted_in(one):
                stands = _PARTS[where[0]] not in returned.get(one, ())
                # Until when a customer must wait counts from what stands, else any use is one.
                if stands or where[0] != "customer":
                    used, last = found.get(where, (0, one.at))
                    found[where] = used + stands, max(last, one.at)
        return found

    def _find(self, code: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """A series and its coupon of that code; both empty if there is none."""
        for series in self.series.values():
            for coupon in series["coupons"]:
                if coupon["code"].lower() == code.lower():
                    return series, coupon
        return {}, {}

    def _violations(
        self, ask: Ask, before: Sequence[str], redeemed: Sequence[Redemption], now: datetime
    ) -> Iterator[Why]:
        """What is wrong with a coupon; only the first one counts.

        `before` are the codes before it in the request.
        """
        customer = WHO[ask.who]
        series, coupon = self._find(ask.code)
        if not ask.code:
            yield ("CODE_REQUIRED",)
        if customer == NOBODY:
            yield ("CUSTOMER_NOT_FOUND" if ask.who else "CUSTOMER_REQUIRED",)
        if not coupon:
            yield "CODE_NOT_FOUND", ask.code
        if ask.code.lower() in before:
            yield ("COUPON_REPEATED",)
        if coupon["revoked"]:
            yield ("COUPON_REVOKED",)
        for what, reason in ((series, "SERIES_EXPIRED"), (coupon, "COUPON_EXPIRED")):
            if now >= datetime.fromisoformat(what["valid_until"]):
                yield (reason,)
        if not series["any_user"] and coupon["customer"] != customer:
            yield ("COUPON_NOT_OWNED",)
        of_series = [one for one in redeemed if one.series == series["id"]]
        own = [one for one in self._without("customer", of_series) if one.customer == customer]
        again = any(one.code == ask.code.lower() for one in own)
        if again and not series["same_customer_may_repeat"]:
            yield ("COUPON_REPEATED",)
        with_code = [one for one in redeemed if one.code == ask.code.lower()]
        yield from _used_up(series[PER_COUPON], "coupon", self._without("code", with_code))
        yield from self._too_soon(series, own, now)
        yield from _used_up(series[PER_CUSTOMER], "customer", own)
        yield from _used_up(series[IN_ALL], "series", self._without("budget", of_series))

    def _without(self, part: str, redeemed: Sequence[Redemption]) -> list[Redemption]:
        """Those of which a part did not come back."""
        returned = self.returned()
        return [one for one in redeemed if part not in returned.get(one, ())]

    def _too_soon(
        self, series: dict[str, Any], own: Sequence[Redemption], now: datetime
    ) -> Iterator[Why]:
        gap = series["min_days_between_redemptions"]
        if gap and own:
            first = max(map(self._day, (one.at for one in own))) + timedelta(days=gap)
            if self._day(now) < first:
                yield "COUPON_TOO_SOON", first.isoformat()

    def _day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.zone)).date()

    def _counted_in(self, one: Redemption) -> Iterator[Counted]:
        """The limits that count a redemption, and for what."""
        series = self.series[one.series]
        series_id, customer = str(one.series), str(one.customer)
        if series[PER_COUPON] != UNLIMITED:
            yield "coupon", one.code, "", NO_WINDOW
        if not series["same_customer_may_repeat"]:
            yield "repeat", one.code, customer, NO_WINDOW
        if series[IN_ALL] != UNLIMITED:
            yield "series", series_id, "", NO_WINDOW
        if series[PER_CUSTOMER] != UNLIMITED or series["min_days_between_redemptions"]:
            yield "customer", series_id, customer, NO_WINDOW


def _used_up(limit: int | str, scope: str, redeemed: Sequence[Redemption]) -> Iterator[Why]:
    used = len(redeemed)
    if isinstance(limit, int) and used >= limit:
        yield "LIMIT_REACHED", scope, str(limit), str(used), "1"
