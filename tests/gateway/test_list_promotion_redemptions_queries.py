"""Surface B: codes, pages, and queries that are refused."""

from urllib.parse import quote

import pytest

from tests.gateway.door import line, promotions, recorded, texts
from tests.support.service import REDEMPTIONS, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

INVALID = [
    pytest.param("", "codes", id="nothing"),
    pytest.param("mode=DISCOUNT", "codes", id="no codes"),
    pytest.param("codes=&mode=DISCOUNT", "codes", id="empty codes"),
    pytest.param("codes=%20,,&mode=DISCOUNT", "codes", id="blank codes"),
    pytest.param("codes=A", "mode", id="no mode"),
    pytest.param("codes=A&mode=", "mode", id="empty mode"),
    pytest.param("codes=A&mode=OTHER", "mode", id="unknown mode"),
    pytest.param("codes=A&mode=1", "mode", id="mode as a number"),
    pytest.param("codes=A&mode=DISCOUNT&mode=DISCOUNT", "mode", id="mode twice"),
    pytest.param(
        "codes=A&mode=DISCOUNT&includeRedemptions=yes", "includeRedemptions", id="no boolean"
    ),
    pytest.param(f"codes={'A' * 251}&mode=DISCOUNT", "codes[0]", id="251 characters"),
    pytest.param("codes=A%00&mode=DISCOUNT", "codes[0]", id="NUL"),
    pytest.param(f"codes={','.join('ABCDEFGHIJ' * 10)},K&mode=DISCOUNT", "codes", id="101 codes"),
    pytest.param(
        "codes=A&mode=DISCOUNT&includeRedemptions=true&pageToken=forged",
        "pageToken",
        id="forged token",
    ),
    pytest.param(
        "codes=A&mode=DISCOUNT&includeRedemptions=true&pageToken=%C3%A9", "pageToken", id="no token"
    ),
    pytest.param("codes=A%FF&mode=DISCOUNT", "query", id="not UTF-8"),
    pytest.param("codes=%ED%A0%80&mode=DISCOUNT", "query", id="lone surrogate"),
]


@pytest.mark.provokes("FIELD_INVALID")
@pytest.mark.parametrize(("query", "named"), INVALID)
async def test_an_invalid_query_is_400_and_names_the_parameter(
    door: Service, query: str, named: str
) -> None:
    response = await door.http.get(f"{REDEMPTIONS}?{query}")
    assert response.status_code == 400, response.text
    assert named in texts(response, "B")[0]


async def test_all_that_is_wrong_with_a_query_is_listed(door: Service) -> None:
    response = await door.http.get(f"{REDEMPTIONS}?includeRedemptions=maybe")
    assert response.status_code == 400
    assert len(texts(response, "B")) == 3


async def test_more_than_1000_records_come_in_pages_and_missing_codes_with_the_first(
    door: Service,
) -> None:
    query = "?codes=LONG,Nobody,LONGER&mode=DISCOUNT&includeRedemptions=true"
    for code in ("long", "longer"):
        await door.post(REDEMPTIONS, promotions(redemptions=[line(code)] * 500))
    whole = await door.http.get(REDEMPTIONS + query)
    assert len(whole.json()["data"]) == 1_000
    assert "Link" not in whole.headers
    await door.post(REDEMPTIONS, promotions(redemptions=[line("long"), line("longer")]))
    first = await door.http.get(REDEMPTIONS + query)
    assert len(first.json()["data"]) == 1_000
    assert len(first.json()["errors"]) == 1
    link = first.headers["Link"]
    assert link.startswith(f"<{REDEMPTIONS}?")
    assert link.endswith('>; rel="next"')
    second = await door.http.get(link[1 : link.index(">")])
    assert second.status_code == 200
    assert "Link" not in second.headers
    assert second.json()["errors"] == []
    ids = [record["id"] for page in (first, second) for record in page.json()["data"]]
    assert len(ids) == 1_002
    assert ids == sorted(set(ids), reverse=True)


@pytest.mark.provokes("FIELD_INVALID")
async def test_at_most_50_violations_and_then_how_many_more(door: Service) -> None:
    codes = ",".join(["x" * 251] * 100)
    found = texts(await door.http.get(f"{REDEMPTIONS}?mode=DISCOUNT&codes={codes}"), "B")
    shown = [text for text in found if text.startswith("codes[")]
    assert 1 <= len(shown) <= 50
    assert found == [*shown, f"and {100 - len(shown)} more"]


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_page_token_is_good_for_its_own_query_alone(door: Service) -> None:
    for _ in range(3):
        body = promotions(redemptions=[line("paged")] * 400)
        assert (await door.post(REDEMPTIONS, body)).status_code == 200
    first = await door.http.get(f"{REDEMPTIONS}?codes=PAGED&mode=DISCOUNT&includeRedemptions=true")
    link = first.headers["Link"]
    url = link[1 : link.index(">")]
    token = url[url.index("pageToken=") :]
    cases = [
        (url, 200),
        (url.replace("codes=PAGED", "codes=paged"), 200),
        (url.replace("codes=PAGED", "codes=PAGED%2CCode-1"), 400),
        (url.replace("mode=DISCOUNT", "mode=PAYMENT_VOUCHER"), 400),
        (url.replace("includeRedemptions=true", "includeRedemptions=false"), 400),
        (url.replace(token, "pageToken=A" + token.removeprefix("pageToken=")), 400),
    ]
    for other, status in cases:
        response = await door.http.get(other)
        assert response.status_code == status, other
        if status == 400:
            assert "pageToken" in texts(response, "B")[0]


async def test_100_codes_may_be_asked_for_in_one_parameter_or_in_several(door: Service) -> None:
    codes = [f"none-{n}" for n in range(100)]
    together = await door.http.get(f"{REDEMPTIONS}?mode=DISCOUNT&codes={','.join(codes)}")
    apart = await door.http.get(
        f"{REDEMPTIONS}?mode=DISCOUNT&codes={','.join(codes[:50])}&codes={','.join(codes[50:])}"
    )
    assert together.status_code == 404
    assert len(texts(together, "B")) == 100
    assert apart.content == together.content


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("a/b c+d", id="reserved"),
        pytest.param("größe\U0001f600", id="not ASCII"),
        pytest.param("' OR 1=1 --", id="SQL"),
        pytest.param("%", id="wildcard"),
        pytest.param("Code_1", id="single wildcard"),
    ],
)
async def test_codes_are_taken_literally(door: Service, code: str) -> None:
    await door.post(REDEMPTIONS, promotions(redemptions=[line("coded")]))
    response = await door.http.get(f"{REDEMPTIONS}?mode=DISCOUNT&codes={quote(code)}")
    assert response.status_code == 404
    assert code in texts(response, "B")[0]


async def test_a_lookup_records_nothing(door: Service) -> None:
    before = recorded(door)
    for include in ("true", "false"):
        query = f"codes=Code-1,none&mode=DISCOUNT&includeRedemptions={include}"
        await door.http.get(f"{REDEMPTIONS}?{query}")
    assert recorded(door) == before
