"""Webhooks in catalogs: what is refused, and what is kept of their secrets."""

import base64
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from redemption_server.access.seal import Seal, UnsealError, new_key
from redemption_server.catalog.apply import apply_catalog
from redemption_server.storage.catalog_apply import CatalogRefused
from redemption_server.storage.schema import METADATA
from structlog.testing import capture_logs

from tests.support import catalogs
from tests.support.process import run
from tests.support.receiver import OTHER_SECRET, SECRET, Receiver, running_receiver, status
from tests.webhooks.office import PATIENCE, Office, organization, webhook

HOOK = {
    "id": "w1",
    "url": "https://receiver.example.com/hook",
    "secret": SECRET,
    "events": ["COUPON_REDEEMED"],
}
PATH = "catalog.organizations[0].webhooks"
KEYS = "need REDEMPTION_WEBHOOK_KEYS"


def secret_of(length: int) -> str:
    return "whsec_" + base64.b64encode(b"s" * length).decode()


async def refusals(office: Office, *webhooks: dict[str, Any]) -> dict[str, str]:
    """What is wrong, by path; nothing is applied."""
    with pytest.raises(CatalogRefused) as caught:
        await office.apply(organization(*webhooks))
    assert await office.desk.rows("SELECT id FROM organization") == []
    for violation in caught.value.violations:
        assert SECRET not in violation.sentence
    return {violation.field: violation.sentence for violation in caught.value.violations}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "receiver.example.com",
        "//receiver.example.com/",
        "ftp://receiver.example.com/",
        "https://",
        "https:///hook",
        "https://user@receiver.example.com/",
        "https://user:password@receiver.example.com/",
        "https://:password@receiver.example.com/",
        "https://receiver.example.com:99999/",
        "https://receiver.example.com:port/",
        "https://receiver.example.com:0/",
        "https://[::1/",
        "https://[fe80::zz]/",
        "https://receiver.example.com/\r\nX: y",
        "https://receiver.example.com/\t",
        "https://empfänger.example.com/",
        "https://receiver.example.com/" + "x" * 250,
    ],
)
@pytest.mark.provokes("FIELD_INVALID")
async def test_a_bad_url_is_named(one_office: Office, url: str) -> None:
    assert list(await refusals(one_office, {**HOOK, "url": url})) == [f"{PATH}[0].url"]


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        secret_of(23),
        secret_of(65),
        secret_of(32).removeprefix("whsec_"),
        "whsec_" + "ü" * 40,
        "whsec_" + "!" * 40,
        secret_of(32) + "=",
    ],
)
async def test_a_bad_secret_is_named_and_not_repeated(one_office: Office, secret: str) -> None:
    wrong = await refusals(one_office, {**HOOK, "secret": secret})
    assert list(wrong) == [f"{PATH}[0].secret"]
    key = secret.removeprefix("whsec_")
    assert not key or key not in "".join(wrong.values())


@pytest.mark.parametrize("length", [24, 64])
async def test_secrets_of_all_lengths_of_the_convention_are_accepted(
    one_office: Office, length: int
) -> None:
    await one_office.apply(organization({**HOOK, "secret": secret_of(length)}))
    assert len(await one_office.webhooks()) == 1


@pytest.mark.parametrize(
    ("events", "field", "problem"),
    [
        ([], "events", "is required"),
        ([2, 1, 2], "events[2]", "stands twice in the list"),
        ([0], "events[0]", "must be an event"),
        ([1, 7], "events[1]", "is no known value: 7"),
    ],
)
async def test_bad_events_are_named(
    one_office: Office, tmp_path: Path, events: list[int], field: str, problem: str
) -> None:
    catalog = catalogs.read(tmp_path, organization(HOOK))
    catalog.organizations[0].webhooks[0].events[:] = events  # type: ignore[assignment]
    with pytest.raises(CatalogRefused) as caught:
        await one_office.apply_message(catalog)
    path = f"{PATH}[0].{field}"
    assert [(v.field, v.sentence) for v in caught.value.violations] == [(path, f"{path} {problem}")]


async def test_ids_are_required_and_unique_in_an_organisation(one_office: Office) -> None:
    assert list(await refusals(one_office, {**HOOK, "id": ""})) == [f"{PATH}[0].id"]
    assert list(await refusals(one_office, {**HOOK, "id": "x" * 251})) == [f"{PATH}[0].id"]
    assert list(await refusals(one_office, HOOK, HOOK)) == [f"{PATH}[1].id"]
    await one_office.apply(
        organization(HOOK), organization(HOOK, id=catalogs.OTHER_ORG, name="Other")
    )
    assert len(await one_office.webhooks()) == 2


async def test_without_keys_no_webhook_is_applied(one_office: Office, tmp_path: Path) -> None:
    catalog = catalogs.read(tmp_path, organization(HOOK))
    with pytest.raises(CatalogRefused) as caught:
        await apply_catalog(one_office.database, catalog, foreign_secrets_fixed=False)
    (violation,) = caught.value.violations
    assert violation.field == PATH
    assert KEYS in violation.sentence
    assert await one_office.desk.rows("SELECT id FROM webhook") == []


def test_the_command_line_says_what_is_missing_and_makes_it(tmp_path: Path) -> None:
    file = str(catalogs.write(tmp_path, organization(HOOK)))
    refused = run("catalog", "apply", file, folder=tmp_path)
    assert refused.returncode != 0
    assert f"organizations[0].webhooks {KEYS}" in refused.stderr
    assert SECRET not in refused.stderr + refused.stdout
    key = run("webhooks", "key", folder=tmp_path).stdout.strip()
    assert run("catalog", "apply", file, folder=tmp_path, webhook_keys=key).returncode == 0
    bad = run("catalog", "apply", file, folder=tmp_path, webhook_keys=key[:-3])
    assert bad.returncode != 0
    assert "REDEMPTION_WEBHOOK_KEYS: must be keys made by `redemption webhooks key`" in bad.stderr
    assert key[:-3] not in bad.stderr


def test_the_first_key_seals_and_all_read() -> None:
    old, new, foreign = new_key(), new_key(), new_key()
    sealed = Seal(old).seal(SECRET)
    rotated = Seal(f"{new},{old}")
    assert rotated.unseal(sealed) == SECRET
    assert Seal(new).unseal(rotated.seal(SECRET)) == SECRET
    for seal, content in ((Seal(old), rotated.seal(SECRET)), (Seal(foreign), sealed)):
        with pytest.raises(UnsealError) as caught:
            seal.unseal(content)
        assert SECRET not in repr(caught.value)


async def test_with_a_new_key_before_the_old_one_deliveries_go_on(
    one_office: Office, receiver: Receiver
) -> None:
    await one_office.apply(organization(webhook(receiver)))
    await one_office.redeem()
    new = new_key()
    one_office.seal = Seal(f"{new},{one_office.key}")
    await (await one_office.delivery()).run()
    # Applied again it is sealed with the new one, and the old one may go.
    await one_office.apply(organization(webhook(receiver)))
    one_office.seal = Seal(new)
    await one_office.redeem()
    await (await one_office.delivery()).run()
    assert receiver.sequences == [1, 2]


async def test_secrets_and_what_receivers_say_are_nowhere_in_database_and_logs(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    # What libraries say at a lower level no setting of ours turns on.
    caplog.set_level(logging.INFO)
    leak = "L34K"
    async with running_receiver(OTHER_SECRET, clock=office.clock) as receiver:
        receiver.manner = status(418, f"X-{leak}: {leak}", body=leak.encode())
        await office.apply(organization(webhook(receiver)))
        await office.redeem()
        delivery = await office.delivery()
        with capture_logs() as log:
            for _ in range(2):
                await delivery.run()
                office.clock.advance(PATIENCE)
        assert len(await office.parked()) == 1
        webhooks = repr(await office.webhooks())
        around = repr(delivery)
    tables = [await office.desk.rows(f'SELECT * FROM "{name}"') for name in METADATA.tables]
    seen = {
        "tables": repr(tables),
        "logs": json.dumps(log, default=repr) + caplog.text,
        "webhooks": webhooks,
        "deliveries": around,
    }
    assert "answered 418" in seen["tables"]
    assert "answered 418" in seen["logs"]
    key = OTHER_SECRET.removeprefix("whsec_")
    for where, text in seen.items():
        for secret in (key, base64.b64decode(key).decode(), office.key, leak):
            assert secret not in text, (where, secret)


async def test_a_secret_is_not_in_the_file_of_the_database(
    one_office: Office, sqlite_url: str
) -> None:
    await one_office.apply(organization(HOOK))
    database = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    written = b"".join(file.read_bytes() for file in database.parent.glob(f"{database.name}*"))
    ((sealed,),) = await one_office.desk.rows("SELECT sealed_secret FROM webhook")
    assert bytes(sealed) in written
    key = SECRET.removeprefix("whsec_")
    assert key.encode() not in written
    assert base64.b64decode(key) not in written
