"""Catalog files are read by the type of each field, never by what YAML guesses."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redemption.v1 import catalog_pb2
from redemption_server.catalog.files import CatalogFileError, read_catalog_file


def read(folder: Path, text: str) -> catalog_pb2.Catalog:
    file = folder / "catalog.yaml"
    file.write_text(text)
    return read_catalog_file(file)


def one(folder: Path, text: str) -> Any:
    """The organisation with the keys in `text`, one a line."""
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    return read(folder, f"organizations:\n  -\n{lines}").organizations[0]


def errors(folder: Path, text: str) -> list[str]:
    with pytest.raises(CatalogFileError) as caught:
        one(folder, text)
    prefix = f"{folder}/catalog.yaml:"
    lines = str(caught.value).splitlines()
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix) for line in lines]


@pytest.mark.parametrize(
    "text",
    [
        "00123",
        "NO",
        "yes",
        "true",
        "67e3c1073919452f135e2da0",
        "123456789012345678901234",
        "1e3",
        "670000000000000000000e12",
        "0x1F",
        "0o17",
        "1_000",
        "1.50",
        ".5",
        ".inf",
        "12:30:45",
        "2025-01-01",
        "2025-01-01T00:00:00Z",
        "null",
        "~",
        "=",
        "+91 99999 88881",
    ],
)
def test_an_unquoted_text_is_that_text(tmp_path: Path, text: str) -> None:
    organization = one(
        tmp_path, f"name: {text}\npromotions: [{{id: {text}, codes: [{{code: {text}}}]}}]"
    )
    promotion = organization.promotions[0]
    assert (organization.name, promotion.id, promotion.codes[0].code) == (text, text, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("'00123'", "00123", id="quoted"),
        pytest.param('"a\\tb"', "a\tb", id="escaped"),
        pytest.param("", "", id="empty"),
        pytest.param("''", "", id="quoted empty"),
        pytest.param("a # b", "a", id="comment"),
        pytest.param("Käse", "Käse", id="beyond ASCII"),
    ],
)
def test_yaml_still_says_where_a_text_ends(tmp_path: Path, text: str, value: str) -> None:
    assert one(tmp_path, f"name: {text}").name == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("00123", 123), ("'7'", 7), ("+7", 7), ("9223372036854775807", 2**63 - 1)],
)
def test_an_integer_is_read_as_decimal_digits(tmp_path: Path, text: str, value: int) -> None:
    assert one(tmp_path, f"id: {text}").id == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("Yes", True), ("ON", True), ("NO", False), ("off", False), ("'no'", False)],
)
def test_a_boolean_is_read_from_its_words(tmp_path: Path, text: str, value: bool) -> None:
    key = "redemption_without_evaluation"
    assert getattr(one(tmp_path, f"{key}: {text}"), key) is value


@pytest.mark.parametrize("text", ["1000", "1e3", "'1000.00'", "00.5", "0x10"])
def test_a_decimal_keeps_its_text(tmp_path: Path, text: str) -> None:
    series = f"coupon_series: [{{discount_value: {text}}}]"
    value = one(tmp_path, series).coupon_series[0].discount_value
    assert value.value == text.strip("'")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-01-01T00:00:00Z", datetime(2025, 1, 1, tzinfo=UTC)),
        ("'2025-01-01T05:30:00+05:30'", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2025-01-01 00:00:00.123+00:00", datetime(2025, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)),
    ],
)
def test_an_instant_has_its_zone(tmp_path: Path, text: str, at: datetime) -> None:
    promotion = one(tmp_path, f"promotions: [{{starts_at: {text}}}]").promotions[0]
    assert promotion.starts_at.ToDatetime(UTC) == at


@pytest.mark.parametrize("text", ["", "null", "~"])
def test_null_means_absent_where_no_text_is_expected(tmp_path: Path, text: str) -> None:
    keys = ("active", "starts_at", "limits", "over_limit", "codes")
    nulls = "\n".join(f"    {key}: {text}" for key in keys)
    (promotion,) = one(tmp_path, f"promotions:\n  - id: p1\n{nulls}").promotions
    assert promotion == catalog_pb2.Promotion(id="p1")


def test_a_limit_is_a_number_or_a_mapping(tmp_path: Path) -> None:
    limits = "{redemptions_total: 5, redemptions_per_customer: {limit: 5, window: month}}"
    read_limits = one(tmp_path, f"promotions: [{{limits: {limits}}}]").promotions[0].limits
    assert read_limits.redemptions_total == catalog_pb2.CountLimit(limit=5)
    assert read_limits.redemptions_per_customer == catalog_pb2.CountLimit(
        limit=5, window=catalog_pb2.LIMIT_WINDOW_MONTH
    )
    assert not read_limits.HasField("redemptions_per_code")


def test_unlimited_is_a_number_that_is_given(tmp_path: Path) -> None:
    organization = one(tmp_path, "rate_limit_per_minute: unlimited")
    assert organization.HasField("rate_limit_per_minute")
    assert organization.rate_limit_per_minute == 0
    assert not one(tmp_path, "name: A").HasField("rate_limit_per_minute")


@pytest.mark.parametrize(
    ("text", "path", "shown"),
    [
        pytest.param("nmae: A", "organizations[0]", "unknown key 'nmae'", id="unknown key"),
        pytest.param("<<: {name: A}", "organizations[0]", "unknown key '<<'", id="merge key"),
        pytest.param("name: A\nname: B", "organizations[0].name", "given twice", id="key twice"),
        pytest.param("id: 1e3", "organizations[0].id", "'1e3'", id="no integer"),
        pytest.param("id: 0x1F", "organizations[0].id", "'0x1F'", id="hexadecimal"),
        pytest.param("id: 1.0", "organizations[0].id", "'1.0'", id="fraction"),
        pytest.param("id: 1_000", "organizations[0].id", "'1_000'", id="underscore"),
        pytest.param("id: unlimited", "organizations[0].id", "'unlimited'", id="no limit"),
        pytest.param(
            "id: 9223372036854775808", "organizations[0].id", "'9223372036854775808'", id="64 bits"
        ),
        pytest.param(
            "check_earned_promotion_owner: 1",
            "organizations[0].check_earned_promotion_owner",
            "'1'",
            id="no boolean",
        ),
        pytest.param(
            "customers: [{status: ASLEEP}]",
            "organizations[0].customers[0].status",
            "ACTIVE, FRAUD, BLOCKED, not 'ASLEEP'",
            id="no status",
        ),
        pytest.param(
            "promotions: [{starts_at: 2025-01-01T00:00:00}]",
            "organizations[0].promotions[0].starts_at",
            "'2025-01-01T00:00:00'",
            id="no zone",
        ),
        pytest.param(
            "promotions: [{starts_at: tomorrow}]",
            "organizations[0].promotions[0].starts_at",
            "'tomorrow'",
            id="no instant",
        ),
        pytest.param("tills: {id: 1}", "organizations[0].tills", "a mapping", id="no list"),
        pytest.param("tills: [1]", "organizations[0].tills[0]", "'1'", id="no mapping"),
        pytest.param("name: [A]", "organizations[0].name", "a list", id="no single value"),
        pytest.param(
            "promotions: [{limits: {redemptions_total: {limits: 1}}}]",
            "organizations[0].promotions[0].limits.redemptions_total",
            "unknown key 'limits'",
            id="unknown key of a limit",
        ),
    ],
)
def test_an_error_names_file_line_path_and_value(
    tmp_path: Path, text: str, path: str, shown: str
) -> None:
    (error,) = errors(tmp_path, text)
    line = 2 + len(text.splitlines())
    assert error.startswith(f"{line}: {path}: ")
    assert shown in error


def test_every_error_of_a_file_is_reported(tmp_path: Path) -> None:
    text = "id: x\nnmae: A\ntills: [{id: y}]\ncustomers: [{status: z}]"
    assert [error.partition(":")[0] for error in errors(tmp_path, text)] == ["3", "4", "5", "6"]


def test_no_error_shows_a_secret(tmp_path: Path) -> None:
    text = "credentials: [{secret: [hunter2]}, {secret_hash: {hunter2: 1}}]"
    found = errors(tmp_path, text)
    assert len(found) == 2
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\x07", "- 1\n---\n- 2", "a: *nobody"])
def test_what_is_not_yaml_names_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(CatalogFileError, match=r"catalog\.yaml: is not YAML"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogFileError, match=r"absent\.yaml: cannot be read: No such file"):
        read_catalog_file(tmp_path / "absent.yaml")


def test_a_list_that_contains_itself_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogFileError):
        read(tmp_path, "organizations: &o [*o]")
