"""Decides one `RedeemPromotions` (contract section 5, steps 2 to 7).

`prepare` works out what a command refers to and which counters it needs; storage locks those;
`decide` then judges. The first failing step answers, with all violations of that step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from redemption_server.rules import redeem_promotions_limits as limits
from redemption_server.rules.commands import IdSource, RedeemPromotions
from redemption_server.rules.facts import (
    ANONYMOUS_CUSTOMER_ID,
    CounterKey,
    Customer,
    CustomerStatus,
    EarnedPromotionStatus,
    Facts,
)
from redemption_server.rules.outcomes import (
    Granted,
    Outcome,
    RecordedTransaction,
    RecordedUse,
    Replayed,
)
from redemption_server.rules.reasons import Reason
from redemption_server.rules.redeem_promotions_uses import Use, resolve_uses
from redemption_server.rules.refusals import Refused, Violation
from redemption_server.rules.replay import first_difference


@dataclass(frozen=True, slots=True)
class Plan:
    """A command with what it refers to. `customer` is None when anonymous or not found."""

    command: RedeemPromotions
    customer: Customer | None
    missing: tuple[Violation, ...]
    uses: tuple[Use, ...]
    demands: tuple[limits.Demand, ...]

    @property
    def customer_id(self) -> int:
        """Id of the resolved customer; -1 when anonymous."""
        return self.customer.id if self.customer else ANONYMOUS_CUSTOMER_ID

    def counters(self) -> Iterator[CounterKey]:
        """The counters that must be locked before `decide`."""
        for demand in self.demands:
            if demand.key:
                yield demand.key
        for use in self.uses:
            if use.earned:
                yield limits.earned_promotion_key(use.earned.id)


def prepare(command: RedeemPromotions, facts: Facts) -> Plan:
    """Resolves what the command refers to."""
    customer = facts.customers.get(command.identifier) if command.identifier else None
    uses, missing = resolve_uses(command, customer, facts)
    if command.identifier and not customer:
        missing = [_customer_not_found(command), *missing]
    demands = () if missing else limits.demands(command, customer, uses, facts)
    return Plan(command, customer, tuple(missing), tuple(uses), demands)


def decide(plan: Plan, facts: Facts, now: datetime, ids: IdSource) -> Outcome:
    """Judges the command by the facts as they are at its turn in the batch."""
    if not facts.organization.redemption_without_evaluation:
        return not_enabled()
    recorded = facts.recorded.get(plan.command.key)
    if isinstance(recorded, RecordedTransaction):
        return _replay(recorded, plan)
    exceeded = limits.exceeded(plan.demands, facts)
    refusing = [excess.violation for excess in exceeded if excess.refuses]
    for violations in (plan.missing, _state(plan, facts), refusing):
        if violations:
            return Refused(violations)
    over_limit = {excess.demand.promotion.id for excess in exceeded}
    return _grant(plan, facts, over_limit, now, ids)


def not_enabled() -> Refused:
    """The organisation may not redeem without a cart evaluation, nor look redemptions up."""
    return Refused.because(
        Reason.ORGANIZATION_NOT_ENABLED, "Org not enabled for redemption without cart evaluation"
    )


def _replay(recorded: RecordedTransaction, plan: Plan) -> Outcome:
    field = first_difference(recorded, plan.command, plan.customer)
    if field is None:
        return Replayed(recorded)
    identifier = plan.command.transaction_identifier
    violation = Violation(
        Reason.TRANSACTION_CONFLICT,
        f"Transaction {identifier} was recorded with another {field}",
        field=field,
        metadata={"transaction_identifier": identifier, "field": field},
    )
    return Refused([violation])


def _customer_not_found(command: RedeemPromotions) -> Violation:
    field = "customer_identifier_value" if command.customer_id is None else "customer_id"
    return Violation(Reason.CUSTOMER_NOT_FOUND, "The customer does not exist", field=field)


def _state(plan: Plan, facts: Facts) -> list[Violation]:
    at = plan.command.transaction_date
    violations: dict[tuple[Reason, str], Violation] = {}
    used_before: set[str] = set()
    for use in plan.uses:
        for violation in _use_state(use, plan, facts, at):
            violations.setdefault((violation.reason, violation.subject), violation)
        if use.earned:
            if use.earned.id in used_before:
                violation = _earned(Reason.EARNED_PROMOTION_REDEEMED, use.earned.id)
                violations.setdefault((violation.reason, violation.subject), violation)
            used_before.add(use.earned.id)
    return [*violations.values(), *customer_state(plan.customer)]


def _use_state(use: Use, plan: Plan, facts: Facts, at: datetime) -> Iterator[Violation]:
    promotion = use.promotion
    if not promotion.active:
        yield _promotion(Reason.PROMOTION_INACTIVE, promotion.id, "is not active")
    if promotion.starts_at and at < promotion.starts_at:
        starts_at = promotion.starts_at.isoformat()
        text = f"starts at {starts_at}"
        yield _promotion(Reason.PROMOTION_NOT_STARTED, promotion.id, text, starts_at=starts_at)
    if promotion.ends_at and at >= promotion.ends_at:
        ends_at = promotion.ends_at.isoformat()
        text = f"ended at {ends_at}"
        yield _promotion(Reason.PROMOTION_EXPIRED, promotion.id, text, ends_at=ends_at)
    if use.code:
        if not use.code.active:
            yield _code(Reason.CODE_INACTIVE, use.code.code, "is not active")
        if use.code.customer_id not in (None, plan.customer_id):
            yield _code(Reason.CODE_NOT_OWNED, use.code.code, "is linked to another customer")
    if use.earned:
        yield from _earned_state(use, plan, facts)


_EARNED_TEXT = {
    Reason.EARNED_PROMOTION_LOCKED: "is locked",
    Reason.EARNED_PROMOTION_EXPIRED: "has expired",
    Reason.EARNED_PROMOTION_REDEEMED: "can be redeemed only once",
    Reason.EARNED_PROMOTION_NOT_OWNED: "was earned by another customer",
}


def _earned_state(use: Use, plan: Plan, facts: Facts) -> Iterator[Violation]:
    earned = use.earned
    assert earned is not None
    if earned.status is EarnedPromotionStatus.LOCKED:
        yield _earned(Reason.EARNED_PROMOTION_LOCKED, earned.id)
    if earned.status is EarnedPromotionStatus.EXPIRED:
        yield _earned(Reason.EARNED_PROMOTION_EXPIRED, earned.id)
    if facts.used(limits.earned_promotion_key(earned.id)):
        yield _earned(Reason.EARNED_PROMOTION_REDEEMED, earned.id)
    if facts.organization.check_earned_promotion_owner and use.earned_by_other(plan.customer_id):
        yield _earned(Reason.EARNED_PROMOTION_NOT_OWNED, earned.id)


def customer_state(customer: Customer | None) -> list[Violation]:
    """The violation of a customer who may not redeem, if there is one."""
    if customer and customer.status is CustomerStatus.FRAUD:
        return [Violation(Reason.CUSTOMER_FRAUD, "The customer is marked as fraudulent")]
    if customer and customer.status is CustomerStatus.BLOCKED:
        return [Violation(Reason.CUSTOMER_BLOCKED, "The customer is blocked")]
    return []


def _promotion(reason: Reason, promotion_id: str, text: str, **metadata: str) -> Violation:
    return Violation(
        reason,
        f"Promotion {promotion_id} {text}",
        subject=f"promotions/{promotion_id}",
        metadata={"promotion_id": promotion_id, **metadata},
    )


def _code(reason: Reason, code: str, text: str) -> Violation:
    return Violation(
        reason, f"Code {code} {text}", subject=f"codes/{code}", metadata={"code": code}
    )


def _earned(reason: Reason, earned_id: str) -> Violation:
    return Violation(
        reason,
        f"Earned promotion {earned_id} {_EARNED_TEXT[reason]}",
        subject=f"earnedPromotions/{earned_id}",
        metadata={"earned_promotion_id": earned_id},
    )


def _grant(plan: Plan, facts: Facts, over_limit: set[str], now: datetime, ids: IdSource) -> Granted:
    uses = tuple(
        RecordedUse(
            id=ids.record_id(),
            line_id=ids.number() if use.on_line else None,
            use=use.sent,
            code_id=use.code.id if use.code else "",
            over_limit=use.promotion.id in over_limit,
            earned_by_other_customer=use.earned_by_other(plan.customer_id),
        )
        for use in plan.uses
    )
    answer = RecordedTransaction(ids.record_id(), plan.command, plan.customer_id, now, uses)
    changes = limits.usage_changes(plan.demands, plan.uses, facts, now)
    return Granted(plan.command.caller, plan.command.key, answer, changes)
