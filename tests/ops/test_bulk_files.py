"""CSV files and pipes of the bulk commands: what goes in comes out, however it was written."""

import io
from pathlib import Path
from typing import Any

import pytest
from redemption_server.bulk.csv_files import CsvError, CsvFile
from redemption_server.bulk.kinds import COUPONS as KIND

from tests.ops.bulk import ALL_CODES, ALL_COUPONS, COUPONS, count, done, failed, piped, rows, write


def test_what_is_exported_can_be_imported_again(folder: Path) -> None:
    text = (
        "code,customer,issued_at,valid_until,validation_code,revoked\n"
        "A,501,2026-01-01T00:00:00+00:00,2030-01-01T12:30:00.250000+00:00,x,true\n"
        'b,,,,"two\nlines, ""quoted""",false\n'
        "é,,,,,false\n"
    )
    printed = done("coupons", "import", write(folder, text), *COUPONS, folder=folder)
    assert "3 coupons imported, 0 kept, 0 bad" in printed
    done("coupons", "export", "out.csv", *COUPONS, folder=folder)
    assert (folder / "out.csv").read_bytes() == text.encode()
    assert piped("coupons", "export", *COUPONS, folder=folder).stdout == text.encode()
    assert "0 coupons imported, 3 kept" in done(
        "coupons", "import", "out.csv", *COUPONS, folder=folder
    )
    codes = "id,code,customer,active\n1,A,501,false\n2,B,,true\n"
    promotion = ("--promotion", "p1")
    done("promotions", "codes", "import", write(folder, codes), *promotion, folder=folder)
    assert done("promotions", "codes", "export", *promotion, folder=folder) == codes
    # A code without an id keeps the one that it has.
    done("promotions", "codes", "import", write(folder, "code\na\nC\n"), *promotion, folder=folder)
    assert rows(folder, ALL_CODES) == [("A", 501, 0), ("B", None, 1), ("C", None, 1)]


def test_an_export_goes_on_behind_a_code_whatever_its_case(folder: Path) -> None:
    done("coupons", "import", write(folder, "code\nA\nb\nC\nd\n"), *COUPONS, folder=folder)
    done("coupons", "export", "out.csv", *COUPONS, folder=folder)
    whole = (folder / "out.csv").read_text()
    for after in ("B", "b"):
        rest = done("coupons", "export", *COUPONS, "--after", after, folder=folder)
        assert [line[0] for line in rest.splitlines()] == ["C", "d"]
    # What a file holds already stays in it.
    (folder / "out.csv").write_text("".join(whole.splitlines(keepends=True)[:3]))
    done("coupons", "export", "out.csv", *COUPONS, "--after", "B", folder=folder)
    assert (folder / "out.csv").read_text() == whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("\ufeffcode\nA\n", [("A", None, "", 0)], id="byte order mark"),
        pytest.param("code\r\nA\r\nB\r\n", [("A", None, "", 0), ("B", None, "", 0)], id="CRLF"),
        pytest.param(
            'code,validation_code\nA,"x\r\ny"\n', [("A", None, "x\r\ny", 0)], id="lines in a cell"
        ),
        pytest.param(
            " Revoked ,CODE,customer\nyes,é,501\n", [("é", 501, "", 1)], id="columns as they come"
        ),
        pytest.param("code\n\nA\n\n", [("A", None, "", 0)], id="empty lines"),
        pytest.param("code\n", [], id="only a header"),
        pytest.param("code\nA", [("A", None, "", 0)], id="no last line feed"),
    ],
)
def test_files_are_read_as_others_write_them(folder: Path, text: str, expected: list[Any]) -> None:
    result = piped("coupons", "import", "-", *COUPONS, folder=folder, given=text.encode())
    assert result.returncode == 0, result.stderr
    assert rows(folder, ALL_COUPONS) == expected


def test_a_file_is_read_like_a_pipe(folder: Path) -> None:
    text = '\ufeffcode,validation_code\r\n\r\né,"x\r\ny"\r\n'
    done("coupons", "import", write(folder, text), *COUPONS, folder=folder)
    assert rows(folder, ALL_COUPONS) == [("é", None, "x\r\ny", 0)]


@pytest.mark.parametrize(
    "text",
    ["", "nmae\nA\n", "code,code\nA,B\n", "customer\n501\n", "code,\nA,\n", '"code\n', "A\nB\n"],
    ids=["empty", "unknown", "twice", "missing", "unnamed", "no end", "no header"],
)
def test_a_header_names_columns_each_once(text: str) -> None:
    with pytest.raises(CsvError, match="line 1: "):
        CsvFile.open(io.StringIO(text, newline=""), KIND)


def test_rows_before_a_place_that_cannot_be_read_are_in(folder: Path) -> None:
    said = failed(
        "coupons", "import", write(folder, 'code\nA\nB\n"C" D\nE\n'), *COUPONS, folder=folder
    )
    assert "2 coupons imported, 0 kept, 0 bad, through line 3" in said
    assert "rows.csv: line 4: " in said
    assert [row[0] for row in rows(folder, ALL_COUPONS)] == ["A", "B"]


@pytest.mark.parametrize("text", ["", "nmae\nA\n"], ids=["empty", "unknown"])
def test_a_bad_header_is_an_error_and_nothing_is_imported(folder: Path, text: str) -> None:
    said = failed("coupons", "import", write(folder, text), *COUPONS, folder=folder)
    assert "rows.csv: line 1: the header must name columns" in said
    assert count(folder) == 0
