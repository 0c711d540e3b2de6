"""Codes and customers in bulk on the command line, run for real."""

from pathlib import Path

from redemption_server.storage.issued_codes import ALPHABET

from tests.ops.bulk import ALL_COUPONS, COUPONS, count, done, failed, rows, stock, write
from tests.support import catalogs
from tests.support.process import run


def test_codes_are_made_and_printed(folder: Path) -> None:
    look = ("--length", "7", "--prefix", "S-", "--suffix", "-E")
    for arguments, table in (
        (("coupons", "generate", *COUPONS), "coupon"),
        (("promotions", "codes", "generate", "--promotion", "p1"), "promotion_code"),
    ):
        printed = done(*arguments, "--count", "1200", *look, folder=folder).split()
        assert sorted(printed) == [
            code for (code,) in rows(folder, f"SELECT code FROM {table} ORDER BY code")
        ]
        assert len(set(printed)) == 1_200
        assert all(
            code.startswith("S-") and code.endswith("-E") and set(code[2:-2]) <= set(ALPHABET)
            for code in printed
        )
        assert "too short" in failed(*arguments, "--count", "1", "--length", "2", folder=folder)
        assert "count" in failed(*arguments, "--count", "0", folder=folder)
        assert count(folder, table) == 1_200
    unknown = failed("coupons", "generate", "--series", "9", "--count", "1", folder=folder)
    assert "Coupon series 9 does not exist" in unknown


BAD = (
    'code,customer,valid_until,validation_code\nA,,,"1\n2"\nB,five,,\nC,999,,\na,,,\nD,,yesterday,\n'
    "E,,\nF G,,,\nH,,,\n"
)
PROBLEMS = [
    (4, "customer: must be an integer, not 'five'"),
    (5, "customer"),
    (6, "code stands twice"),
    (7, "valid_until: must be an instant"),
    (8, "has 3 cells instead of 4"),
    (9, "code must not contain white space"),
]


def test_the_first_bad_row_ends_an_import_and_is_named_by_its_line(folder: Path) -> None:
    said = failed("coupons", "import", write(folder, BAD), *COUPONS, folder=folder)
    assert f"rows.csv:{PROBLEMS[0][0]}: {PROBLEMS[0][1]}" in said
    assert "1 coupons imported, 0 kept, 1 bad, through line 4" in said
    assert rows(folder, "SELECT code, validation_code FROM coupon") == [("A", "1\n2")]


def test_bad_rows_are_skipped_if_so_wished_and_still_fail_the_command(folder: Path) -> None:
    said = failed("coupons", "import", write(folder, BAD), *COUPONS, "--skip-bad", folder=folder)
    for line, problem in PROBLEMS:
        assert f"rows.csv:{line}: {problem}" in said
    assert "2 coupons imported, 0 kept, 6 bad, through line 10" in said
    assert rows(folder, "SELECT code FROM coupon") == [("A",), ("H",)]


def test_rows_that_exist_are_kept_or_replaced(folder: Path) -> None:
    done("coupons", "import", write(folder, "code,revoked\nA,no\n"), *COUPONS, folder=folder)
    file = write(folder, "code,revoked\na,yes\n")
    assert "0 coupons imported, 1 kept" in done("coupons", "import", file, *COUPONS, folder=folder)
    assert rows(folder, ALL_COUPONS) == [("A", None, "", 0)]
    done("coupons", "import", file, *COUPONS, "--replace", folder=folder)
    assert rows(folder, ALL_COUPONS) == [("a", None, "", 1)]


def test_customers_are_imported(folder: Path) -> None:
    text = "id,mobile,email,status\n601,9999988701,a@b.c,BLOCKED\n502,,new@b.c,\n601,,,\n"
    said = failed("customers", "import", write(folder, text), "--skip-bad", folder=folder)
    assert "rows.csv:4: id stands twice" in said
    assert "1 customers imported, 1 kept, 1 bad" in said
    found = rows(folder, "SELECT id, mobile, status FROM customer WHERE id > 501 ORDER BY id")
    assert found == [(502, "919999988882", "ACTIVE"), (601, "919999988701", "BLOCKED")]
    text = "id,mobile\n602,9999988882\n"
    assert "rows.csv:2: mobile" in failed("customers", "import", write(folder, text), folder=folder)
    done(
        "customers", "import", write(folder, "id,email\n502,new@b.c\n"), "--replace", folder=folder
    )
    assert rows(folder, "SELECT mobile, email FROM customer WHERE id = 502") == [(None, "new@b.c")]


def test_several_organisations_must_be_told_apart(folder: Path) -> None:
    stock(folder, catalogs.ORG, catalogs.OTHER_ORG)
    file = write(folder, "code\nA\n")
    for arguments in ((), ("--org", "300")):
        said = failed("coupons", "import", file, *COUPONS, *arguments, folder=folder)
        assert "--org must name an organisation; there are: 100, 200" in said
    done("coupons", "import", file, *COUPONS, "--org", "200", folder=folder)
    assert rows(folder, "SELECT org_id, code FROM coupon") == [(200, "A")]


def test_what_cannot_be_read_or_written_is_a_clear_error(folder: Path) -> None:
    assert "cannot be read" in failed("coupons", "import", "none.csv", *COUPONS, folder=folder)
    (folder / "latin.csv").write_bytes(b"code\n\xe9\n")
    assert "latin.csv: line" in failed("coupons", "import", "latin.csv", *COUPONS, folder=folder)
    assert "cannot be written" in failed("coupons", "export", "no/out.csv", *COUPONS, folder=folder)
    file = write(folder, "code\nA\n")
    assert "does not exist" in failed("coupons", "import", file, "--series", "9", folder=folder)
    assert run("coupons", "import", file, folder=folder).returncode == 2


def test_a_coupon_is_shown_in_plain_text(folder: Path) -> None:
    text = (
        "code,customer,issued_at,valid_until\nAbc,501,2026-01-01T00:00:00Z,2100-01-01T00:00:00Z\n"
    )
    done("coupons", "import", write(folder, text), *COUPONS, folder=folder)
    assert done("coupons", "show", "aBC", folder=folder).splitlines() == [
        "code: Abc",
        "state: REDEEMABLE",
        "series: 1",
        "customer: 501",
        "issued at: 2026-01-01T00:00:00+00:00",
        "valid from: not set",
        "valid until: 2100-01-01T00:00:00+00:00",
        "redeemed: 0 of 1",
    ]
    assert failed("coupons", "show", "GONE", folder=folder) == "Coupon GONE does not exist\n"
