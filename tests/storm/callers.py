"""Callers who race for what a storm offers, over gRPC."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from grpc_status import rpc_status
from redemption.v1.catalog_service_pb2 import ApplyCatalogRequest
from redemption.v1.catalog_service_pb2_grpc import CatalogServiceStub
from redemption.v1.coupon_redemption_service_pb2_grpc import CouponRedemptionServiceStub
from redemption.v1.promotion_redemption_service_pb2_grpc import PromotionRedemptionServiceStub
from redemption_server.rules.facts import Operation

from tests.storm.answers import Answer, Answers
from tests.storm.demand import round_keys
from tests.storm.limits import Limits
from tests.storm.offer import ORGANIZATIONS, Organization, first_catalog, round_catalog
from tests.storm.schedule import CALLERS, Attempt, Schedule
from tests.storm.wire import reason_of, refusal_in, request_of
from tests.support import catalogs
from tests.support.service import basic

_CALLS_MAX = 5
_ANSWER_SECONDS = 30
_METADATA = {
    organization.id: (("authorization", basic(organization.key, organization.secret)),)
    for organization in ORGANIZATIONS
}


class Callers:
    """Makes attempts on servers and tells `answers` what became of each."""

    def __init__(self, channels: Sequence[grpc.aio.Channel], answers: Answers) -> None:
        self._answers = answers
        self._catalogs: list[Any] = [CatalogServiceStub(c) for c in channels]  # type: ignore[no-untyped-call]
        self._promotions: list[Any] = [PromotionRedemptionServiceStub(c) for c in channels]  # type: ignore[no-untyped-call]
        self._coupons: list[Any] = [CouponRedemptionServiceStub(c) for c in channels]  # type: ignore[no-untyped-call]

    async def apply(self, organization: Organization, catalog: Any) -> None:
        """Changes the catalog of an organisation."""
        request = ApplyCatalogRequest(catalog=catalog)
        await self._catalogs[0].ApplyCatalog(request, metadata=_METADATA[organization.id])

    async def make(self, attempt: Attempt) -> None:
        """Calls until there is a final answer; who hangs up tries the next server at once."""
        for _ in range(_CALLS_MAX):
            known = self._answers.sending(attempt)
            answer = await self._call(attempt)
            self._answers.answered(attempt, known, answer)
            if answer.is_final:
                return
            server = (attempt.server + 1) % len(self._promotions)
            attempt = attempt._replace(server=server, patience=None)

    async def _call(self, attempt: Attempt) -> Answer:
        key = attempt.key
        request = request_of(key, key.contents[attempt.content])
        if key.operation is Operation.REDEEM_PROMOTIONS:
            method = self._promotions[attempt.server].RedeemPromotions
        else:
            method = self._coupons[attempt.server].RedeemCoupons
        call = method(request, metadata=_METADATA[key.org_id], timeout=_ANSWER_SECONDS)
        if attempt.patience is not None:
            asyncio.get_running_loop().call_later(attempt.patience, call.cancel)
        try:
            response = await call
        except asyncio.CancelledError:
            if attempt.patience is None:
                raise
            return Answer()
        except grpc.aio.AioRpcError as error:
            status = rpc_status.from_call(error)
            reason = reason_of(status) if status else f"no answer, {error.code().name}"
            return Answer(reason=reason)
        refusal = refusal_in(response)
        return Answer(reason=refusal) if refusal else Answer(response)


class Storm:
    """At least so many attempts on the servers at `ports`; `blow` makes them.

    Each round's catalog is applied while the rounds before it are still under way.
    """

    def __init__(self, ports: Sequence[int], attempts: int, seed: int, folder: Path) -> None:
        self.answers = Answers()
        self.limits = {
            organization.id: Limits(first_catalog(organization)) for organization in ORGANIZATIONS
        }
        self._attempts = attempts
        self._ports = ports
        self._chance = random.Random(seed)
        self._folder = folder
        self._queue: asyncio.Queue[Attempt | None] = asyncio.Queue(2 * CALLERS)

    async def blow(self) -> None:
        """Makes all attempts."""
        async with AsyncExitStack() as stack:
            channels = [
                await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
                for port in self._ports
            ]
            callers = Callers(channels, self.answers)
            async with asyncio.TaskGroup() as tasks:
                for _ in range(CALLERS):
                    tasks.create_task(self._work(callers))
                await self._feed(callers)

    async def _work(self, callers: Callers) -> None:
        while attempt := await self._queue.get():
            await callers.make(attempt)

    async def _feed(self, callers: Callers) -> None:
        schedule = Schedule(self._chance, len(self._ports))
        for number in itertools.count(1):
            keys = []
            for organization in ORGANIZATIONS:
                catalog = round_catalog(organization, number)
                self.limits[organization.id].add(catalog)
                await callers.apply(organization, catalogs.read(self._folder, catalog))
                keys += round_keys(self._chance, organization, number)
            for attempt in schedule.attempts(keys):
                await self._queue.put(attempt)
            if self.answers.attempts + schedule.pending >= self._attempts:
                break
        for attempt in schedule.rest():
            await self._queue.put(attempt)
        for _ in range(CALLERS):
            await self._queue.put(None)
