"""Settings, read once from the environment and handed on frozen.

Every bad setting is reported together, by name, with the accepted form.
"""

import os
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "REDEMPTION_"
_TEST_PREFIX = "REDEMPTION_TEST_"
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


def _paths(value: object) -> object:
    return value.split(os.pathsep) if isinstance(value, str) else value


Address = Annotated[str, AfterValidator(_address)]


class Settings(BaseSettings):
    """All settings; the description of a field is the accepted form."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] = Field(
        default=SecretStr("sqlite+aiosqlite:///var/redemption.db"),
        description="sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/NAME",
    )
    grpc_address: Address = Field(default="127.0.0.1:50051", description="HOST:PORT")
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


class SettingsError(Exception):
    """Settings are bad; the message has a line for each."""


def load_settings() -> Settings:
    """The settings in the environment. Raises SettingsError."""
    try:
        return Settings()
    except ValidationError as error:
        names = dict.fromkeys(str(detail["loc"][0]) for detail in error.errors())
        fields = Settings.model_fields
        lines = [f"{PREFIX}{n.upper()}: must be {fields[n].description}" for n in names]
        raise SettingsError("\n".join(lines)) from error


def unknown_variables() -> list[str]:
    """Variables that have our prefix but no meaning, typing errors most likely."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    ours = (name for name in os.environ if name.startswith(PREFIX))
    return sorted(n for n in ours if n not in known and not n.startswith(_TEST_PREFIX))
