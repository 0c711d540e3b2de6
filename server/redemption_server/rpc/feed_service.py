"""`redemption.v1.FeedService`."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from redemption.v1 import feed_service_pb2

from redemption_server.access.identity import Access
from redemption_server.feed.feed import Feed
from redemption_server.rpc.encode_feed import encode_event
from redemption_server.rpc.pipeline import Call, StreamMethod
from redemption_server.rpc.shape import Shape
from redemption_server.rules.normal import fold
from redemption_server.storage.feed_events import FoundCouponRedemption, FoundEvent

SERVICE = "redemption.v1.FeedService"
FILTERS_MAX = 100
_ENCODED_MAX = 5_000

_Request = feed_service_pb2.WatchRedemptionsRequest
_Response = feed_service_pb2.WatchRedemptionsResponse
_Filter = Callable[[FoundEvent], bool]
_Encoded = tuple[FoundEvent, feed_service_pb2.FeedEvent]


class FeedService:
    """Tells what happens."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        # Watchers see the same events: each is encoded once, unless it is shown otherwise by now.
        self._encoded: OrderedDict[tuple[int, int], _Encoded] = OrderedDict()

    def methods(self) -> list[StreamMethod]:
        """The RPCs of the service."""
        name = f"/{SERVICE}/WatchRedemptions"
        return [StreamMethod(name, Access.DEFAULT, self.watch, endless=True)]

    async def watch(self, request: _Request, call: Call) -> AsyncGenerator[_Response, None]:
        """See the proto."""
        after, passes = _decode(request)
        org_id = call.identity.caller.org_id
        async with aclosing(self._feed.watch(org_id, after, passes)) as pages:
            async for events, sequence in pages:
                encoded = [self._encode(org_id, event) for event in events]
                yield _Response(events=encoded, sequence=sequence)

    def _encode(self, org_id: int, event: FoundEvent) -> feed_service_pb2.FeedEvent:
        key = (org_id, event.sequence)
        known = self._encoded.get(key)
        if known and (known[0] is event or known[0] == event):
            return known[1]
        encoded = encode_event(org_id, event)
        self._encoded[key] = event, encoded
        if len(self._encoded) > _ENCODED_MAX:
            self._encoded.popitem(last=False)
        return encoded


def _decode(request: _Request) -> tuple[int | None, _Filter]:
    shape = Shape()
    after = request.after_sequence if request.HasField("after_sequence") else None
    if after is not None and after < 0:
        shape.fail("after_sequence", "must not be negative")
    for field in ("promotion_ids", "codes", "customer_ids"):
        if len(getattr(request, field)) > FILTERS_MAX:
            shape.fail(field, f"must be at most {FILTERS_MAX}")
    for field, texts in (("promotion_ids", request.promotion_ids), ("codes", request.codes)):
        for i, text in enumerate(texts[:FILTERS_MAX]):
            shape.text(f"{field}[{i}]", text, required=True)
    shape.check()
    return after, _filter(request.promotion_ids, request.codes, request.customer_ids)


def _filter(
    promotion_ids: Sequence[str], codes: Sequence[str], customer_ids: Sequence[int]
) -> _Filter:
    promotions, customers = frozenset(promotion_ids), frozenset(customer_ids)
    code_keys = frozenset(map(fold, codes))

    def passes(event: FoundEvent) -> bool:
        found = event.redemption
        if customers and found.customer_id not in customers:
            return False
        if code_keys and event.code_key not in code_keys:
            return False
        if not promotions:
            return True
        return not isinstance(found, FoundCouponRedemption) and found.promotion_id in promotions

    return passes
