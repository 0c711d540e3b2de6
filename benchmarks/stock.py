"""Furnishes the database of a running service with very many codes."""

import asyncio
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.requests import SERIES
from tests.support.catalogs import ORG

_CHUNK = 500_000


@dataclass(frozen=True, slots=True)
class Codes:
    """So many promotion codes of p0, and so many coupons: `CODE0`, `COUPON0` and on."""

    count: int

    def __call__(self, url: str) -> None:
        """Adds them."""
        asyncio.run(self._add(url))

    async def _add(self, url: str) -> None:
        engine = create_async_engine(url)
        for first in range(0, self.count, _CHUNK):
            last = min(first + _CHUNK, self.count) - 1
            numbers = (
                f"WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL "
                f"SELECT n + 1 FROM numbers WHERE n < {last}) "
            )
            async with engine.begin() as connection:
                for insert in (_CODES, _COUPONS):
                    await connection.execute(text(numbers + insert))
        if engine.dialect.name == "postgresql":
            async with engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.execute(text("VACUUM ANALYZE"))
        await engine.dispose()


_CODES = (
    "INSERT INTO promotion_code "
    "(org_id, id, promotion_id, code, code_key, customer_id, active) "
    f"SELECT {ORG}, 'id' || n, 'p0', 'CODE' || n, 'code' || n, NULL, TRUE FROM numbers"
)
_COUPONS = (
    "INSERT INTO coupon (org_id, code_key, code, series_id, customer_id, issued_at_ms, "
    "valid_until_ms, validation_code, revoked) "
    f"SELECT {ORG}, 'coupon' || n, 'COUPON' || n, {SERIES}, NULL, NULL, NULL, '', FALSE "
    "FROM numbers"
)
