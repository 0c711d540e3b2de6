"""Commands for customers and codes in bulk. They work on the database itself, beside servers."""

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from redemption_server.cli.common import EXIT_FAILED, fail, start
from redemption_server.cli.common import run as run_command

if TYPE_CHECKING:
    from redemption_server.bulk.kinds import Kind
    from redemption_server.storage.database import Database

coupon_commands = typer.Typer(help="Makes, moves and shows coupons.", no_args_is_help=True)
customer_commands = typer.Typer(help="Imports customers.", no_args_is_help=True)
promotion_commands = typer.Typer(help="Maintains promotions.", no_args_is_help=True)
code_commands = typer.Typer(help="Makes and moves promotion codes.", no_args_is_help=True)
promotion_commands.add_typer(code_commands, name="codes")

STANDARD = Path("-")
Org = Annotated[
    int, typer.Option("--org", help="Organisation; may be left out when there is only one.")
]
Series = Annotated[int, typer.Option("--series", help="Id of the coupon series.")]
Promotion = Annotated[str, typer.Option("--promotion", help="Id of the promotion.")]
Count = Annotated[int, typer.Option("--count", help="How many codes to make.")]
Length = Annotated[int, typer.Option("--length", help="Random characters of a code.")]
Prefix = Annotated[str, typer.Option("--prefix", help="What codes begin with.")]
Suffix = Annotated[str, typer.Option("--suffix", help="What codes end with.")]
Source = Annotated[Path, typer.Argument(help="CSV file with a header; `-` is standard input.")]
Target = Annotated[Path, typer.Argument(help="CSV file to write; `-` is standard output.")]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Go on after bad rows instead of stopping there.")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace what exists instead of keeping it.")
]


@coupon_commands.command("generate")
def generate_coupons(
    *,
    series: Series,
    count: Count,
    org: Org = 0,
    length: Length = 12,
    prefix: Prefix = "",
    suffix: Suffix = "",
) -> None:
    """Make random coupon codes and print them.

    Example: redemption coupons generate --series 7 --count 1000 --prefix SUMMER- > codes.txt
    """
    from redemption_server.bulk.kinds import COUPONS

    _generate(COUPONS, series, count, org, (length, prefix, suffix))


@code_commands.command("generate")
def generate_codes(
    *,
    promotion: Promotion,
    count: Count,
    org: Org = 0,
    length: Length = 12,
    prefix: Prefix = "",
    suffix: Suffix = "",
) -> None:
    """Make random promotion codes and print them.

    Example: redemption promotions codes generate --promotion 67e3c2 --count 1000 > codes.txt
    """
    from redemption_server.bulk.kinds import PROMOTION_CODES

    _generate(PROMOTION_CODES, promotion, count, org, (length, prefix, suffix))


@coupon_commands.command("import")
def import_coupons(
    file: Source,
    *,
    series: Series,
    org: Org = 0,
    skip_bad: SkipBad = False,
    replace: Replace = False,
) -> None:
    """Import coupons from CSV: code, customer, issued_at, valid_until, validation_code, revoked.

    Example: redemption coupons import coupons.csv --series 7
    """
    from redemption_server.bulk.kinds import COUPONS

    _import(COUPONS, file, series, org, skip_bad=skip_bad, replace=replace)


@code_commands.command("import")
def import_codes(
    file: Source,
    *,
    promotion: Promotion,
    org: Org = 0,
    skip_bad: SkipBad = False,
    replace: Replace = False,
) -> None:
    """Import promotion codes from CSV: code, id, customer, active.

    Example: redemption promotions codes import codes.csv --promotion 67e3c2
    """
    from redemption_server.bulk.kinds import PROMOTION_CODES

    _import(PROMOTION_CODES, file, promotion, org, skip_bad=skip_bad, replace=replace)


@customer_commands.command("import")
def import_customers(
    file: Source, *, org: Org = 0, skip_bad: SkipBad = False, replace: Replace = False
) -> None:
    """Import customers from CSV: id, mobile, email, external_id, card_number, card_external_id.

    Example: redemption customers import customers.csv --replace
    """
    from redemption_server.bulk.kinds import CUSTOMERS

    _import(CUSTOMERS, file, "", org, skip_bad=skip_bad, replace=replace)


@coupon_commands.command("export")
def export_coupons(
    file: Target = STANDARD, *, series: Series, org: Org = 0, after: str = ""
) -> None:
    """Write the coupons of a series as CSV, in the order of their codes.

    Example: redemption coupons export coupons.csv --series 7
    """
    from redemption_server.bulk.kinds import COUPONS

    _export(COUPONS, file, series, org, after)


@code_commands.command("export")
def export_codes(
    file: Target = STANDARD, *, promotion: Promotion, org: Org = 0, after: str = ""
) -> None:
    """Write the codes of a promotion as CSV, in the order of their ids.

    Example: redemption promotions codes export codes.csv --promotion 67e3c2
    """
    from redemption_server.bulk.kinds import PROMOTION_CODES

    _export(PROMOTION_CODES, file, promotion, org, after)


def _generate(
    kind: "Kind", target: int | str, count: int, org: int, look: tuple[int, str, str]
) -> None:
    from redemption_server.bulk.generating import CodeFormat, Generation
    from redemption_server.storage.bulk import require_target

    async def work(database: "Database", org_id: int, _region: str) -> None:
        await database.read(require_target, org_id, kind.name, target)
        generation = Generation(database, kind, org_id, target, CodeFormat(*look))
        with _progress(count) as advance:
            async for codes in generation.run(count):
                typer.echo("\n".join(codes))
                advance(len(codes))

    with_organization(org, work)


def _import(
    kind: "Kind", file: Path, target: int | str, org: int, *, skip_bad: bool, replace: bool
) -> None:
    from redemption_server.bulk.csv_files import CsvError, CsvFile
    from redemption_server.bulk.importing import Import

    async def work(database: "Database", org_id: int, region: str) -> None:
        importing = Import(database, kind, org_id, region, target, replace, skip_bad)
        added = kept = bad = line = 0
        unreadable = ""
        try:
            with _reading(file) as (opened, position), _progress(_size(file)) as advance:
                async for chunk in importing.run(CsvFile.open(opened, kind).rows()):
                    added, kept = added + chunk.added, kept + chunk.kept
                    bad, line = bad + len(chunk.bad), chunk.line
                    for row in chunk.bad:
                        typer.echo(f"{file}:{row.line}: {row.problem}", err=True)
                    advance(position())
        except CsvError as error:
            unreadable = f"{file}: {error}"
        typer.echo(f"{added} {kind.name} imported, {kept} kept, {bad} bad, through line {line}")
        if unreadable:
            fail(unreadable, EXIT_FAILED)
        if bad:
            sys.exit(EXIT_FAILED)

    with_organization(org, work)


def _export(kind: "Kind", file: Path, target: int | str, org: int, after: str) -> None:
    from redemption_server.bulk.csv_files import write_rows
    from redemption_server.bulk.exporting import columns_of, export

    async def work(database: "Database", org_id: int, _region: str) -> None:
        with _writing(file, more=bool(after)) as opened:
            if not after:
                write_rows(opened, columns_of(kind), [])
            async for rows in export(database, kind, org_id, target, after):
                write_rows(opened, [], rows)

    with_organization(org, work)


def with_organization(org: int, work: Callable[["Database", int, str], Awaitable[None]]) -> None:
    """Runs work on an organisation: the one named, or the only one there is."""
    settings = start()

    async def run() -> None:
        from redemption_server.prepare import open_prepared_database
        from redemption_server.rules.refusals import Refused
        from redemption_server.storage.bulk import organization_ids_and_regions

        async with open_prepared_database(settings) as database:
            known = await database.read(organization_ids_and_regions)
            org_id = org or (next(iter(known)) if len(known) == 1 else 0)
            if org_id not in known:
                ids = ", ".join(map(str, sorted(known))) or "none"
                fail(f"--org must name an organisation; there are: {ids}", EXIT_FAILED)
            try:
                await work(database, org_id, known[org_id])
            except Refused as refused:
                fail("\n".join(v.sentence for v in refused.violations), EXIT_FAILED)

    run_command(run())


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal; `advance` is told how much more is done."""
    with typer.progressbar(length=total, file=sys.stderr) as bar:
        yield bar.update


@contextmanager
def _reading(file: Path) -> Iterator[tuple[TextIO, Callable[[], int]]]:
    """A file opened as CSV, and how many more bytes of it were read since last asked."""
    import io

    # Text is UTF-8 and lines end as they do, whatever the terminal says of standard input.
    if file == STANDARD:
        yield io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline=""), lambda: 0
        return
    try:
        raw = file.open("rb")
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror}", EXIT_FAILED)
    before = 0

    def position() -> int:
        nonlocal before
        now = raw.tell()
        more, before = now - before, now
        return more

    with raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        yield text, position


@contextmanager
def _writing(file: Path, *, more: bool) -> Iterator[TextIO]:
    """A file to write, or to write `more` to, opened as CSV."""
    import io

    if file == STANDARD:
        text = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield text
        finally:
            text.flush()
            # Closing it would close standard output.
            text.detach()
        return
    try:
        opened = file.open("a" if more else "w", encoding="utf-8", newline="")
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror}", EXIT_FAILED)
    with opened:
        yield opened


def _size(file: Path) -> int:
    return 0 if file == STANDARD or not file.exists() else file.stat().st_size
