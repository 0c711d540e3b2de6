"""Nothing crosses organisations, whatever ids a caller sends.

Every scalar field of every request either names something of an organisation or does not, and a
table in `apart/fields.py` says which. Each that does is sent by one organisation with the value of
another, whose thing exists and is live: the answer is that for a value which nobody has, it tells
nothing of the other's, and what is stored of the other stays as it is.
"""

import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import structlog
from google.api import annotations_pb2
from redemption.v1.feed_service_pb2 import WatchRedemptionsRequest
from redemption.v1.ledger_service_pb2 import VerifyLedgerRequest
from redemption.v1.promotion_redemption_pb2 import PROMOTION_MODE_DISCOUNT
from redemption.v1.promotion_redemption_service_pb2 import ListPromotionRedemptionsRequest
from redemption_gateway import headers as gateway_headers

from tests.access.apart.answers import GRANTED, REPLAYED_TOO
from tests.access.apart.fields import (
    CASES,
    CREDENTIAL_HEADERS,
    HEADERS,
    INVALID,
    KEY_OF_CREDENTIAL,
    NAMING,
    NO_REDEMPTION,
    NOT_NAMING,
    Case,
    Naming,
    request_for,
    scalars,
    title,
)
from tests.access.apart.http_forms import HTTP
from tests.access.apart.names import BOTHS, NOBODYS, OURS, THEIRS
from tests.access.apart.requests import (
    APPLY,
    COUPONS,
    IMPORT,
    LIST,
    OUTCOME,
    REDEEM,
    REQUESTS,
    REVERSE,
    RPCS,
    TOKEN,
    VERIFY,
    WATCH,
    Form,
    apply_catalog,
    generate_token,
    get_outcome,
    import_in_place,
    list_promotion_redemptions,
    put,
    redeem_boths,
    redeem_coupons,
    redeem_promotions,
    reverse_redemption,
)
from tests.access.apart.world import BOTHS_WORDS, World, nothing_checked_out

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _no_connection_stays_checked_out() -> AsyncIterator[None]:
    """In place of the one for all tests: the service lives on, and keeps probing its database."""
    yield
    await nothing_checked_out()


async def test_each_rpc_and_each_of_its_fields_has_its_place_in_the_tables() -> None:
    assert set(REQUESTS) == set(RPCS)
    with_http = {
        rpc
        for rpc, method in RPCS.items()
        if method.GetOptions().HasExtension(annotations_pb2.http)
    }
    assert set(HTTP) == with_http
    found = {title(field) for method in RPCS.values() for _, field in scalars(method.input_type)}
    naming = {naming.field for naming in NAMING} | {KEY_OF_CREDENTIAL}
    others = {f"{m}.{name}" for m, listed in NOT_NAMING.items() for name in listed.split()}
    assert not naming & others
    assert naming | others == found
    tried = [case.naming for case in CASES]
    assert all(row in tried for row in NAMING)
    known = {*CREDENTIAL_HEADERS, *(naming.field for naming in HEADERS)}
    assert known == set(gateway_headers._FORWARDED_HEADERS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_what_is_anothers_is_answered_like_what_nobody_has(world: World, case: Case) -> None:
    thing, rpc = case.naming.thing, case.form.rpc
    nobodys, theirs = NOBODYS[thing], world.theirs[thing]
    like_nobodys = request_for(case, world.us, nobodys)
    message = request_for(case, world.us, theirs)
    assert str(theirs) in str(HTTP.get(rpc, repr)(message))
    for ask in world.doors(case.form):
        expected = await ask(world.us, rpc, like_nobodys)
        now = await world.state()
        counted = now.counted()
        await world.restore(now)
        found = await ask(world.us, rpc, message)
        now = await world.assert_apart(found, theirs)
        assert found.about(theirs) == expected.about(nobodys)
        assert now.counted() == counted
        if ask == world.ask:
            assert found.outcome == case.naming.us, found
            if rpc != APPLY and now.ours != world.start.ours:
                world.assert_tells_nothing(await world.look_around(), theirs)
        await world.restore(now)
    # It is there for them, as live as ever.
    for ask in world.doors(case.form):
        answer = await ask(world.them, rpc, request_for(case, world.them, theirs))
        if ask == world.ask:
            assert answer.outcome == case.naming.them, answer
        else:
            assert answer.outcome in (*GRANTED, *REPLAYED_TOO), answer
            assert '"success":"false"' not in answer.text
        await world.restore(await world.state())


@pytest.mark.parametrize("atomic", [False, True])
async def test_what_is_anothers_counts_for_nothing_beside_what_is_ours(
    world: World, atomic: bool
) -> None:
    codes = {}
    for whose, own in (("nobody", NOBODYS), ("they", THEIRS)):
        listing = ListPromotionRedemptionsRequest(
            codes=[OURS["code"], own["code"]], mode=PROMOTION_MODE_DISCOUNT
        )
        redeeming = redeem_coupons(world.us)
        redeeming.MergeFrom(redeem_coupons({**world.us, "coupon": own["coupon"]}))
        put(redeeming, "atomic", atomic)
        listed = await world.ask(world.us, LIST, listing)
        redeemed = await world.ask(world.us, COUPONS, redeeming)
        await world.assert_apart(listed, own["code"])
        now = await world.assert_apart(redeemed, own["coupon"])
        assert (now.ours == world.start.ours) is atomic
        await world.restore(now)
        codes[whose] = (listed.about(own["code"]), redeemed.about(own["coupon"]))
    assert codes["they"] == codes["nobody"]
    assert codes["they"][0].outcome == "MISSING"
    assert codes["they"][1].outcome == ("BATCH_FAILED" if atomic else "CODE_NOT_FOUND")


@pytest.mark.parametrize(
    ("field", "thing"),
    [
        ("promotion_ids", "promotion"),
        ("codes", "code"),
        ("codes", "coupon"),
        ("customer_ids", "customer"),
    ],
)
async def test_a_watch_for_ours_and_anothers_tells_of_ours_alone(
    world: World, field: str, thing: str
) -> None:
    ours, theirs = OURS[thing], THEIRS[thing]
    alone = WatchRedemptionsRequest(after_sequence=0, **{field: [ours]})
    expected = await world.ask(world.us, WATCH, alone)
    assert expected.outcome == ""
    together = WatchRedemptionsRequest(after_sequence=0, **{field: [ours, theirs]})
    assert await world.ask(world.us, WATCH, together) == expected
    await world.assert_apart(expected)


@pytest.mark.provokes("REDEMPTION_NOT_FOUND")
@pytest.mark.parametrize("field", ["redemption_ids", "coupon_redemptions.redemption_ids"])
async def test_a_reversal_that_names_anothers_beside_ours_reverses_nothing(
    world: World, field: str
) -> None:
    thing = "use" if field == "redemption_ids" else "coupon_redemption"
    answers = []
    for name in (NOBODYS[thing], world.theirs[thing]):
        message = reverse_redemption(world.us)
        put(message, field, world.us[thing])
        added = reverse_redemption(world.us)
        put(added, field, name)
        message.MergeFrom(added)
        answer = await world.ask(world.us, REVERSE, message)
        assert await world.assert_apart(answer, name) == world.start
        answers.append(answer.about(name))
    assert answers[0] == answers[1]
    assert answers[1].outcome == NO_REDEMPTION


async def test_an_import_that_names_anothers_customer_skips_that_coupon_alone(
    world: World,
) -> None:
    answers = []
    for customer in (NOBODYS["customer"], THEIRS["customer"]):
        message = import_in_place(world.us)
        bad = import_in_place({**world.us, "customer": customer})
        put(bad, "coupons.code", "another")
        message.MergeFrom(bad)
        answer = await world.ask(world.us, IMPORT, message)
        await world.restore(await world.assert_apart(answer, customer))
        assert json.loads(answer.text)["imported"] == 1
        answers.append(answer.about(customer))
    assert answers[0] == answers[1]
    assert answers[1].outcome == "BAD_COUPONS"


@pytest.mark.provokes("FIELD_INVALID")
async def test_what_others_have_holds_up_no_reference_of_ours(world: World) -> None:
    message = apply_catalog(world.us)
    # Another code for the till that our credential names by a code which they have too.
    put(message, "catalog.organizations.tills.id", OURS["org"] + 50)
    answer = await world.ask(world.us, APPLY, message)
    assert answer.outcome == INVALID
    assert BOTHS["till_code"] in answer.text
    assert await world.assert_apart(answer) == world.start


@pytest.mark.provokes("FIELD_INVALID")
async def test_of_a_key_that_others_have_it_is_told_only_that_it_is_taken(world: World) -> None:
    """Keys are unique in the installation, so that much cannot be kept from who wants the same."""
    path = "catalog.organizations.credentials"
    for field, value in (("secret", OURS["secret"]), ("secret_hash", OURS["secret_hash"])):
        message = apply_catalog(world.us)
        for name in ("secret", "secret_hash"):
            put(message, f"{path}.{name}", value if name == field else None)
        put(message, f"{path}.key", THEIRS["key"])
        answer = await world.ask(world.us, APPLY, message)
        assert await world.assert_apart(answer, THEIRS["key"]) == world.start
        assert answer.outcome == INVALID
        assert THEIRS["key"] not in answer.text
        fields = set(re.findall(r'"field": "(.*)"', answer.text))
        assert fields == {"catalog.organizations[0].credentials[0].key"}
    again = await world.ask(world.them, OUTCOME, get_outcome(THEIRS))
    assert again.outcome == "RECORDED"


@pytest.mark.provokes("PERMISSION_DENIED", "FIELD_INVALID")
@pytest.mark.parametrize("naming", HEADERS, ids=lambda naming: naming.field)
@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.rpartition("/")[2])
async def test_a_header_that_names_anothers_is_refused_like_one_that_names_nobodys(
    world: World, rpc: str, naming: Naming
) -> None:
    header, nobodys, theirs = naming.field, NOBODYS[naming.thing], THEIRS[naming.thing]
    # Who asks for a token is nobody yet.
    refused = rpc != TOKEN
    audited = [{"credential": OURS["key"], "org_id": theirs, "why": "foreign"}]
    # They may send it, and whatever is remembered of that helps nobody else.
    answer = await world.ask(world.them, rpc, REQUESTS[rpc](world.them), **{header: str(theirs)})
    assert answer.outcome in ("", "NOT_RECORDED", "DONE")
    await world.restore(await world.state())
    for ask in world.doors(Form(rpc, REQUESTS[rpc])):
        message = REQUESTS[rpc](world.us)
        expected = await ask(world.us, rpc, message, **{header: str(nobodys)})
        with structlog.testing.capture_logs() as log:
            found = await ask(world.us, rpc, message, **{header: str(theirs)})
        assert await world.assert_apart(found, theirs) == world.start
        assert found.about(theirs) == expected.about(nobodys)
        if ask == world.ask:
            assert found.outcome == (naming.us if refused else "")
        lines = [line for line in log if line["event"] == "authorisation failed"]
        written = [{name: line[name] for name in audited[0]} for line in lines]
        assert written == (audited if refused and naming.thing == "org" else [])


@pytest.mark.provokes("UNAUTHENTICATED")
async def test_the_key_of_another_is_refused_like_one_that_nobody_has(world: World) -> None:
    for ask in world.doors(Form(REDEEM, redeem_promotions)):
        answers = []
        for key in (NOBODYS["key"], THEIRS["key"]):
            pretending = {**OURS, "key": key}
            answers.append(await ask(pretending, REDEEM, redeem_promotions(THEIRS)))
        assert answers[0].about("") == answers[1].about("")
        assert answers[1].outcome in ("UNAUTHENTICATED", "401")
        assert await world.assert_apart(answers[1]) == world.start


@pytest.mark.provokes("PERMISSION_DENIED")
@pytest.mark.parametrize(
    ("header", "form"), [("authorization", "Bearer {}"), ("x-cap-api-oauth-token", "{}")]
)
async def test_a_token_acts_for_the_organisation_of_its_credential_alone(
    world: World, header: str, form: str
) -> None:
    given = await world.ask(world.us, TOKEN, generate_token(world.us))
    token = {"authorization": "", header: form.format(json.loads(given.text)["accessToken"])}
    there = {"x-cap-api-auth-org-id": str(THEIRS["org"])}
    for rpc in RPCS:
        for ask in world.doors(Form(rpc, REQUESTS[rpc])):
            if rpc != TOKEN:
                answer = await ask(world.us, rpc, REQUESTS[rpc](world.them), **token, **there)
                assert answer.outcome in ("PERMISSION_DENIED", "403")
                assert await world.assert_apart(answer, THEIRS["org"]) == world.start
    for ask in world.doors(Form(LIST, list_promotion_redemptions)):
        # What both have and only they have redeemed; then what we have redeemed.
        answer = await ask(world.us, LIST, list_promotion_redemptions(BOTHS), **token)
        assert answer.outcome in ("MISSING", "404")
        await world.assert_apart(answer)
        answer = await ask(world.us, LIST, list_promotion_redemptions(OURS), **token)
        assert answer.outcome in ("", "200")
        assert str(OURS["org"]) in answer.text
    message = redeem_boths()
    answer = await world.ask(world.us, REDEEM, message, **token)
    assert json.loads(answer.text)["orgId"] == str(OURS["org"])
    await world.assert_apart(answer, *BOTHS_WORDS)


async def test_what_is_wrong_with_the_ledger_of_another_is_not_told(world: World) -> None:
    await world.damage(
        f"UPDATE usage SET used = used - 1 WHERE org_id = {THEIRS['org']}",
        f"DELETE FROM event WHERE org_id = {THEIRS['org']}",
        f"DELETE FROM claim WHERE org_id = {THEIRS['org']}",
    )
    ours = await world.ask(world.us, VERIFY, VerifyLedgerRequest())
    world.assert_tells_nothing(ours.text)
    assert "findings" not in ours.text
    assert "findings" in (await world.ask(world.them, VERIFY, VerifyLedgerRequest())).text
