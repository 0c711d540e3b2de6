"""What the uses of a `RedeemPromotions` refer to: promotions, codes and earned promotions."""

from typing import NamedTuple

from redemption_server.rules.commands import PromotionUse, RedeemPromotions
from redemption_server.rules.facts import (
    ANONYMOUS_CUSTOMER_ID,
    Customer,
    EarnedPromotion,
    Facts,
    Promotion,
    PromotionCode,
)
from redemption_server.rules.normal import fold
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Violation


class Use(NamedTuple):
    """A use as sent, with what it refers to; `code` is the one it is attributed to."""

    sent: PromotionUse
    on_line: bool
    promotion: Promotion
    code: PromotionCode | None
    earned: EarnedPromotion | None

    def earned_by_other(self, customer_id: int) -> bool:
        """Whether somebody else earned the promotion that is used up."""
        return self.earned is not None and self.earned.customer_id != customer_id


def resolve_uses(
    command: RedeemPromotions, customer: Customer | None, facts: Facts
) -> tuple[list[Use], list[Violation]]:
    """The uses, line items first, and what they name that does not exist (step 4)."""
    uses: list[Use] = []
    unknown_promotions: list[str] = []
    missing: list[Violation] = []
    customer_id = customer.id if customer else ANONYMOUS_CUSTOMER_ID
    for field, sent in _with_fields(command):
        promotion = facts.promotions.get(sent.promotion_id)
        if promotion is None:
            unknown_promotions.append(sent.promotion_id)
            continue
        code = _attributed_code(sent, customer_id, facts)
        if sent.promo_code and code is None:
            missing.append(_code_not_found(f"{field}.promo_code", sent))
        earned = facts.earned_promotions.get(sent.earned_promotion_id)
        if sent.earned_promotion_id and (earned is None or earned.promotion_id != promotion.id):
            missing.append(_earned_not_found(f"{field}.earned_promotion_id", sent))
        uses.append(Use(sent, field.startswith("line_items"), promotion, code, earned))
    if unknown_promotions:
        missing.insert(0, _promotions_not_found(unknown_promotions, command.caller.org_id))
    return uses, missing


def _with_fields(command: RedeemPromotions) -> list[tuple[str, PromotionUse]]:
    return [
        *((f"line_items[{i}]", use) for i, use in enumerate(command.line_items)),
        *((f"redemptions[{i}]", use) for i, use in enumerate(command.redemptions)),
    ]


def _attributed_code(sent: PromotionUse, customer_id: int, facts: Facts) -> PromotionCode | None:
    """The code a use counts for: the one sent, else the customer's own, else the only one."""
    if sent.promo_code:
        code = facts.codes.get(fold(sent.promo_code))
        return code if code and code.promotion_id == sent.promotion_id else None
    linked = facts.linked_codes.get((sent.promotion_id, customer_id), ())
    if len(linked) == 1:
        return linked[0]
    only = facts.only_codes.get(sent.promotion_id)
    return only if only and only.customer_id is None else None


_NAMED_MAX = 10
_NAMED_LENGTH_MAX = 32


def _promotions_not_found(promotion_ids: list[str], org_id: int) -> Violation:
    # The reference lists an id once per use. The list is cut so that the error stays sendable.
    named = ", ".join(
        promotion_id[:_NAMED_LENGTH_MAX] for promotion_id in promotion_ids[:_NAMED_MAX]
    )
    if len(promotion_ids) > _NAMED_MAX:
        named += f", and {len(promotion_ids) - _NAMED_MAX} more"
    return Violation(
        Reason.PROMOTION_NOT_FOUND,
        f"Promotion with ids : {named} not found for org : {org_id} .",
        metadata={"promotion_ids": named, "org_id": str(org_id)},
    )


def _code_not_found(field: str, sent: PromotionUse) -> Violation:
    return Violation(
        Reason.CODE_NOT_FOUND,
        f"Code {sent.promo_code} does not exist for promotion {sent.promotion_id}",
        field=field,
        metadata={"code": sent.promo_code, "promotion_id": sent.promotion_id},
    )


def _earned_not_found(field: str, sent: PromotionUse) -> Violation:
    return Violation(
        Reason.EARNED_PROMOTION_NOT_FOUND,
        f"Earned promotion {sent.earned_promotion_id} does not exist for promotion "
        f"{sent.promotion_id}",
        field=field,
        metadata={
            "earned_promotion_id": sent.earned_promotion_id,
            "promotion_id": sent.promotion_id,
        },
    )
