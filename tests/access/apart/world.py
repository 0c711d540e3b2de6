"""A service in which both live, and its database."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import grpc.aio
from google.api import annotations_pb2
from google.protobuf import message_factory
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from redemption.v1.outcome_service_pb2 import GetOutcomeRequest
from redemption.v1.promotion_redemption_pb2 import PROMOTION_MODE_DISCOUNT
from redemption.v1.promotion_redemption_service_pb2 import ListPromotionRedemptionsRequest
from redemption_gateway.http import REPLAYED
from redemption_server.storage.schema import METADATA
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.access.apart.answers import Answer, Door, outcome_of, outcome_of_stream, without
from tests.access.apart.http_forms import HTTP
from tests.access.apart.names import BOTHS, FRESH, OURS, THEIRS, USES, Names, organization
from tests.access.apart.requests import (
    COUPON,
    COUPONS,
    EXPORT,
    GENERATE,
    ISSUE,
    LIST,
    OUTCOME,
    REDEEM,
    REVERSE,
    RPCS,
    SERIES,
    VERIFY,
    WATCH,
    Form,
    export_coupons,
    generate_coupons,
    get_coupon,
    get_coupon_series,
    get_outcome,
    issue_new_coupon,
    list_promotion_redemptions,
    redeem_boths,
    redeem_coupons,
    redeem_promotions,
    reverse_redemption,
    verify_ledger,
    watch_redemptions,
)
from tests.access.apart.stored import Row, State, is_ours, reading, secrets_of
from tests.support import catalogs
from tests.support.connections import checked_out
from tests.support.eventually import eventually
from tests.support.service import Service, basic, error_info, status_of

REQUEST_ID = "0123456789abcdef0123456789abcdef"
ADDRESSES = itertools.count(1)
# Sent anew each time, under keys that nobody has used.
KEYS = ("transaction", "request", "reversal", "job", "issue")
# What is written down of a request that both send.
BOTHS_WORDS = (*BOTHS.values(), f"{BOTHS['org']}250000", USES)


class World:
    """A service in which both live, and its database.

    `us` and `them` are the names by which requests are made; `theirs` are those of what they have.
    """

    def __init__(self, service: Service, engine: AsyncEngine, folder: Path) -> None:
        self._service = service
        self._engine = engine
        self.us, self.them = (
            {
                **own,
                **{key: FRESH[key] for key in KEYS},
                "additions": catalogs.read(folder, organization(FRESH, own, name=own["name"])),
            }
            for own in (OURS, THEIRS)
        )
        self.theirs = dict(THEIRS)
        self.start = State(frozenset(), frozenset())
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._secrets = re.compile("")

    async def live_through_the_past(self) -> None:
        """Both have used what is their own; only they have redeemed what both have."""
        for who, own in ((self.us, OURS), (self.them, THEIRS)):
            who.update(await self._live({**who, **own}))
        self.theirs |= {name: self.them[name] for name in ("use", "coupon_redemption")}
        await self._grant(self.them, REDEEM, redeem_boths(earned=True))
        await self._grant(self.them, COUPONS, redeem_coupons(BOTHS))
        page = await self._grant(self.them, LIST, list_promotion_redemptions(BOTHS))
        self.theirs["page_token"] = json.loads(page.text)["nextPageToken"]
        seen = await self._grant(self.them, WATCH, watch_redemptions(self.them))
        self.theirs["sequence"] = int(re.findall(r'^  "sequence": "(\d+)"', seen.text, re.M)[-1])
        self.start = await self.state()
        self._secrets = secrets_of(self.start)
        async with self._engine.connect() as connection:
            for name, table in METADATA.tables.items():
                found = await connection.execute(select(table))
                self._rows[name] = [dict(row) for row in found.mappings()]

    async def _live(self, who: dict[str, Any]) -> dict[str, Any]:
        """Has one use what it has, under the keys of its own; returns the ids that it was given."""
        await self._grant(who, REDEEM, redeem_promotions(who))
        listed = await self._grant(who, LIST, list_promotion_redemptions(who))
        (record,) = json.loads(listed.text)["redemptions"]
        redeemed = await self._grant(who, COUPONS, redeem_coupons(who))
        (result,) = json.loads(redeemed.text)["results"]
        returned = {**who, "transaction": who["returned"], "sold": who["returned"]}
        await self._grant(who, REDEEM, redeem_promotions(returned))
        await self._grant(who, REVERSE, reverse_redemption(returned))
        await self._grant(who, GENERATE, generate_coupons(who))
        await self._grant(who, ISSUE, issue_new_coupon({**who, "customer": who["org"] + 50}))
        return {
            "use": record["id"],
            "coupon_redemption": int(result["redemption"]["redemptionId"]),
        }

    async def _grant(self, who: Names, rpc: str, message: Message) -> Answer:
        answer = await self.ask(who, rpc, message)
        assert answer.outcome == "", answer
        return answer

    async def ask(self, who: Names, rpc: str, message: Message, **headers: str) -> Answer:
        """Over gRPC."""
        read: Any = message_factory.GetMessageClass(RPCS[rpc].output_type).FromString
        channel, write = self._service.channel, type(message).SerializeToString
        sending = channel.unary_stream(f"/{rpc}", write, read)
        metadata = {"authorization": basic(who["key"], who["secret"]), **common(), **headers}
        metadata = {name: value for name, value in metadata.items() if value}
        call = sending(message, metadata=tuple(metadata.items()), timeout=60)
        found: list[Any] = []
        try:
            async for response in call:
                found.append(response)
                # A watch never ends. It says at once that it has begun, and what has happened so
                # far; as soon as there is no more of that, it says so.
                if rpc == WATCH and len(found) > 1 and not response.events:
                    call.cancel()
                    break
        except grpc.aio.AioRpcError as error:
            status = status_of(error)
            return Answer(error_info(status).reason, MessageToJson(status))
        told = "\n".join(map(MessageToJson, found))
        if rpc in (WATCH, EXPORT):
            return Answer(outcome_of_stream(found), told)
        if rpc == GENERATE:
            await eventually(self._no_job_runs)
        return Answer(outcome_of(found[-1]), told)

    async def ask_http(self, who: Names, rpc: str, message: Message, **headers: str) -> Answer:
        """Over HTTP."""
        form = HTTP[rpc](message)
        rule = RPCS[rpc].GetOptions().Extensions[annotations_pb2.http]
        sent = {"authorization": basic(who["key"], who["secret"])}
        sent |= common() | form.pop("headers", {}) | headers
        sent = {name: value for name, value in sent.items() if value}
        verb, path = ("GET", rule.get) if rule.get else ("POST", rule.post)
        answer = await self._service.http.request(verb, path, headers=sent, **form)
        replayed = f" {REPLAYED}" if REPLAYED in answer.headers else ""
        link = answer.headers.get("Link", "")
        return Answer(f"{answer.status_code}{replayed}", f"{link}\n{answer.text}")

    def doors(self, form: Form) -> list[Door]:
        """All ways to ask."""
        return [self.ask, self.ask_http] if form.is_plain and form.rpc in HTTP else [self.ask]

    async def _no_job_runs(self) -> bool:
        """What is stored stays as it is from then on."""
        job = METADATA.tables["job"]
        async with self._engine.connect() as connection:
            states = (await connection.execute(select(job.c.state))).scalars()
            return set(states) <= {"DONE"}

    async def state(self) -> State:
        """What is stored."""
        async with self._engine.connect() as connection:
            found = await connection.execute(text(reading(connection.dialect.name)))
            rows = [Row(*row) for row in found]
        ours = frozenset(filter(is_ours, rows))
        return State(ours, frozenset(rows) - ours)

    async def restore(self, now: State) -> None:
        """Makes what is stored as it was at the start."""
        if now == self.start:
            return
        changes = (now.ours ^ self.start.ours) | (now.theirs ^ self.start.theirs)
        async with self._engine.begin() as connection:
            for name in {row.table for row in changes}:
                table = METADATA.tables[name]
                await connection.execute(table.delete())
                if self._rows[name]:
                    await connection.execute(table.insert(), self._rows[name])

    async def damage(self, *statements: str) -> None:
        """Changes what is stored behind the service's back."""
        async with self._engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    def assert_tells_nothing(self, text: str, *sent: Any) -> None:
        """Holds none of their values but those that were sent."""
        for value in sent:
            text = without(text, value)
        found = self._secrets.search(text)
        assert not found, (found.group(), text)

    async def assert_apart(self, answer: Answer, *sent: Any) -> State:
        """Neither an answer nor what is stored of us tells of them; all of theirs is as it was.

        Values that we `sent` may be echoed.
        """
        self.assert_tells_nothing(answer.text, *sent)
        now = await self.state()
        assert now.theirs == self.start.theirs
        if now.ours != self.start.ours:
            self.assert_tells_nothing(repr(now.ours), *sent)
        return now

    async def look_around(self) -> str:
        """All that we can see of what we have recorded."""
        looks = [
            (OUTCOME, get_outcome(self.us)),
            (OUTCOME, GetOutcomeRequest(request_id=self.us["request"])),
            (OUTCOME, GetOutcomeRequest(reversal_request_id=self.us["reversal"])),
            (SERIES, get_coupon_series(self.us)),
            (COUPON, get_coupon(self.us)),
            (EXPORT, export_coupons(self.us)),
            (WATCH, watch_redemptions(self.us)),
            (VERIFY, verify_ledger(self.us)),
        ]
        seen = [await self.ask(self.us, *look) for look in looks]
        assert "findings" not in seen[-1].text
        for include, codes in itertools.product((False, True), (OURS["code"], BOTHS["code"])):
            request = ListPromotionRedemptionsRequest(
                codes=[codes], mode=PROMOTION_MODE_DISCOUNT, include_redemptions=include
            )
            seen.append(await self.ask(self.us, LIST, request))
        return "\n".join(answer.text for answer in seen)


def common() -> dict[str, str]:
    """The same request id for all, and each time another address: failing too often costs time."""
    number = next(ADDRESSES)
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    return {"x-request-id": REQUEST_ID, "x-forwarded-for": address}


async def nothing_checked_out() -> None:
    """Returns when no connection to a database is in use."""

    async def given_back() -> bool:
        return not checked_out()

    await eventually(given_back)
