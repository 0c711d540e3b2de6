"""The audit log: a line for each failure to get in and each change, and never a secret."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from redemption.v1 import catalog_pb2, catalog_service_pb2

from tests.support import catalogs
from tests.support.load import redeem_body
from tests.support.process import Process, run, started
from tests.support.redis_server import free_port
from tests.support.service import REDEMPTIONS, Service, basic

SECRET, NEW_SECRET, WRONG = "s3cr3t-of-key", "s3cr3t-later", "gu3ss"
LOOKUP = f"{REDEMPTIONS}?codes=A&mode=DISCOUNT"
READER = {"key": "reader", "secret": SECRET, "access": {"default": True}}
REQUEST_ID = "0123456789abcdef0123456789abcdef"
CREDENTIAL = {**catalogs.CREDENTIAL, "secret": SECRET}


Line = dict[str, Any]


class Running:
    """A process whose log is read when it has ended."""

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"X-Request-Id": REQUEST_ID},
            auth=(catalogs.KEY, SECRET),
            timeout=30,
        )

    def get(self, **headers: str) -> int:
        """The status of a lookup with other headers."""
        return self.http.get(LOOKUP, auth=None, headers=headers).status_code

    def log(self) -> list[Line]:
        """All its log lines; ends it."""
        self._process.signal(signal.SIGTERM)
        assert self._process.wait() == 0
        return self._process.whole_log()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    file = catalogs.write(tmp_path, catalogs.organization(credentials=[CREDENTIAL, READER]))
    port = free_port()
    # Audit lines come whatever the level of the other logs.
    settings = {
        "catalog": str(file),
        "log_level": "error",
        "http_address": f"127.0.0.1:{port}",
    }
    with started("up", folder=tmp_path, **settings) as process:
        running = Running(process, port)
        with running.http:
            until = time.monotonic() + 30
            while True:
                try:
                    running.http.get("/healthz")
                    break
                except httpx.ConnectError:
                    assert time.monotonic() < until
                    time.sleep(0.05)
            yield running


def audited(log: list[Line], event: str) -> list[Line]:
    """What the lines of an event say beside the event itself."""
    common = {"log", "event", "level", "timestamp"}
    lines = [line for line in log if line.get("log") == "audit" and line["event"] == event]
    return [{k: v for k, v in line.items() if k not in common} for line in lines]


def test_each_failure_to_get_in_has_a_line_that_holds_no_secret(running: Running) -> None:
    assert running.get() == 401
    assert running.get(Authorization=basic(catalogs.KEY, WRONG)) == 401
    # A secret that somebody typed into the field of the key.
    assert running.get(Authorization=basic(WRONG, WRONG)) == 401
    assert running.get(Authorization="Basic " + WRONG) == 401
    assert running.get(Authorization="Bearer " + WRONG) == 401
    log = running.log()
    seen = {"address": "127.0.0.1", "request_id": REQUEST_ID}
    assert audited(log, "authentication failed") == [
        {**seen, "why": "no credential"},
        {**seen, "credential": catalogs.KEY, "why": "wrong secret"},
        {**seen, "credential": None, "why": "wrong secret"},
        {**seen, "credential": None, "why": "The credential is malformed"},
        {**seen, "credential": None, "why": "token: not a token of this service"},
    ]
    whole = json.dumps(log)
    assert WRONG not in whole
    assert SECRET not in whole


def test_each_call_that_is_not_allowed_has_a_line(running: Running) -> None:
    reader = basic("reader", SECRET)
    answer = running.http.post(
        REDEMPTIONS,
        json=redeem_body("t"),
        auth=None,  # type: ignore[arg-type]
        headers={"Authorization": reader},
    )
    assert answer.status_code == 403
    assert running.get(**{"Authorization": reader, "X-CAP-API-AUTH-ORG-ID": "7"}) == 403
    group, foreign = audited(running.log(), "authorisation failed")
    assert group["rpc"] == "/redemption.v1.PromotionRedemptionService/RedeemPromotions"
    assert (group["credential"], group["org_id"]) == ("reader", catalogs.ORG)
    assert (foreign["credential"], foreign["org_id"]) == ("reader", 7)
    assert group["request_id"] == foreign["request_id"] == REQUEST_ID


def test_each_change_of_a_credential_has_a_line(tmp_path: Path) -> None:
    steps: list[tuple[list[Any], list[str]]] = [
        ([CREDENTIAL, READER], ["added", "added"]),
        ([CREDENTIAL, READER], []),
        ([{**CREDENTIAL, "secret": NEW_SECRET}], ["secret changed"]),
        ([{**READER, "access": {"admin": True}}], ["till or access changed"]),
        ([{**READER, "access": {"admin": True}, "active": False}], ["switched off"]),
        ([{**READER, "access": {"admin": True}}], ["switched on"]),
    ]
    for credentials, expected in steps:
        file = catalogs.write(tmp_path, catalogs.organization(credentials=credentials))
        result = run("catalog", "apply", str(file), folder=tmp_path, log_format="json")
        assert result.returncode == 0, result.stderr
        log = [json.loads(line) for line in result.stderr.splitlines()]
        assert [line["change"] for line in audited(log, "credential changed")] == expected
        assert [line["by"] for line in audited(log, "catalog applied")] == ["command line"]
        assert SECRET not in result.stderr
        assert NEW_SECRET not in result.stderr


async def test_a_catalog_that_a_caller_applies_names_the_caller(service: Service) -> None:
    change = catalog_pb2.Catalog(organizations=[catalog_pb2.Organization(id=catalogs.ORG)])
    request = catalog_service_pb2.ApplyCatalogRequest(catalog=change)
    with structlog.testing.capture_logs() as log:
        await service.catalog.ApplyCatalog(request, metadata=service.metadata)
    applied = next(line for line in log if line["event"] == "catalog applied")
    assert (applied["by"], applied["org_ids"]) == (catalogs.KEY, [catalogs.ORG])


def test_secrets_are_nowhere_in_the_database(running: Running, tmp_path: Path) -> None:
    token = {"key": catalogs.KEY, "secret": SECRET}
    assert running.http.post("/v3/oauth/token/generate", json=token).status_code == 200
    running.log()
    for file in (tmp_path / "var").iterdir():
        assert SECRET.encode() not in file.read_bytes(), file
