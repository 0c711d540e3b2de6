"""Looking redemptions up by code: the newest first, page by page, and summaries."""

import base64
import string
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.promotion_calls import (
    VOUCHER,
    failure,
    fields,
    look_up,
    reason,
    redeem,
    request,
    use,
)
from tests.support import catalogs
from tests.support.service import Service, basic, run_service

CODES = [
    {"id": "c1", "code": "Alpha"},
    {"id": "c2", "code": "Beta"},
    {"id": "c3", "code": "Never"},
]
GIFT = catalogs.promotion("p2", mode="PAYMENT_VOUCHER", codes=[{"id": "c9", "code": "Gift"}])
THEIRS = (("authorization", basic(catalogs.OTHER_KEY, catalogs.OTHER_SECRET)),)


@pytest.fixture
async def service(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """Two organisations that have the same promotions and codes."""
    promotions = [catalogs.promotion(codes=CODES), GIFT]
    own = catalogs.organization(promotions=promotions)
    credential = {
        **catalogs.CREDENTIAL,
        "key": catalogs.OTHER_KEY,
        "secret": catalogs.OTHER_SECRET,
    }
    other = catalogs.organization(
        id=catalogs.OTHER_ORG, promotions=promotions, credentials=[credential]
    )
    file = catalogs.write(tmp_path, own, other)
    async with run_service(sqlite_url, file) as service:
        yield service


async def redeem_codes(service: Service, *codes: str, **changes: Any) -> list[str]:
    """Redeems each code in a transaction of its own; the identifiers of the transactions."""
    identifiers = []
    for number, code in enumerate(codes):
        fields = {"transaction_identifier": f"{code}-{number}", **changes}
        await redeem(service, request(redemptions=[use(promo_code=code)], **fields))
        identifiers.append(f"{code}-{number}")
    return identifiers


async def all_pages(service: Service, **query: Any) -> list[Any]:
    pages = [await look_up(service, **query)]
    while pages[-1].next_page_token:
        assert len(pages) < 20
        pages.append(await look_up(service, **query, page_token=pages[-1].next_page_token))
    return pages


async def test_records_come_newest_first_over_all_codes(service: Service) -> None:
    sent = await redeem_codes(service, "alpha", "BETA", "Beta", "ALPHA", "alpha")
    found = (await look_up(service, codes=["beta", "ALPHA"])).redemptions
    assert [record.transaction_identifier for record in found] == sent[::-1]
    ids = [record.id for record in found]
    assert ids == sorted(ids, reverse=True)
    assert {record.promo_code for record in found} == {"Alpha", "Beta"}


async def test_the_order_is_that_of_recording_not_of_the_transactions_dates(
    service: Service,
) -> None:
    for number, seconds in enumerate((1_700_000_000, 1_500_000_000, 1_600_000_000)):
        date, identifier = {"seconds": seconds}, str(number)
        uses = [use(promo_code="Alpha")]
        message = request(
            transaction_date=date, transaction_identifier=identifier, redemptions=uses
        )
        await redeem(service, message)
    found = (await look_up(service, codes=["Alpha"])).redemptions
    assert [record.transaction_identifier for record in found] == ["2", "1", "0"]


async def test_pages_have_every_record_once_whatever_their_size(service: Service) -> None:
    await redeem_codes(service, *["Alpha", "Beta", "Alpha"] * 2, "Beta")
    codes = ["Beta", "Alpha", "Nothing"]
    whole = await look_up(service, codes=codes)
    assert (len(whole.redemptions), whole.next_page_token) == (7, "")
    for size in range(1, 9):
        pages = await all_pages(service, codes=codes, page_size=size)
        assert [r for page in pages for r in page.redemptions] == list(whole.redemptions)
        assert [len(page.redemptions) for page in pages[:-1]] == [size] * (len(pages) - 1)
        assert [list(page.missing_codes) for page in pages] == [
            ["Nothing"],
            *[[] for _ in pages[1:]],
        ]


async def test_what_is_recorded_meanwhile_does_not_disturb_the_pages(service: Service) -> None:
    sent = await redeem_codes(service, *["Alpha"] * 4)
    first = await look_up(service, codes=["Alpha"], page_size=2)
    await redeem_codes(service, "Alpha", transaction_identifier="late")
    rest = await look_up(service, codes=["Alpha"], page_size=2, page_token=first.next_page_token)
    found = [record.transaction_identifier for record in [*first.redemptions, *rest.redemptions]]
    assert (found, rest.next_page_token) == (sent[::-1], "")


async def test_a_page_has_100_records_unless_told_otherwise(service: Service) -> None:
    await redeem(service, request(redemptions=[use(promo_code="Alpha")] * 101))
    page = await look_up(service, codes=["Alpha"])
    assert len(page.redemptions) == 100
    rest = await look_up(service, codes=["Alpha"], page_token=page.next_page_token)
    assert (len(rest.redemptions), rest.next_page_token) == (1, "")
    whole = await look_up(service, codes=["Alpha"], page_size=1_000)
    assert (len(whole.redemptions), whole.next_page_token) == (101, "")


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_token_belongs_to_its_query_and_its_organisation(service: Service) -> None:
    await redeem_codes(service, *["Alpha"] * 3, "Beta")
    token = (await look_up(service, codes=["Alpha"], page_size=1)).next_page_token
    again = await look_up(service, codes=["ALPHA"], page_size=1, page_token=token)
    assert len(again.redemptions) == 1
    others: list[dict[str, Any]] = [
        {"codes": ["Beta"]},
        {"codes": ["Alpha", "Beta"]},
        {"codes": ["Alpha"], "mode": VOUCHER},
        {"codes": ["Alpha"], "include_redemptions": False},
    ]
    for other in others:
        status = await failure(look_up(service, **other, page_token=token))
        assert (reason(status), fields(status)) == ("FIELD_INVALID", ["page_token"]), other
    service.metadata = THEIRS
    status = await failure(look_up(service, codes=["Alpha"], page_token=token))
    assert reason(status) == "FIELD_INVALID"


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_forged_token_is_refused(service: Service) -> None:
    await redeem_codes(service, *["Alpha"] * 3)
    page = await look_up(service, codes=["Alpha"], page_size=1)
    raw = base64.urlsafe_b64decode(page.next_page_token)
    flipped = [bytes([*raw[:i], raw[i] ^ 1, *raw[i + 1 :]]) for i in range(len(raw))]
    forged = [base64.urlsafe_b64encode(each).decode() for each in (*flipped, raw[:-1], raw + b"x")]
    forged += ["x", "=", "é", "A" * 40, "0", page.redemptions[0].id, page.next_page_token[:-1]]
    for token in forged:
        status = await failure(look_up(service, codes=["Alpha"], page_token=token))
        assert (reason(status), fields(status)) == ("FIELD_INVALID", ["page_token"]), token


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_token_in_another_spelling_is_refused(service: Service) -> None:
    await redeem_codes(service, *["Alpha"] * 2)
    token = (await look_up(service, codes=["Alpha"], page_size=1)).next_page_token
    stem = token.rstrip("=")
    letters = string.ascii_letters + string.digits + "-_+/"
    others = [stem[:-1] + letter + token[len(stem) :] for letter in letters]
    for other in {*others, token.swapcase()} - {token}:
        status = await failure(look_up(service, codes=["Alpha"], page_token=other))
        assert reason(status) == "FIELD_INVALID"


@pytest.mark.provokes("FIELD_INVALID")
async def test_the_shape_of_a_lookup(service: Service) -> None:
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "no codes": ({"codes": []}, ["codes"]),
        "101 codes": ({"codes": [str(n) for n in range(101)]}, ["codes"]),
        "empty code": ({"codes": ["Alpha", ""]}, ["codes[1]"]),
        "long code": ({"codes": ["x" * 251]}, ["codes[0]"]),
        "NUL": ({"codes": ["a\0"]}, ["codes[0]"]),
        "no mode": ({"codes": ["A"], "mode": 0}, ["mode"]),
        "unknown mode": ({"codes": ["A"], "mode": 3}, ["mode"]),
        "negative page": ({"codes": ["A"], "page_size": -1}, ["page_size"]),
        "large page": ({"codes": ["A"], "page_size": 1_001}, ["page_size"]),
        "everything": ({"mode": 0, "page_size": -1}, ["codes", "mode", "page_size"]),
    }
    for name, (query, expected) in cases.items():
        status = await failure(look_up(service, **query))
        assert (reason(status), fields(status)) == ("FIELD_INVALID", expected), name
    full = [str(n) for n in range(100)]
    assert list((await look_up(service, codes=full, page_size=1_000)).missing_codes) == full


async def test_another_organisations_redemptions_and_codes_are_invisible(
    service: Service,
) -> None:
    await redeem_codes(service, "Alpha")
    service.metadata = THEIRS
    for include in (True, False):
        page = await look_up(service, codes=["Alpha"], include_redemptions=include)
        assert (list(page.redemptions), list(page.code_summaries)) == ([], [])
        assert list(page.missing_codes) == ["Alpha"]
    await redeem_codes(service, "Alpha", transaction_identifier="theirs")
    [record] = (await look_up(service, codes=["Alpha"])).redemptions
    assert (record.org_id, record.transaction_identifier) == (catalogs.OTHER_ORG, "theirs")


@pytest.mark.parametrize("include", [True, False], ids=["records", "summaries"])
async def test_missing_are_codes_unknown_or_never_redeemed_or_of_the_other_mode(
    service: Service, *, include: bool
) -> None:
    await redeem_codes(service, "Alpha")
    gift = use(promotion_id="p2", promo_code="Gift")
    await redeem(service, request(redemptions=[gift]))
    codes = ["GIFT", "unknown", "alpha", "nEVER", "ALPHA", "Unknown"]
    page = await look_up(service, codes=codes, include_redemptions=include)
    assert list(page.missing_codes) == ["GIFT", "unknown", "nEVER"]
    assert len(page.redemptions) + len(page.code_summaries) == 1
    vouchers = await look_up(service, codes=codes, mode=VOUCHER, include_redemptions=include)
    assert list(vouchers.missing_codes) == ["unknown", "alpha", "nEVER"]
