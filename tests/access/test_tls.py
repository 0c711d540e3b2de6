"""TLS at both doors and between them, with certificates that a test authority signs."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from redemption.v1.promotion_redemption_pb2 import PROMOTION_MODE_DISCOUNT
from redemption.v1.promotion_redemption_service_pb2 import ListPromotionRedemptionsRequest
from redemption.v1.promotion_redemption_service_pb2_grpc import PromotionRedemptionServiceStub
from redemption_gateway import tls as gateway_tls
from redemption_gateway.caller import ServerTls
from redemption_gateway.server import TlsFilesError, running_gateway
from redemption_gateway.settings import GatewaySettings
from redemption_gateway.tls import TlsFiles
from redemption_server.app import running_server
from redemption_server.prepare import StartError
from redemption_server.settings import Settings

from tests.support import catalogs
from tests.support.certificates import Authority, Files
from tests.support.process import run, started
from tests.support.service import REDEMPTIONS, basic, error_info, status_of

LIST = ListPromotionRedemptionsRequest(codes=["A"], mode=PROMOTION_MODE_DISCOUNT)
LOOKUP = f"{REDEMPTIONS}?codes=A&mode=DISCOUNT"
METADATA = (("authorization", basic()),)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def grpc_door(url: str, folder: Path, files: Files, **settings: Any) -> AsyncIterator[int]:
    """The port of a gRPC door with TLS."""
    all_settings = Settings(
        database_url=url,  # type: ignore[arg-type]
        grpc_address="127.0.0.1:0",
        tls_cert=files.certificate,
        tls_key=files.key,
        **settings,
    )
    file = catalogs.write(folder, catalogs.organization())
    async with running_server(all_settings, [file]) as server:
        yield server.port


def credentials(authority: Authority, client: Files | None = None) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        authority.file.read_bytes(),
        client.key.read_bytes() if client else None,
        client.certificate.read_bytes() if client else None,
    )


async def looked_up(
    port: int, how: grpc.ChannelCredentials, metadata: tuple[tuple[str, str], ...] = METADATA
) -> str:
    """What a lookup over a new connection is answered: OK, a reason, or a gRPC code."""
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", how) as channel:
        stub: Any = PromotionRedemptionServiceStub(channel)  # type: ignore[no-untyped-call]
        try:
            await stub.ListPromotionRedemptions(LIST, metadata=metadata, timeout=10)
        except grpc.aio.AioRpcError as error:
            if error.trailing_metadata():
                return str(error_info(status_of(error)).reason)
            return error.code().name
        return "OK"


async def test_the_grpc_door_speaks_tls_and_nothing_else(
    sqlite_url: str, tmp_path: Path, authority: Authority
) -> None:
    async with grpc_door(sqlite_url, tmp_path, authority.server()) as port:
        assert await looked_up(port, credentials(authority)) == "OK"
        stranger = Authority(tmp_path, "stranger")
        assert await looked_up(port, credentials(stranger)) == "UNAVAILABLE"
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = PromotionRedemptionServiceStub(channel)  # type: ignore[no-untyped-call]
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.ListPromotionRedemptions(LIST, metadata=METADATA, timeout=5)


async def test_the_grpc_door_follows_its_files(
    sqlite_url: str, tmp_path: Path, authority: Authority
) -> None:
    files = authority.server()
    async with grpc_door(sqlite_url, tmp_path, files) as port:
        assert await looked_up(port, credentials(authority)) == "OK"
        later = Authority(tmp_path, "later")
        # Halfway: certificate and key do not belong together.
        files.key.write_bytes(later.server("other").key.read_bytes())
        assert await looked_up(port, credentials(authority)) == "OK"
        later.server()
        assert await looked_up(port, credentials(later)) == "OK"
        assert await looked_up(port, credentials(authority)) == "UNAVAILABLE"


@pytest.mark.provokes("UNAUTHENTICATED")
async def test_a_client_certificate_names_a_credential(
    sqlite_url: str, tmp_path: Path, authority: Authority
) -> None:
    ca = {"tls_client_ca": authority.file}
    async with grpc_door(sqlite_url, tmp_path, authority.server(), **ca) as port:
        known = credentials(authority, authority.client(catalogs.KEY))
        unknown = credentials(authority, authority.client("nobody"))
        stranger = Authority(tmp_path, "stranger").client(catalogs.KEY)
        assert await looked_up(port, known, ()) == "OK"
        assert await looked_up(port, unknown, ()) == "UNAUTHENTICATED"
        # What the call itself presents comes first, better or worse.
        assert await looked_up(port, unknown, METADATA) == "OK"
        wrong = (("authorization", basic(secret="wrong")),)
        assert await looked_up(port, known, wrong) == "UNAUTHENTICATED"
        assert await looked_up(port, credentials(authority)) == "UNAVAILABLE"
        assert await looked_up(port, credentials(authority, stranger), ()) == "UNAVAILABLE"


async def test_without_a_ca_no_certificate_counts(
    sqlite_url: str, tmp_path: Path, authority: Authority
) -> None:
    async with grpc_door(sqlite_url, tmp_path, authority.server()) as port:
        how = credentials(authority, authority.client(catalogs.KEY))
        assert await looked_up(port, how, ()) == "UNAUTHENTICATED"


async def ask(port: int, authority: Authority, path: str = LOOKUP) -> int:
    context = ssl.create_default_context(cafile=authority.file)
    async with httpx.AsyncClient(verify=context, headers={"Authorization": basic()}) as client:
        return (await client.get(f"https://127.0.0.1:{port}{path}")).status_code


async def test_the_gateway_speaks_tls_to_clients_and_to_the_server(
    sqlite_url: str, tmp_path: Path, authority: Authority
) -> None:
    files, own = authority.server(), authority.client("the-gateway")
    ca = {"tls_client_ca": authority.file}
    async with grpc_door(sqlite_url, tmp_path, files, **ca) as port:
        gateway = GatewaySettings(
            "127.0.0.1:0",
            f"ipv4:127.0.0.1:{port}",
            "UTC",
            tls=TlsFiles(*files),
            server_tls=ServerTls(authority.file, *own),
        )
        async with running_gateway(gateway) as http_port:
            assert await ask(http_port, authority) == 404
            assert await ask(http_port, authority, "/readyz") == 200
            # The certificate of the gateway lets nobody in who has nothing else.
            context = ssl.create_default_context(cafile=authority.file)
            async with httpx.AsyncClient(verify=context) as client:
                answer = await client.get(f"https://127.0.0.1:{http_port}{LOOKUP}")
            assert answer.status_code == 401
            async with httpx.AsyncClient() as client:
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get(f"http://127.0.0.1:{http_port}/healthz")


async def test_the_gateway_does_not_believe_a_server_of_another_authority(
    sqlite_url: str, tmp_path: Path, authority: Authority
) -> None:
    stranger = Authority(tmp_path, "stranger")
    async with grpc_door(sqlite_url, tmp_path, authority.server()) as port:
        gateway = GatewaySettings(
            "127.0.0.1:0",
            f"ipv4:127.0.0.1:{port}",
            "UTC",
            server_tls=ServerTls(stranger.file),
        )
        async with (
            running_gateway(gateway) as http_port,
            httpx.AsyncClient(headers={"Authorization": basic()}) as client,
        ):
            answer = await client.get(f"http://127.0.0.1:{http_port}{LOOKUP}")
    assert answer.status_code == 503


async def test_the_gateway_follows_its_files(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_tls, "_LOOK_SECONDS", 0.0)
    files = authority.server()
    gateway = GatewaySettings("127.0.0.1:0", "ipv4:127.0.0.1:9", "UTC", tls=TlsFiles(*files))
    async with running_gateway(gateway) as port:
        assert await ask(port, authority, "/healthz") == 200
        later = Authority(tmp_path, "later")
        files.key.write_bytes(later.server("other").key.read_bytes())
        assert await ask(port, authority, "/healthz") == 200
        later.server()
        assert await ask(port, later, "/healthz") == 200
        with pytest.raises(httpx.ConnectError):
            await ask(port, authority, "/healthz")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
async def test_old_versions_of_tls_are_refused(tmp_path: Path, authority: Authority) -> None:
    files = authority.server()
    gateway = GatewaySettings("127.0.0.1:0", "ipv4:127.0.0.1:9", "UTC", tls=TlsFiles(*files))
    async with running_gateway(gateway) as port:
        context = ssl.create_default_context(cafile=authority.file)
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        async with httpx.AsyncClient(verify=context) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://127.0.0.1:{port}/healthz")


async def test_files_that_do_not_belong_together_are_an_error_at_start(
    sqlite_url: str, tmp_path: Path, authority: Authority
) -> None:
    mixed = Files(authority.server().certificate, authority.server("other").key)
    with pytest.raises(StartError, match=r"server\.pem"):
        async with grpc_door(sqlite_url, tmp_path, mixed):
            pass
    gateway = GatewaySettings("127.0.0.1:0", "ipv4:127.0.0.1:9", "UTC", tls=TlsFiles(*mixed))
    with pytest.raises(TlsFilesError, match=r"server\.pem"):
        async with running_gateway(gateway):
            pass
    missing = GatewaySettings(
        "127.0.0.1:0", "ipv4:127.0.0.1:9", "UTC", server_tls=ServerTls(tmp_path / "missing.pem")
    )
    with pytest.raises(TlsFilesError, match=r"missing\.pem"):
        async with running_gateway(missing):
            pass


def test_up_speaks_tls_at_both_doors(tmp_path: Path, authority: Authority) -> None:
    files = authority.server()
    settings = {
        "tls_cert": str(files.certificate),
        "tls_key": str(files.key),
        # Its own gateway needs no certificate, whatever other clients need.
        "tls_client_ca": str(authority.file),
        "catalog": str(catalogs.write(tmp_path, catalogs.organization())),
    }
    with started("up", folder=tmp_path, **settings) as process:
        process.port("gRPC server listens")
        port = process.port("HTTP gateway listens")
        context = ssl.create_default_context(cafile=authority.file)
        with httpx.Client(verify=context, headers={"Authorization": basic()}) as client:
            assert client.get(f"https://127.0.0.1:{port}{LOOKUP}").status_code == 404


@pytest.mark.parametrize("name", ["grpc_address", "http_address"])
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "example.com:80"])
def test_nobody_listens_in_clear_to_the_world_by_mistake(
    tmp_path: Path, authority: Authority, name: str, address: str
) -> None:
    refused = run("check-config", folder=tmp_path, **{name: address})
    assert refused.returncode == 2
    assert f"REDEMPTION_{name.upper()}" in refused.stderr
    told = run("check-config", folder=tmp_path, allow_cleartext="true", **{name: address})
    assert told.returncode == 0, told.stderr
    files = authority.server()
    tls = {"tls_cert": str(files.certificate), "tls_key": str(files.key)}
    assert run("check-config", folder=tmp_path, **tls, **{name: address}).returncode == 0


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"tls_cert": "a"}, {"TLS_KEY"}),
        ({"tls_key": "a"}, {"TLS_CERT"}),
        ({"tls_client_ca": "a"}, {"TLS_CERT"}),
        ({"server_client_key": "a"}, {"SERVER_CLIENT_CERT"}),
        ({"server_client_cert": "a"}, {"SERVER_CLIENT_KEY", "SERVER_CA"}),
    ],
)
def test_settings_that_need_each_other_are_missed_together(
    tmp_path: Path, settings: dict[str, str], missing: set[str]
) -> None:
    result = run("check-config", folder=tmp_path, **settings)
    assert result.returncode == 2
    named = {line.partition(":")[0] for line in result.stderr.splitlines()}
    assert named == {f"REDEMPTION_{name}" for name in missing}
