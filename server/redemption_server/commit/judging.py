"""How a command is judged, the same way whether it is meant or only tried."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from redemption_server.rules import redeem_coupons, redeem_promotions, reverse_redemption
from redemption_server.rules.commands import Command, IdSource, RedeemCoupons, RedeemPromotions
from redemption_server.rules.facts import Facts, Operation, RequestKey
from redemption_server.rules.outcomes import Answer, Outcome
from redemption_server.storage import claims, records

Plan = redeem_promotions.Plan | redeem_coupons.Plan | reverse_redemption.Plan


def load_recorded(
    connection: Connection, facts: Facts, keys: Sequence[RequestKey]
) -> dict[RequestKey, Answer]:
    """What is recorded under the keys."""
    org_id = facts.organization.id
    identifiers = [k.key for k in keys if k.operation is Operation.REDEEM_PROMOTIONS]
    requests = [k for k in keys if k.operation is not Operation.REDEEM_PROMOTIONS]
    return {
        **records.load_transactions(connection, org_id, identifiers, facts.organization.region),
        **claims.load_answers(connection, org_id, requests),
    }


def prepare(command: Command, facts: Facts) -> Plan:
    """Resolves what a command refers to, and which counters it needs."""
    if isinstance(command, RedeemPromotions):
        return redeem_promotions.prepare(command, facts)
    if isinstance(command, RedeemCoupons):
        return redeem_coupons.prepare(command, facts)
    return reverse_redemption.prepare(command, facts)


def decide(plan: Plan, facts: Facts, now: datetime, ids: IdSource) -> Outcome:
    """Judges a command by the facts as they are at its turn."""
    if isinstance(plan, redeem_promotions.Plan):
        return redeem_promotions.decide(plan, facts, now, ids)
    if isinstance(plan, redeem_coupons.Plan):
        return redeem_coupons.decide(plan, facts, now, ids)
    return reverse_redemption.decide(plan, facts, now, ids)
