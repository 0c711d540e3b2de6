"""`redemption verify` beside a running server: what it prints, and what it exits with."""

import asyncio
import re
from pathlib import Path
from subprocess import CompletedProcess

from redemption_server.storage.verify.checks import CHECKS

from tests.storage.ledger import corrupt
from tests.support import catalogs
from tests.support.catalogs import ORG, OTHER_ORG
from tests.support.load import keep_in_flight
from tests.support.process import run, started

LIMITED = [catalogs.promotion(limits={"redemptions_total": 1_000_000})]
CORRUPTION = (
    f"UPDATE usage SET used = used + 1 WHERE org_id = {ORG}",
    f"INSERT INTO claim VALUES ({OTHER_ORG}, 2, 'ghost', 0, NULL, NULL)",
)


def verify(folder: Path, url: str) -> CompletedProcess[str]:
    result = run("verify", folder=folder, database_url=url)
    assert "Traceback" not in result.stderr
    return result


async def test_it_verifies_all_organisations_while_their_server_redeems(
    database_url: str, tmp_path: Path
) -> None:
    catalog = catalogs.write(
        tmp_path,
        catalogs.organization(promotions=LIMITED),
        catalogs.organization(id=OTHER_ORG, credentials=[]),
    )
    settings = {"database_url": database_url, "catalog": str(catalog)}
    with started("server", folder=tmp_path, **settings) as server:
        port = server.port("gRPC server listens")
        verifying = asyncio.create_task(asyncio.to_thread(verify, tmp_path, database_url))
        answers = await keep_in_flight(port, 4, lambda _: not verifying.done())
        healthy = await verifying
        assert healthy.stdout == f"2 organisations, {2 * len(CHECKS)} checks, 0 findings\n"
        assert healthy.returncode == 0
        assert answers.granted
        assert answers.count == len(answers.granted)

        await corrupt(database_url, CORRUPTION)
        used = len(answers.granted)
        found = await asyncio.to_thread(verify, tmp_path, database_url)
        assert found.stdout == (
            f"organisation {ORG}: COUNTER_WRONG counters/PROMOTION/p1: "
            f"counter says {used + 1}, records add up to {used}\n"
            f"organisation {OTHER_ORG}: KEY_WITHOUT_RECORD requests/ghost: "
            "the key is taken, no redemption is recorded under it\n"
            f"2 organisations, {2 * len(CHECKS)} checks, 2 findings\n"
        )
        assert found.returncode == 1


def test_it_needs_a_database_that_it_can_reach(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://user:hidden@127.0.0.1:1/none"
    result = verify(tmp_path, url)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.search("cannot open the database", result.stderr)
    assert "hidden" not in result.stderr


def test_it_makes_no_database_where_there_is_none(tmp_path: Path) -> None:
    file = tmp_path / "mistyped.db"
    result = verify(tmp_path, f"sqlite+aiosqlite:///{file}")
    assert result.returncode == 1
    assert not file.exists()
