"""Settings, read once from the environment and handed on frozen.

Every bad setting is reported together, by name, with the accepted form.
"""

import base64
import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "REDEMPTION_"
_TEST_PREFIX = "REDEMPTION_TEST_"
_SEAL_KEY_BYTES = 32
_DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")


def _database_url(value: SecretStr) -> SecretStr:
    try:
        url = make_url(value.get_secret_value())
    except ArgumentError as error:
        raise ValueError("not a URL") from error
    in_memory = url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")
    if url.drivername not in _DRIVERS or in_memory:
        raise ValueError("not accepted")
    return value


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ValueError("not an address")
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("unknown") from error
    return value


def _storage_url(value: SecretStr) -> SecretStr:
    url = urlsplit(value.get_secret_value())
    if url.scheme not in ("redis", "rediss", "valkey", "valkeys") or not url.hostname:
        raise ValueError("not accepted")
    return value


def _networks(value: str) -> str:
    for network in filter(None, value.split(",")):
        ipaddress.ip_network(network.strip())
    return value


def _paths(value: object) -> object:
    return value.split(os.pathsep) if isinstance(value, str) else value


def _seal_keys(value: SecretStr) -> SecretStr:
    for key in value.get_secret_value().split(","):
        if len(base64.urlsafe_b64decode(key)) != _SEAL_KEY_BYTES:
            raise ValueError
    return value


Address = Annotated[str, AfterValidator(_address)]


class Settings(BaseSettings):
    """All settings; the description of a field is the accepted form."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] = Field(
        default=SecretStr("sqlite+aiosqlite:///var/redemption.db"),
        description="sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/NAME",
    )
    grpc_address: Address = Field(default="127.0.0.1:50051", description="HOST:PORT")
    grpc_reuse_port: bool = Field(default=False, description="true or false")
    http_address: Address = Field(default="127.0.0.1:8080", description="HOST:PORT")
    server_target: str = Field(
        default="dns:///127.0.0.1:50051",
        min_length=1,
        description="a gRPC target, such as dns:///HOST:PORT or ipv4:HOST:PORT,HOST:PORT",
    )
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(
        default="UTC", description="an IANA time zone, such as Asia/Kolkata"
    )
    catalog: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_paths)] = Field(
        default=(), description=f"catalog files, separated by {os.pathsep!r}"
    )
    log_format: Literal["console", "json"] = Field(default="console", description="console or json")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )
    waiting_calls_max: int = Field(
        default=10_000, ge=1, le=1_000_000, description="an integer from 1 to 1000000"
    )
    tls_cert: Path | None = Field(default=None, description="a PEM file, with REDEMPTION_TLS_KEY")
    tls_key: Path | None = Field(default=None, description="a PEM file, with REDEMPTION_TLS_CERT")
    tls_client_ca: Path | None = Field(
        default=None, description="a PEM file, with REDEMPTION_TLS_CERT"
    )
    server_ca: Path | None = Field(default=None, description="a PEM file")
    server_client_cert: Path | None = Field(
        default=None,
        description="a PEM file, with REDEMPTION_SERVER_CLIENT_KEY and REDEMPTION_SERVER_CA",
    )
    server_client_key: Path | None = Field(
        default=None, description="a PEM file, with REDEMPTION_SERVER_CLIENT_CERT"
    )
    allow_cleartext: bool = Field(default=False, description="true or false")
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = Field(
        default="127.0.0.1,::1", description="addresses and networks, separated by ','"
    )
    token_keys: Path | None = Field(
        default=None, description="a JWK Set file, made by `redemption tokens rotate FILE`"
    )
    token_ttl_seconds: int = Field(
        default=300, ge=60, le=3_600, description="an integer from 60 to 3600"
    )
    rate_limit_storage: Annotated[SecretStr, AfterValidator(_storage_url)] | None = Field(
        default=None, description="redis://HOST:PORT/NUMBER, rediss:// or valkey://"
    )
    rate_limit_when_away: Literal["allow", "refuse"] = Field(
        default="allow", description="allow or refuse"
    )
    unknown_codes_per_minute: int = Field(
        default=100, ge=1, le=1_000_000, description="an integer from 1 to 1000000"
    )
    webhook_keys: Annotated[SecretStr, AfterValidator(_seal_keys)] | None = Field(
        default=None, description="keys made by `redemption webhooks key`, separated by ','"
    )
    webhook_private_addresses: bool = Field(default=False, description="true or false")
    webhook_patience_seconds: int = Field(
        default=86_400, ge=1, le=2_592_000, description="an integer from 1 to 2592000"
    )
    event_retention_days: int | None = Field(
        default=None, ge=1, le=36_500, description="an integer from 1 to 36500"
    )
    answer_retention_days: int | None = Field(
        default=None, ge=30, le=36_500, description="an integer from 30 to 36500"
    )
    http_connections_max: int = Field(
        default=12_000, ge=1, le=1_000_000, description="an integer from 1 to 1000000"
    )
    http_idle_seconds: int = Field(
        default=75, ge=1, le=3_600, description="an integer from 1 to 3600"
    )


class SettingsError(Exception):
    """Settings are bad; the message has a line for each."""


def load_settings() -> Settings:
    """The settings in the environment. Raises SettingsError."""
    try:
        settings = Settings()
    except ValidationError as error:
        names = dict.fromkeys(str(detail["loc"][0]) for detail in error.errors())
        raise SettingsError("\n".join(map(_must_be, names))) from error
    contradictions = _contradictions(settings)
    if contradictions:
        raise SettingsError("\n".join(contradictions))
    return settings


def _must_be(name: str) -> str:
    return f"{PREFIX}{name.upper()}: must be {Settings.model_fields[name].description}"


def _contradictions(settings: Settings) -> list[str]:
    """What each setting allows and all of them together do not."""
    incomplete = {
        "tls_cert": bool(settings.tls_cert) < bool(settings.tls_key or settings.tls_client_ca),
        "tls_key": bool(settings.tls_key) < bool(settings.tls_cert),
        "server_client_cert": bool(settings.server_client_cert) < bool(settings.server_client_key),
        "server_client_key": bool(settings.server_client_key) < bool(settings.server_client_cert),
        "server_ca": bool(settings.server_ca) < bool(settings.server_client_cert),
    }
    lines = [_must_be(name) for name, missing in incomplete.items() if missing]
    if settings.tls_cert or settings.allow_cleartext:
        return lines
    addresses = {"grpc_address": settings.grpc_address, "http_address": settings.http_address}
    return lines + [
        f"{PREFIX}{name.upper()}: must be a loopback address such as 127.0.0.1:PORT, unless "
        f"{PREFIX}TLS_CERT is set, or {PREFIX}ALLOW_CLEARTEXT=true says that the network is safe"
        for name, address in addresses.items()
        if not is_loopback(address)
    ]


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT can be reached from this machine alone."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def unknown_variables() -> list[str]:
    """Variables that have our prefix but no meaning, typing errors most likely."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    ours = (name for name in os.environ if name.startswith(PREFIX))
    return sorted(n for n in ours if n not in known and not n.startswith(_TEST_PREFIX))
