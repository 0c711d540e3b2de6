"""What redemptions left in a database, without the ids that differ from run to run."""

from typing import Any

from redemption_server.rules.facts import Operation, Scope
from redemption_server.storage.database import Database, open_database
from redemption_server.storage.records import EventKind
from redemption_server.storage.verify.checks import CHECKS, organization_ids
from sqlalchemy import Connection, text

Books = dict[str, list[tuple[Any, ...]]]

_STATEMENTS = {
    "promotions": (
        "SELECT t.transaction_identifier, r.promotion_id, r.redemption_count "
        "FROM promotion_transaction t LEFT JOIN promotion_redemption r "
        "ON r.org_id = t.org_id AND r.transaction_id = t.id"
    ),
    "coupons": "SELECT claim_operation, claim_key, code_key, customer_id FROM coupon_redemption",
    "reversals": (
        "SELECT v.claim_key, v.reason, d.kind, d.returned FROM reversal v "
        "LEFT JOIN reversed_record d ON d.org_id = v.org_id AND d.reversal_id = v.id"
    ),
    "claims": "SELECT operation, key FROM claim",
    "usage": "SELECT scope, subject, member, used FROM usage WHERE used > 0",
    "events": "SELECT sequence, kind FROM event",
    "last event": "SELECT last FROM event_sequence",
}


async def books(database: Database) -> Books:
    """All that redemptions left behind, in an order of no meaning, but always the same.

    Whatever does not agree with itself is there as a finding.
    """
    async with database.snapshot() as connection:
        return await connection.run_sync(_read)


async def books_at(url: str) -> Books:
    """The books of the database at a URL."""
    database = open_database(url)
    try:
        return await books(database)
    finally:
        await database.close()


def books_of(*identifiers: str) -> Books:
    """The books when each of these transactions used the limited promotion p1 once."""
    count = len(identifiers)
    rows: Books = {
        "promotions": [(identifier, "p1", 1) for identifier in identifiers],
        "coupons": [],
        "reversals": [],
        "claims": [(int(Operation.REDEEM_PROMOTIONS), name) for name in identifiers],
        "usage": [(int(Scope.PROMOTION), "p1", "", count)] if count else [],
        "events": [(n, int(EventKind.PROMOTION_REDEEMED)) for n in range(1, count + 1)],
        "last event": [(count,)] if count else [],
        "findings": [],
    }
    return {name: sorted(found, key=repr) for name, found in rows.items()}


def _read(connection: Connection) -> Books:
    found: Books = {
        name: sorted((tuple(row) for row in connection.execute(text(statement))), key=repr)
        for name, statement in _STATEMENTS.items()
    }
    found["findings"] = [
        finding
        for org_id in organization_ids(connection)
        for check in CHECKS
        for finding in check.run(connection, org_id)
    ]
    return found
