"""The checks, in the order in which they run."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Connection, select

from redemption_server.storage.catalog_tables import OrganizationRow
from redemption_server.storage.dialect import table_of
from redemption_server.storage.verify import counters, events, keys, references
from redemption_server.storage.verify.findings import FINDINGS_MAX, Finding

_organization = table_of(OrganizationRow)


class Check(NamedTuple):
    """A check of one organisation."""

    name: str
    find: Callable[[Connection, int], Iterator[Finding]]

    def run(self, connection: Connection, org_id: int) -> list[Finding]:
        """What is wrong, at most FINDINGS_MAX findings."""
        return list(islice(self.find(connection, org_id), FINDINGS_MAX))


CHECKS: tuple[Check, ...] = (
    Check("counters of promotions", counters.promotion_counters),
    Check("counters of earned promotions", counters.earned_promotion_counters),
    Check("counters of coupons", counters.coupon_counters),
    Check("counters of nothing", counters.unknown_counters),
    Check("limits", counters.limits),
    Check("keys of promotion transactions", keys.promotion_keys),
    Check("keys and answers of coupon requests", keys.coupon_keys),
    Check("keys of reversals", keys.reversal_keys),
    Check("transactions and their uses", references.transactions_and_uses),
    Check("reversals and what they reversed", references.reversals),
    Check("references to the catalog", references.catalog_references),
    Check("events of records", events.event_records),
    Check("kinds of events", events.event_kinds),
    Check("numbers of events", events.event_sequence),
)


def organization_ids(connection: Connection) -> list[int]:
    """All organisations."""
    return list(
        connection.execute(select(_organization.c.id).order_by(_organization.c.id)).scalars()
    )
