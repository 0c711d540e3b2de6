"""Calls that are in order, with the answers that they must get."""

import json
import random
import time
from collections import deque
from collections.abc import Callable

from grpc_health.v1 import health_pb2
from redemption.v1.outcome_service_pb2 import (
    OUTCOME_STATE_RECORDED,
    GetOutcomeRequest,
    GetOutcomeResponse,
)
from redemption.v1.token_service_pb2 import GenerateTokenRequest, GenerateTokenResponse

from tests.gateway.raw_http import get
from tests.soak.book import Book, Known
from tests.soak.calls import Answer, Call, HttpAsk, one_of
from tests.soak.coupons import CouponRequest, Redeemed, coupons_in, told_coupons
from tests.soak.offer import CUSTOMERS, USED_COUPON
from tests.soak.sales import Found, Lookup, Sale, sale_in, told_lookup, told_sale
from tests.soak.sender import Sender, over_http
from tests.support import catalogs
from tests.support.service import basic

GET_OUTCOME = "/redemption.v1.OutcomeService/GetOutcome"
GENERATE_TOKEN = "/redemption.v1.TokenService/GenerateToken"
TOKEN_PATH = "/v3/oauth/token/generate"
_TOKEN_SECONDS = 120
_GRANTED = ("OK", "200")


class GoodCalls:
    """Draws calls, and tells the book what their answers say."""

    def __init__(self, chance: random.Random, book: Book) -> None:
        self._chance = chance
        self._book = book
        self._tokens: deque[tuple[str, float]] = deque(maxlen=3)

    def before_all(self) -> list[Call]:
        """Calls that others rely on: a coupon is used up, and both credentials are known."""
        used = Known(CouponRequest("used", CUSTOMERS[0], (USED_COUPON,), "bill-1"))
        other = basic(catalogs.OTHER_KEY, catalogs.OTHER_SECRET)
        sender = Sender(False, (("Authorization", other),))
        nothing = sender.ask_grpc(GET_OUTCOME, GetOutcomeRequest(request_id="nothing"))
        return [
            self._redeem_coupons(used)._replace(kind="first coupon"),
            Call("first question", nothing, one_of("OK")),
        ]

    def draw(self) -> Call:
        """One call of any kind."""
        (kind,) = self._chance.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()])
        return _KINDS[kind][1](self)._replace(kind=kind)

    def sale(self) -> Call:
        return self._redeem_sale(self._book.new_sale())

    def sale_again(self) -> Call:
        return self._redeem_sale(self._book.old_sale())

    def coupons(self) -> Call:
        return self._redeem_coupons(self._book.new_coupons())

    def coupons_again(self) -> Call:
        return self._redeem_coupons(self._book.old_coupons())

    def lookup(self) -> Call:
        sender, each = self._sender(), self._chance.random() < 0.5
        code, sales = self._book.recent_code()
        recorded = Found(dict(sales.recorded), sum(sales.recorded.values()))

        def check(answer: Answer) -> str:
            if answer.status not in (*_GRANTED, "404"):
                return answer.reason or answer.status
            found = told_lookup(answer, by_http=sender.by_http)
            return sales.complaint(recorded, found, each=each)

        return Call("", Lookup(code, each).ask(sender), check)

    def outcome_of_sale(self) -> Call:
        known = self._book.old_sale()
        was_recorded = known.is_recorded
        request = GetOutcomeRequest(transaction_identifier=known.content.identifier)

        def told(response: GetOutcomeResponse) -> str:
            return self._sale_told(
                known, sale_in(response.redeem_promotions), repeated=True, was_recorded=was_recorded
            )

        return self._outcome(request, told, was_recorded=was_recorded)

    def outcome_of_coupons(self) -> Call:
        known = self._book.old_coupons()
        was_recorded = known.is_recorded
        request = GetOutcomeRequest(request_id=known.content.key)

        def told(response: GetOutcomeResponse) -> str:
            coupons = coupons_in(response.redeem_coupons)
            return _coupons_told(known, coupons, repeated=True, was_recorded=was_recorded)

        return self._outcome(request, told, was_recorded=was_recorded)

    def token(self) -> Call:
        sender = Sender(self._chance.random() < 0.5, ())

        def check(answer: Answer) -> str:
            if answer.status not in _GRANTED:
                return answer.reason or answer.status
            if sender.by_http:
                token = json.loads(answer.body)["data"]["accessToken"]
            else:
                token = GenerateTokenResponse.FromString(answer.body).access_token
            self._tokens.append((token, time.monotonic() + _TOKEN_SECONDS))
            return "" if token else "no token"

        names = {"key": catalogs.KEY, "secret": catalogs.SECRET}
        if sender.by_http:
            return Call("", sender.post(TOKEN_PATH, names), check)
        return Call("", sender.ask_grpc(GENERATE_TOKEN, GenerateTokenRequest(**names)), check)

    def health(self) -> Call:
        path, word = self._chance.choice(
            [("/healthz", b"ALIVE"), ("/readyz", b"SERVING"), ("/openapi.json", b'"openapi"')]
        )
        verb = self._chance.choice(["GET", "HEAD"])
        ask = over_http().ask_http(verb, path)
        return Call("", ask, lambda answer: _says(answer, word if verb == "GET" else b""))

    def grpc_health(self) -> Call:
        ask = Sender(False, ()).ask_grpc("/grpc.health.v1.Health/Check", b"")
        serving = health_pb2.HealthCheckResponse(
            status=health_pb2.HealthCheckResponse.SERVING
        ).SerializeToString()
        return Call("", ask, lambda answer: _says(answer, serving))

    def several_in_one_write(self) -> Call:
        times = self._chance.randint(2, 5)
        data = get("/healthz") * times
        return Call("", HttpAsk(data, answers=times), lambda answer: _says(answer, b"ALIVE"))

    def _sender(self) -> Sender:
        by_http, in_chunks = self._chance.random() < 0.5, self._chance.random() < 0.1
        headers = ("Authorization", basic())
        good = [token for token, until in self._tokens if time.monotonic() < until]
        if good and self._chance.random() < 0.2:
            token = self._chance.choice(good)
            headers = self._chance.choice(
                [("Authorization", f"Bearer {token}"), ("X-CAP-API-OAUTH-TOKEN", token)]
            )
        return Sender(by_http, (headers,), in_chunks)

    def _redeem_sale(self, known: Known[Sale]) -> Call:
        sender, was_recorded = self._sender(), known.is_recorded

        def check(answer: Answer) -> str:
            if answer.status not in _GRANTED:
                return answer.reason or answer.status
            sale, repeated = told_sale(answer, by_http=sender.by_http)
            return self._sale_told(known, sale, repeated=repeated, was_recorded=was_recorded)

        return Call("", known.content.ask(sender), check)

    def _sale_told(
        self, known: Known[Sale], sale: Sale, *, repeated: bool, was_recorded: bool
    ) -> str:
        if sale != known.content._replace(code=""):
            return f"answered with {sale}"
        self._book.sale_is_recorded(known.content)
        return known.told(sale, repeated=repeated, was_recorded=was_recorded)

    def _redeem_coupons(self, known: Known[CouponRequest]) -> Call:
        sender, was_recorded = self._sender(), known.is_recorded

        def check(answer: Answer) -> str:
            if answer.status not in _GRANTED:
                return answer.reason or answer.status
            coupons, repeated = told_coupons(answer, by_http=sender.by_http)
            return _coupons_told(known, coupons, repeated=repeated, was_recorded=was_recorded)

        return Call("", known.content.ask(sender), check)

    def _outcome(
        self,
        request: GetOutcomeRequest,
        told: Callable[[GetOutcomeResponse], str],
        *,
        was_recorded: bool,
    ) -> Call:
        def check(answer: Answer) -> str:
            if answer.status not in _GRANTED:
                return answer.reason or answer.status
            response = GetOutcomeResponse.FromString(answer.body)
            if response.state == OUTCOME_STATE_RECORDED:
                return told(response)
            return "not recorded, though it was acknowledged" if was_recorded else ""

        sender = self._sender()._replace(by_http=False)
        return Call("", sender.ask_grpc(GET_OUTCOME, request), check)


_KINDS: dict[str, tuple[float, Callable[[GoodCalls], Call]]] = {
    "sale": (28, GoodCalls.sale),
    "sale again": (8, GoodCalls.sale_again),
    "coupons": (14, GoodCalls.coupons),
    "coupons again": (5, GoodCalls.coupons_again),
    "lookup": (12, GoodCalls.lookup),
    "outcome of a sale": (5, GoodCalls.outcome_of_sale),
    "outcome of coupons": (3, GoodCalls.outcome_of_coupons),
    "token": (0.5, GoodCalls.token),
    "health over HTTP": (4, GoodCalls.health),
    "health over gRPC": (2, GoodCalls.grpc_health),
    "several in one write": (2, GoodCalls.several_in_one_write),
}
"""What is drawn, and how often, of the sum of all."""


def _coupons_told(
    known: Known[CouponRequest],
    coupons: tuple[Redeemed, ...],
    *,
    repeated: bool,
    was_recorded: bool,
) -> str:
    codes = tuple(coupon.code for coupon in coupons)
    if codes != known.content.codes or not all(coupon.redemption_id for coupon in coupons):
        return f"answered with {coupons}"
    return known.told(coupons, repeated=repeated, was_recorded=was_recorded)


def _says(answer: Answer, word: bytes) -> str:
    if answer.status not in _GRANTED:
        return answer.reason or answer.status
    return "" if word in answer.body else f"says {answer.body[:100]!r}"
