"""Surface C: what `POST /v1.1/coupon/redeem` reads, and repeats of a request."""

import json
from typing import Any

import pytest

from tests.gateway.door import coupon, coupons, fresh, recorded, refused
from tests.support import catalogs
from tests.support.service import COUPONS, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDENTIFIERS: list[tuple[str, Any]] = [
    ("id", 610),
    ("mobile", "9999988611"),
    ("email", "SIX@example.com"),
    ("external_id", "by external_id"),
    ("card_number", "CARD-6"),
    ("card_external_id", "CARD-EXT-6"),
]


async def item(door: Service, body: Any, **headers: str) -> dict[str, Any]:
    response = await door.post(COUPONS, body, **headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["response"]["coupons"]["coupon"]
    return found


@pytest.mark.parametrize("first", range(len(IDENTIFIERS)), ids=[name for name, _ in IDENTIFIERS])
@pytest.mark.parametrize("others", ["all", "empty", "null"])
async def test_the_first_identifier_that_is_present_counts(
    door: Service, first: int, others: str
) -> None:
    absent = "" if others == "empty" else None
    skipped = {} if others == "all" else {name: absent for name, _ in IDENTIFIERS[:first]}
    # Sent in reverse: the order of the contract counts, not that of the body.
    customer = dict(reversed([*skipped.items(), *IDENTIFIERS[first:]]))
    shown = await item(door, coupons(coupon(customer=customer)))
    assert shown["item_status"]["code"] == 700
    assert shown["customer"]["external_id"] == f"by {IDENTIFIERS[first][0]}"


@pytest.mark.parametrize(
    "customer_id", [pytest.param(501, id="number"), pytest.param("501", id="string")]
)
async def test_a_customer_id_may_be_a_number_or_a_string_of_it(
    door: Service, customer_id: Any
) -> None:
    shown = await item(door, coupons(coupon(customer={"id": customer_id})))
    assert shown["customer"]["external_id"] == "E1"


@pytest.mark.provokes("CUSTOMER_REQUIRED")
async def test_identifiers_that_are_all_empty_are_no_customer(door: Service) -> None:
    customer = {name: "" for name, _ in IDENTIFIERS}
    shown = await item(door, coupons(coupon(customer=customer)))
    assert shown["customer"] == {}
    assert shown["item_status"]["code"] == 701


async def test_single_objects_stand_for_arrays_of_one(door: Service) -> None:
    field = {"name": "Sport", "value": "Soccer"}
    transaction = {"number": "bill-1", "amount": "10"}
    single = {**coupon(), "transaction": transaction, "custom_fields": {"field": field}}
    lists = {**coupon(), "transaction": [transaction], "custom_fields": {"field": [field]}}
    key = {"Idempotency-Key": fresh()}
    first = await door.post(COUPONS, {"root": {"coupon": single}}, **key)
    again = await door.post(COUPONS, {"root": {"coupon": [lists]}}, **key)
    assert first.json()["response"]["coupons"]["coupon"]["transaction"]["number"] == "bill-1"
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_of_several_transactions_the_first_counts(door: Service) -> None:
    sent = [{"number": "first", "amount": 1}, {"number": "second", "amount": "nonsense"}]
    shown = await item(door, coupons(coupon(transaction=sent)))
    assert shown["item_status"]["code"] == 700
    assert shown["transaction"] == {"amount": "1.00", "number": "first"}


@pytest.mark.parametrize(
    "transaction",
    [
        pytest.param({}, id="empty object"),
        pytest.param([], id="empty list"),
        pytest.param([{"number": "", "amount": ""}], id="empty strings"),
        pytest.param(None, id="null"),
    ],
)
async def test_what_was_not_sent_of_the_transaction_is_shown_empty(
    door: Service, transaction: Any
) -> None:
    shown = await item(door, coupons(coupon(transaction=transaction)))
    assert shown["transaction"] == {"amount": "", "number": ""}


@pytest.mark.provokes("VALIDATION_CODE_REQUIRED")
async def test_an_empty_validation_code_counts_as_absent(door: Service) -> None:
    before = recorded(door)
    shown = await item(door, coupons(coupon("V1", validation_code="")))
    assert shown["item_status"]["code"] == 725
    assert recorded(door) == before


async def test_comments_are_tolerated_but_not_inside_strings(door: Service) -> None:
    number = 'http://shop/*no comment*/ \\\\ \\" // end'
    body = (
        '/* a "quoted" // comment */ {"root": {"coupon": [ // the only one\n'
        '{"code": "Many-1", "customer": {"id": 501}, /* " */ "transaction":'
        f'{{"number": "{number}"}} }}]}}}} // done'
    )
    shown = await item(door, body.encode())
    assert shown["item_status"]["code"] == 700
    assert shown["transaction"]["number"] == json.loads(f'"{number}"')


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('/* never closed {"root":{"coupon":[]}}', id="comment never closed"),
        pytest.param('# shell\n{"root":{"coupon":[]}}', id="another language's comment"),
        pytest.param('{"root":{"coupon":[/* only */]}', id="object never closed"),
        pytest.param("// nothing else", id="nothing but a comment"),
        pytest.param(
            '{"root":{"coupon":[{"code":"Many-1","customer":{"id":501}}]}} /* never closed',
            id="comment never closed behind a good body",
        ),
        pytest.param('{"root":{"coupon":[{"code":"A","code":"B"}]}} //', id="duplicate key"),
        pytest.param('{"root":{"coupon":[{"code":NaN}]}} //', id="NaN"),
        pytest.param('{"root":{"coupon":[{"code":"Ma/**/ny-1"},]}} //', id="comma at the end"),
    ],
)
async def test_comments_excuse_nothing_else(door: Service, body: str) -> None:
    await refused(door, COUPONS, body.encode(), 400, "C")


@pytest.mark.provokes("REQUEST_CONFLICT")
async def test_a_repeat_with_the_same_key_is_replayed_quotes_or_not(door: Service) -> None:
    key = fresh()
    first = await door.post(COUPONS, coupons(coupon("ONCE-1")), **{"Idempotency-Key": f'"{key}"'})
    assert first.json()["response"]["status"]["code"] == 200
    assert "Idempotent-Replayed" not in first.headers
    before = recorded(door)
    again = await door.post(COUPONS, coupons(coupon("once-1")), **{"Idempotency-Key": key})
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert recorded(door) == before
    other = coupons(coupon("ONCE-1", validation_code="other"))
    (text,) = await refused(door, COUPONS, other, 409, "C", **{"Idempotency-Key": key})
    assert key in text


@pytest.mark.provokes("COUPON_REPEATED")
async def test_without_a_key_a_repeat_is_judged_like_any_other(door: Service) -> None:
    assert (await item(door, coupons(coupon("ONCE-2"))))["item_status"]["code"] == 700
    before = recorded(door)
    assert (await item(door, coupons(coupon("ONCE-2"))))["item_status"]["code"] == 716
    assert recorded(door) == before


@pytest.mark.provokes("CODE_NOT_FOUND")
async def test_an_answer_without_success_leaves_its_key_free(door: Service) -> None:
    key = {"Idempotency-Key": fresh()}
    before = recorded(door)
    assert (await item(door, coupons(coupon("Nope")), **key))["item_status"]["code"] == 719
    assert recorded(door) == before
    assert (await item(door, coupons(coupon("ONCE-3")), **key))["item_status"]["code"] == 700


async def test_100_coupons_are_accepted_in_their_order(door: Service) -> None:
    codes = ["Many-1", *(f"none-{n}" for n in range(99))]
    response = await door.post(COUPONS, coupons(*map(coupon, codes)))
    answer = response.json()["response"]
    assert answer["status"]["code"] == 201
    assert [one["code"] for one in answer["coupons"]["coupon"]] == codes


@pytest.mark.provokes("FIELD_INVALID")
@pytest.mark.parametrize(
    ("body", "named"),
    [
        pytest.param({"root": {"coupon": []}}, "root.coupon", id="no coupon"),
        pytest.param({"root": {}}, "root.coupon", id="no list"),
        pytest.param({}, "root.coupon", id="no root"),
        pytest.param(coupons(*[coupon()] * 101), "root.coupon", id="101 coupons"),
        pytest.param(coupons(coupon("A" * 251)), "root.coupon[0].code", id="long code"),
        pytest.param(
            coupons(coupon(), coupon(customer={"email": "a\0b"})),
            "root.coupon[1].customer.email",
            id="NUL",
        ),
        pytest.param(
            coupons(coupon(custom_fields={"field": [{"name": "a"}, {"value": "b"}]})),
            "root.coupon[0].custom_fields.field[1].name",
            id="custom field without a name",
        ),
    ],
)
async def test_a_misshapen_request_is_refused_as_a_whole_in_the_names_of_the_json(
    door: Service, body: Any, named: str
) -> None:
    (text,) = await refused(door, COUPONS, body, 400, "C")
    assert text.startswith(f"{named} ")


@pytest.mark.provokes("FIELD_INVALID")
@pytest.mark.parametrize(
    "key", [pytest.param("k" * 256, id="256 characters"), pytest.param("clé", id="not ASCII")]
)
async def test_a_malformed_key_is_refused(door: Service, key: str) -> None:
    before = recorded(door)
    headers = {b"Content-Type": b"application/json", b"Idempotency-Key": key.encode()}
    body = json.dumps(coupons()).encode()
    response = await door.http.post(COUPONS, content=body, headers=headers)
    assert response.status_code == 400
    assert "Idempotency-Key" in response.text
    assert recorded(door) == before
    assert catalogs.KEY not in response.text
