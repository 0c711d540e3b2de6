"""Tells a repeat from a conflict (contract section 5, step 3).

Content is what a request means: the customer however identified, amounts as numbers, both lists in
order; not the caller, the till or the text it came as.
"""

from redemption_server.rules.commands import PromotionUse, RedeemPromotions
from redemption_server.rules.facts import ANONYMOUS_CUSTOMER_ID, Customer
from redemption_server.rules.normal import fold
from redemption_server.rules.outcomes import RecordedTransaction


def first_difference(
    recorded: RecordedTransaction, command: RedeemPromotions, customer: Customer | None
) -> str | None:
    """The first field in which a command differs from what is recorded, None for a repeat."""
    if not _same_customer(recorded, command, customer):
        return "customer_id" if command.customer_id is not None else "customer_identifier_value"
    for field in ("transaction_number", "transaction_date", "amount", "cart_evaluation_id"):
        if getattr(recorded.request, field) != getattr(command, field):
            return field
    for field in ("line_items", "redemptions"):
        if _meaning(getattr(recorded.request, field)) != _meaning(getattr(command, field)):
            return field
    return None


def _meaning(uses: tuple[PromotionUse, ...]) -> list[PromotionUse]:
    return [use._replace(promo_code=fold(use.promo_code)) for use in uses]


def _same_customer(
    recorded: RecordedTransaction, command: RedeemPromotions, customer: Customer | None
) -> bool:
    """By the identifier as sent, or by the customer it means now.

    Either suffices, so that a catalog that changed in between never turns a retry into a conflict.
    """
    if recorded.request.identifier == command.identifier:
        return True
    if command.identifier is None:
        return recorded.customer_id == ANONYMOUS_CUSTOMER_ID
    return customer is not None and customer.id == recorded.customer_id
