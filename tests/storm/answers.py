"""What the callers of a storm were told: judged as it comes, then against what is recorded."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from redemption.v1.coupon_redemption_service_pb2 import RedeemCouponsResponse
from redemption.v1.promotion_redemption_service_pb2 import RedeemPromotionsResponse
from redemption_server.rules.facts import CounterKey, Operation

from tests.storm.demand import Key
from tests.storm.limits import Coupon, Limits, Sale
from tests.storm.schedule import Attempt
from tests.storm.state import State, Violation
from tests.storm.wire import Response, failed_in, fingerprint, redeemed_in, told_coupons, told_sale

_CONFLICTS = {
    Operation.REDEEM_PROMOTIONS: "TRANSACTION_CONFLICT",
    Operation.REDEEM_COUPONS: "REQUEST_CONFLICT",
}
_FULL = {"LIMIT_REACHED", "EARNED_PROMOTION_REDEEMED", "COUPON_REPEATED"}
_AGAIN = "CONTENTION"


class Answer(NamedTuple):
    """What a call was answered: a response or the reason of a refusal; neither if abandoned."""

    response: Response | None = None
    reason: str = ""

    @property
    def is_final(self) -> bool:
        """Whether there is nothing to call again for."""
        return self.response is not None or self.reason not in ("", _AGAIN)


@dataclass(slots=True)
class History:
    """What is known of a key, its contents by their place: `content` is the acknowledged one."""

    sent: set[int] = field(default_factory=set)
    full: set[int] = field(default_factory=set)
    conflicts: set[int] = field(default_factory=set)
    granted: int = 0
    abandoned: int = 0
    content: int | None = None
    answer: bytes = b""


class Known(NamedTuple):
    """What was known of a key when a call was sent, which its answer must agree with."""

    acknowledged: bool
    full: bool


class Answers:
    """All that the callers know."""

    def __init__(self) -> None:
        self._histories: dict[Key, History] = {}
        self.violations: list[Violation] = []
        self.attempts = 0
        self.granted = 0
        self.replayed = 0
        self.abandoned = 0
        self.refused: Counter[str] = Counter()

    def sending(self, attempt: Attempt) -> Known:
        """A call is about to be made."""
        history = self._histories.setdefault(attempt.key, History())
        history.sent.add(attempt.content)
        self.attempts += 1
        return Known(history.content is not None, attempt.content in history.full)

    def answered(self, attempt: Attempt, known: Known, answer: Answer) -> None:
        """A call has ended."""
        history = self._histories[attempt.key]
        found: Iterator[str] = iter(())
        if answer.response is not None:
            found = self._acknowledged(history, attempt, known, answer.response)
        elif answer.reason:
            self.refused[answer.reason] += 1
            found = _refused(history, attempt, known, answer.reason)
        else:
            self.abandoned += 1
            history.abandoned += 1
        for name in found:
            self.violations.append(Violation(name, f"{attempt.key}, content {attempt.content}"))

    def _acknowledged(
        self, history: History, attempt: Attempt, known: Known, response: Response
    ) -> Iterator[str]:
        if response.replayed:
            self.replayed += 1
        else:
            self.granted += 1
            history.granted += 1
            if known.acknowledged or history.granted > 1:
                yield "granted twice"
        if known.full:
            yield "granted after its limit was full"
        answer = fingerprint(response)
        if history.content is None:
            history.content, history.answer = attempt.content, answer
        elif history.content != attempt.content:
            yield "acknowledged with other content"
        elif history.answer != answer:
            yield "replay differs from the first answer"

    def violations_of(self, state: State, limits: Mapping[int, Limits]) -> Iterator[Violation]:
        """Where answers and records differ, once everything is over."""
        ended = self.granted + self.replayed + self.abandoned + self.refused.total()
        if ended != self.attempts:
            yield Violation("calls without one answer", f"{self.attempts} calls, {ended} answers")
        used = {org_id: state.used_by(org_id) for org_id in limits}
        for key, history in self._histories.items():
            org_limits = limits[key.org_id]
            for name in (*_contradictions(history), *_misunderstandings(key, history)):
                yield Violation(name, str(key))
            # Counters only rise: what was refused for a limit must find it full at the end.
            for demand in _refused_demands(key, history, org_limits):
                if org_limits.have_room(used[key.org_id], demand):
                    yield Violation("refused below the limit", f"{key}: {demand}")
        recorded_sales = {key: recorded.sale for key, recorded in state.sales.items()}
        yield from _differences(self._acknowledged_sales(), recorded_sales)
        recorded_coupons = {
            key: (recorded.coupon, recorded.transaction_number, recorded.request_id)
            for key, recorded in state.coupons.items()
        }
        yield from _differences(self._acknowledged_coupons(), recorded_coupons)

    def _acknowledged_sales(self) -> dict[tuple[int, str], Sale]:
        return {
            (key.org_id, key.text): content
            for key, history in self._histories.items()
            if history.content is not None
            and isinstance(content := key.contents[history.content], Sale)
        }

    def _acknowledged_coupons(self) -> dict[tuple[int, int], tuple[Coupon, str, str]]:
        coupons = {}
        for key, history in self._histories.items():
            content = None if history.content is None else key.contents[history.content]
            if content is None or isinstance(content, Sale):
                continue
            number = content.transaction_number
            for redemption_id, coupon in redeemed_in(_response(history)).items():
                coupons[key.org_id, redemption_id] = (coupon, number, key.text)
        return coupons


def _refused(history: History, attempt: Attempt, known: Known, reason: str) -> Iterator[str]:
    if reason in _FULL:
        history.full.add(attempt.content)
        if known.acknowledged:
            yield "refused after it was acknowledged"
    elif reason == _CONFLICTS.get(attempt.key.operation):
        history.conflicts.add(attempt.content)
    elif reason != _AGAIN:
        yield f"refused for {reason}"


def _contradictions(history: History) -> Iterator[str]:
    if history.conflicts and history.content is None:
        yield "conflict with nothing"
    if history.content in history.conflicts:
        yield "conflict without other content"
    if history.content is not None and not history.granted and not history.abandoned:
        yield "replayed but never granted"


def _misunderstandings(key: Key, history: History) -> Iterator[str]:
    if history.content is None:
        return
    content = key.contents[history.content]
    if isinstance(content, Sale):
        response = RedeemPromotionsResponse.FromString(history.answer)
        if told_sale(response) != (key.org_id, key.text, content):
            yield "answered with another transaction"
    else:
        coupons = _response(history)
        if told_coupons(coupons) != content.coupons:
            yield "answered with other coupons"
        if content.atomic and failed_in(coupons):
            yield "atomic request redeemed in part"


def _refused_demands(
    key: Key, history: History, limits: Limits
) -> Iterator[Mapping[CounterKey, int]]:
    """What was refused for a limit, each as small as it would have been granted."""
    if history.content is None:
        for place in history.sent:
            content = key.contents[place]
            if isinstance(content, Sale):
                yield limits.sale_demand(content)
            elif content.atomic:
                yield limits.coupon_demand(*content.coupons)
            else:
                yield from map(limits.coupon_demand, content.coupons)
    elif not isinstance(key.contents[history.content], Sale):
        yield from map(limits.coupon_demand, failed_in(_response(history)))


def _response(history: History) -> RedeemCouponsResponse:
    return RedeemCouponsResponse.FromString(history.answer)


def _differences(
    acknowledged: Mapping[Any, Any], recorded: Mapping[Any, Any]
) -> Iterator[Violation]:
    for key in acknowledged.keys() - recorded.keys():
        yield Violation("acknowledged but not recorded", f"{key}: {acknowledged[key]}")
    for key in recorded.keys() - acknowledged.keys():
        yield Violation("recorded but not acknowledged", f"{key}: {recorded[key]}")
    for key in acknowledged.keys() & recorded.keys():
        if acknowledged[key] != recorded[key]:
            difference = f"{key}: {acknowledged[key]}, recorded {recorded[key]}"
            yield Violation("recorded otherwise than acknowledged", difference)
