"""The command line, run for real."""

import json
import signal
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from redemption_server.prepare import DEMO_CATALOG
from redemption_server.settings import Settings

from tests.support import catalogs
from tests.support.process import run, started

REDEMPTIONS = "/api_gateway/v1/promotions/redemptions"
LOOKUP = f"{REDEMPTIONS}?codes=UQ38T&mode=DISCOUNT"


def test_up_serves_both_doors_and_stops_with_0(tmp_path: Path) -> None:
    with started("up", "--demo", folder=tmp_path) as process:
        process.port("gRPC server listens")
        port = process.port("HTTP gateway listens")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").json() == {"status": "SERVING"}
            answer = client.get(LOOKUP, auth=("demo", "demo"))
            assert answer.status_code == 404
            assert len(answer.json()["errors"]) == 1
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


def test_server_and_gateway_run_apart(tmp_path: Path) -> None:
    with started("server", folder=tmp_path, catalog=str(DEMO_CATALOG)) as server:
        grpc_port = server.port("gRPC server listens")
        target = f"ipv4:127.0.0.1:{grpc_port}"
        with started("gateway", folder=tmp_path, server_target=target) as gateway:
            port = gateway.port("HTTP gateway listens")
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                assert client.get(LOOKUP, auth=("demo", "demo")).status_code == 404
                assert client.get("/readyz").status_code == 200
                server.signal(signal.SIGINT)
                assert server.wait() == 0
                assert client.get("/readyz").status_code == 503
                assert client.get("/healthz").status_code == 200
                away = client.get(LOOKUP, auth=("demo", "demo"))
                assert away.status_code == 503
                assert away.headers["Retry-After"] == "1"
            gateway.signal(signal.SIGTERM)
            assert gateway.wait() == 0


@pytest.mark.parametrize("setting", ["grpc_address", "http_address"])
def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path, setting: str) -> None:
    addresses = {"grpc_address": "127.0.0.1:0", "http_address": "127.0.0.1:0"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        addresses[setting] = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run("up", folder=tmp_path, **addresses)
    assert result.returncode == 1
    assert addresses[setting] in result.stderr
    assert "Traceback" not in result.stderr


def test_all_bad_settings_are_reported_together(tmp_path: Path) -> None:
    bad = {
        "database_url": "mysql://u:hidden@h/d",
        "grpc_address": "nowhere",
        "time_zone": "Mars/Olympus",
        "log_format": "xml",
    }
    for command in (["check-config"], ["server"], ["migrate"]):
        result = run(*command, folder=tmp_path, **bad)
        assert result.returncode == 2
        for name in bad:
            assert f"REDEMPTION_{name.upper()}: must be " in result.stderr
        assert "hidden" not in result.stderr


def test_an_unknown_setting_is_an_error_only_for_check_config(tmp_path: Path) -> None:
    checked = run("check-config", folder=tmp_path, grcp_address="127.0.0.1:1")
    assert checked.returncode == 2
    assert "REDEMPTION_GRCP_ADDRESS" in checked.stderr
    migrated = run("migrate", folder=tmp_path, grcp_address="127.0.0.1:1")
    assert migrated.returncode == 0
    assert "REDEMPTION_GRCP_ADDRESS" in migrated.stderr


def test_good_settings_are_fine(tmp_path: Path) -> None:
    assert run("check-config", folder=tmp_path).returncode == 0


def test_settings_do_not_show_secrets() -> None:
    settings = Settings(database_url="postgresql+asyncpg://u:hidden@h/d")  # type: ignore[arg-type]
    assert "hidden" not in repr(settings)


def test_catalog_apply_loads_files_and_names_what_is_wrong(tmp_path: Path) -> None:
    good = catalogs.write(tmp_path, catalogs.organization(promotions=[catalogs.promotion()]))
    result = run("catalog", "apply", str(good), folder=tmp_path)
    assert result.returncode == 0, result.stderr
    bad = tmp_path / "bad.yaml"
    bad.write_text("organizations:\n  - id: 100\n    nmae: Test\n")
    result = run("catalog", "apply", str(bad), folder=tmp_path)
    assert result.returncode == 1
    assert "bad.yaml:3" in result.stderr
    assert "nmae" in result.stderr
    with closing(sqlite3.connect(tmp_path / "var" / "redemption.db")) as connection:
        assert connection.execute("SELECT name FROM organization").fetchall() == [("Test",)]


def test_logs_are_json_lines_without_secrets(tmp_path: Path) -> None:
    file = catalogs.write(tmp_path, catalogs.organization())
    result = run(
        "up",
        folder=tmp_path,
        catalog=str(file),
        grpc_address="127.0.0.1:0",
        http_address="203.0.113.1:1",
        allow_cleartext="true",
        log_format="json",
    )
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("{")]
    assert "gRPC server listens" in {json.loads(line)["event"] for line in lines}
    assert catalogs.SECRET not in "".join(lines)


def test_catalog_apply_applies_all_files_or_none(tmp_path: Path) -> None:
    good = catalogs.write(tmp_path, catalogs.organization())
    bad = tmp_path / "bad.yaml"
    assert run("migrate", folder=tmp_path).returncode == 0
    for content in ("organizations: [{id: 200, nmae: x}]", "organizations: [{id: 0}]"):
        bad.write_text(content)
        result = run("catalog", "apply", str(good), str(bad), folder=tmp_path)
        assert result.returncode == 1
        assert "bad.yaml:" in result.stderr
        with closing(sqlite3.connect(tmp_path / "var" / "redemption.db")) as connection:
            assert connection.execute("SELECT count(*) FROM organization").fetchall() == [(0,)]


def test_up_calls_itself_where_it_listens(tmp_path: Path) -> None:
    with started("up", folder=tmp_path, grpc_address="127.0.0.2:0") as process:
        process.port("gRPC server listens")
        port = process.port("HTTP gateway listens")
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200


def test_a_database_that_cannot_be_reached_is_a_clear_error(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://user:hidden@127.0.0.1:1/none"
    for command in ("server", "migrate"):
        result = run(command, folder=tmp_path, database_url=url)
        assert result.returncode == 1
        assert "database" in result.stderr
        assert "hidden" not in result.stderr
        assert "Traceback" not in result.stderr
