"""Calls that must be refused, each for a reason of its own, by both doors."""

import random
from collections.abc import Callable
from typing import Any

from redemption.v1.outcome_service_pb2 import (
    OUTCOME_STATE_NOT_RECORDED,
    GetOutcomeRequest,
    GetOutcomeResponse,
)

from tests.soak import bad_frames, bad_http
from tests.soak.book import Book
from tests.soak.calls import Answer, Call, Check, one_of
from tests.soak.coupons import REDEEM as REDEEM_COUPONS
from tests.soak.coupons import CouponRequest, told_coupons
from tests.soak.good_calls import GENERATE_TOKEN, GET_OUTCOME
from tests.soak.offer import CUSTOMERS, FOREIGN, FULL, UNKNOWN, USED_COUPON
from tests.soak.sales import LIST, Lookup, Sale, told_lookup
from tests.soak.sales import REDEEM as REDEEM_SALE
from tests.soak.sender import Sender
from tests.support import catalogs
from tests.support.service import basic

_FOREIGN_CUSTOMER = CUSTOMERS[-1] + 1
_USE = {"code": "", "promotion_id": FULL}
_SALES: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown promotion": ({"promotion_id": UNKNOWN}, "404", "PROMOTION_NOT_FOUND"),
    "foreign promotion": ({"promotion_id": FOREIGN}, "404", "PROMOTION_NOT_FOUND"),
    "unknown customer": ({"customer_id": 10**9}, "404", "CUSTOMER_NOT_FOUND"),
    "foreign customer": ({"customer_id": _FOREIGN_CUSTOMER}, "404", "CUSTOMER_NOT_FOUND"),
    "unknown code": ({"code": UNKNOWN}, "404", "CODE_NOT_FOUND"),
    "foreign code": ({"code": FOREIGN}, "404", "CODE_NOT_FOUND"),
    "over the limit": ({**_USE, "times": 2}, "400", "LIMIT_REACHED"),
    "count of nothing": ({"times": 0}, "400", "FIELD_INVALID"),
    "no identifier": ({"identifier": ""}, "400", "FIELD_INVALID"),
    "identifier too long": ({"identifier": "x" * 251}, "400", "FIELD_INVALID"),
    "negative amount": ({"amount": -1}, "400", "FIELD_INVALID"),
}
"""How a good sale is changed, and the refusal over HTTP and gRPC."""
_COUPONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unknown coupon": ({"codes": (UNKNOWN,)}, ("719", "CODE_NOT_FOUND")),
    "used coupon": ({"codes": (USED_COUPON,)}, ("711", "716", "LIMIT_REACHED", "COUPON_REPEATED")),
    "coupon without a customer": ({"customer_id": 10**9}, ("701", "CUSTOMER_NOT_FOUND")),
}
"""How good coupons are changed, and why each of them then fails."""
_PATHS = (REDEEM_SALE, LIST, REDEEM_COUPONS, GET_OUTCOME, GENERATE_TOKEN)
_AT_HOME = ("Authorization", basic())


class BadCalls:
    """Draws calls that change nothing."""

    def __init__(self, chance: random.Random, book: Book) -> None:
        self._chance = chance
        self._book = book

    def draw(self) -> Call:
        """One call of any kind."""
        kinds, weights = list(_KINDS), [weight for weight, _ in _KINDS.values()]
        (kind,) = self._chance.choices(kinds, weights)
        call = _KINDS[kind][1](self)
        return call if call.kind else call._replace(kind=kind)

    def sale(self) -> Call:
        kind = self._chance.choice(list(_SALES))
        changes, *refusals = _SALES[kind]
        sale = self._book.draw_sale()._replace(**changes)
        return Call(kind, sale.ask(self._sender()), one_of(*refusals))

    def coupons(self) -> Call:
        kind = self._chance.choice(list(_COUPONS))
        changes, problems = _COUPONS[kind]
        sender = self._sender()
        request = self._book.draw_coupons()._replace(**changes)

        def check(answer: Answer) -> str:
            if answer.status not in ("OK", "200"):
                return answer.reason or answer.status
            results, _ = told_coupons(answer, by_http=sender.by_http)
            right = bool(results) and all(result.problem in problems for result in results)
            return "" if right else f"answered with {results}"

        return Call(kind, request.ask(sender), check)

    def no_coupons(self) -> Call:
        request = self._book.draw_coupons()._replace(codes=())
        return Call("", request.ask(self._sender()), one_of("400", "FIELD_INVALID"))

    def other_sale(self) -> Call:
        sale = self._book.recorded_sale()
        if sale is None:
            return self.sale()
        other = sale._replace(amount=sale.amount + 1)
        return Call("", other.ask(self._sender()), one_of("409", "TRANSACTION_CONFLICT"))

    def other_coupons(self) -> Call:
        request = self._book.recorded_coupons()
        if request is None:
            return self.coupons()
        other = request._replace(number="another")
        return Call("", other.ask(self._sender()), one_of("409", "REQUEST_CONFLICT"))

    def lookup(self) -> Call:
        sender = self._sender()
        code = self._chance.choice([UNKNOWN, FOREIGN])

        def check(answer: Answer) -> str:
            if answer.status not in ("OK", "404"):
                return answer.reason or answer.status
            found = told_lookup(answer, by_http=sender.by_http)
            return f"found {found}" if found.total else ""

        return Call("", Lookup(code, each=False).ask(sender), check)

    def no_credential(self) -> Call:
        return self._anything((), one_of("401", "UNAUTHENTICATED"))

    def forged_credential(self) -> Call:
        forged = self._chance.choice(["Bearer forged", "Basic %%%", "Digest a", "Bearer a.b.c"])
        return self._anything((("Authorization", forged),), one_of("401", "UNAUTHENTICATED"))

    def wrong_secret(self) -> Call:
        key = self._chance.choice([catalogs.KEY, catalogs.OTHER_KEY, "nobody"])
        # From ever new addresses, and often from one: both are what the throttle knows.
        last = self._chance.choice([1, self._chance.randrange(2, 250)])
        wrong = basic(key, self._book.draw_sale().identifier)
        headers = (("Authorization", wrong), ("X-Forwarded-For", f"10.9.8.{last}"))
        return self._anything(headers, one_of("401", "429", "UNAUTHENTICATED", "RATE_LIMITED"))

    def foreign_organisation(self) -> Call:
        foreign = ("X-CAP-API-AUTH-ORG-ID", str(catalogs.OTHER_ORG))
        return self._anything((_AT_HOME, foreign), one_of("403", "PERMISSION_DENIED"))

    def malformed_header(self) -> Call:
        header = self._chance.choice(
            [("X-CAP-API-AUTH-ORG-ID", "abc"), ("X-CAP-API-ATTRIBUTION-TILL-CODE", "none")]
        )
        return self._anything((_AT_HOME, header), one_of("400", "FIELD_INVALID"))

    def foreign_outcome(self) -> Call:
        identifier = self._book.old_sale().content.identifier
        request = GetOutcomeRequest(transaction_identifier=identifier)
        other = basic(catalogs.OTHER_KEY, catalogs.OTHER_SECRET)

        def check(answer: Answer) -> str:
            if answer.status != "OK":
                return answer.reason or answer.status
            state = GetOutcomeResponse.FromString(answer.body).state
            return "" if state == OUTCOME_STATE_NOT_RECORDED else "another organisation's is shown"

        sender = Sender(False, (("Authorization", other),))
        return Call("", sender.ask_grpc(GET_OUTCOME, request), check)

    def no_message(self) -> Call:
        garbage = b"\xff" + self._chance.randbytes(self._chance.randrange(100))
        ask = Sender(False).ask_grpc(self._chance.choice(_PATHS), garbage)
        return Call("", ask, one_of("FIELD_INVALID"))

    def empty_message(self) -> Call:
        return Call("", Sender(False).ask_grpc(GET_OUTCOME, b""), one_of("FIELD_INVALID"))

    def unknown_method(self) -> Call:
        path = self._chance.choice([f"{GET_OUTCOME}s", "/a/b", "/redemption.v2.Nothing/Get"])
        return Call("", Sender(False).ask_grpc(path, b""), one_of("UNIMPLEMENTED"))

    def http(self) -> Call:
        return bad_http.draw(self._chance, self._book.draw_sale())

    def frames(self) -> Call:
        return bad_frames.draw(self._chance, self._book)

    def _sender(self) -> Sender:
        return Sender(self._chance.random() < 0.5)

    def _anything(self, headers: tuple[tuple[str, str], ...], check: Check) -> Call:
        sender = self._sender()._replace(headers=headers)
        code, _ = self._book.recent_code()
        contents: tuple[Sale | CouponRequest | Lookup, ...] = (
            self._book.draw_sale(),
            self._book.draw_coupons(),
            Lookup(code, each=True),
        )
        return Call("", self._chance.choice(contents).ask(sender), check)


_KINDS: dict[str, tuple[float, Callable[[BadCalls], Call]]] = {
    "bad sale": (15, BadCalls.sale),
    "bad coupons": (6, BadCalls.coupons),
    "no coupons": (2, BadCalls.no_coupons),
    "other sale under its identifier": (5, BadCalls.other_sale),
    "other coupons under their key": (3, BadCalls.other_coupons),
    "lookup of an unknown code": (4, BadCalls.lookup),
    "no credential": (5, BadCalls.no_credential),
    "forged credential": (4, BadCalls.forged_credential),
    # Each costs an expensive hash, and from some number on a wait.
    "wrong secret": (0.5, BadCalls.wrong_secret),
    "foreign organisation": (4, BadCalls.foreign_organisation),
    "malformed header": (3, BadCalls.malformed_header),
    "outcome of a foreign sale": (3, BadCalls.foreign_outcome),
    "bytes that are no message": (5, BadCalls.no_message),
    "empty message": (2, BadCalls.empty_message),
    "unknown method": (3, BadCalls.unknown_method),
    "bad HTTP": (30, BadCalls.http),
    "bad frames": (6, BadCalls.frames),
}
"""What is drawn, and how often, of the sum of all."""
