"""What things are called, and the two organisations that have them.

Whatever somebody has is told from what others have by tag or number.
"""

import base64
from collections.abc import Mapping
from typing import Any

import argon2

Names = Mapping[str, Any]
# Cheap to verify: there is no secret to lose here.
HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
TEXTS = (
    "name label till_code key secret sku external_id card_number card_external_id promotion code "
    "code_id earned coupon validation_code discount_code transaction bill evaluation request "
    "returned reversal job issue webhook more_code more_code_id more_earned more_till_code"
)


def names(tag: str, number: int) -> Names:
    return {
        **{thing: f"{tag}-{thing}" for thing in TEXTS.split()},
        **{thing: number + i for i, thing in enumerate(("org", "till", "product", "series"))},
        "customer": number + 9,
        "customer_text": str(number + 9),
        "mobile": f"91{9_000_000_000 + number}",
        "email": f"{tag}@example.com",
        "secret_hash": HASHER.hash(f"{tag}-secret"),
        "amount": f"{number}.25",
        "count": number // 100,
        "webhook_url": f"https://{tag}.example.com/hook",
        "webhook_secret": f"whsec_{base64.b64encode(tag.encode().rjust(24)).decode()}",
        # What was recorded or begun under the keys above, once a world has a past.
        "sold": f"{tag}-transaction",
        "begun": f"{tag}-job",
        # What the service makes up itself. A world knows the real ones; these nobody has.
        "page_token": base64.urlsafe_b64encode(tag.encode().rjust(28)).decode(),
        "use": tag.encode().hex().rjust(24, "0"),
        "coupon_redemption": number * 10**12,
        "sequence": number,
    }


THEIR_TAG = "bravo"
OURS, THEIRS = names("alfa", 410_000), names(THEIR_TAG, 720_000)
NOBODYS, FRESH = names("nobody", 550_000), names("fresh", 910_000)
BOTHS = names("both", 630_000)
"""What exists in both organisations under the same ids, and differs in all else."""


def organization(own: Names, known: Names, **changes: Any) -> dict[str, Any]:
    """An organisation with one of each; what they refer to are `known` things."""
    access = {"customer": "write", "default": True, "admin": True}
    identifiers = ("mobile", "email", "external_id", "card_number", "card_external_id")
    limits = {"redemptions_total": own["org"] * 1_000 + 7, "discount_total": f"{own['org']}987.5"}
    return {
        "id": known["org"],
        "name": own["name"],
        "region": "IN",
        "redemption_without_evaluation": True,
        "rate_limit_per_minute": "unlimited",
        "tills": [{"id": own["till"], "code": own["till_code"]}],
        "credentials": [
            {"key": own["key"], "secret_hash": own["secret_hash"]}
            | {"till": known["till_code"], "access": access}
        ],
        "products": [{"id": own["product"], "sku": own["sku"]}],
        "customers": [{"id": own["customer"], **{name: own[name] for name in identifiers}}],
        "promotions": [
            {"id": own["promotion"], "name": own["name"], "message_label": own["label"]}
            | {"limits": limits, "codes": [{"id": own["code_id"], "code": own["code"]}]}
        ],
        "earned_promotions": [
            {"id": own["earned"], "promotion": known["promotion"], "customer": known["customer"]}
        ],
        "coupon_series": [
            {
                "id": own["series"],
                "description": own["name"],
                "discount_code": own["discount_code"],
                "discount_type": "ABS",
                "discount_value": own["amount"],
                "any_user": True,
                "validation_required": True,
                "max_redemptions_per_coupon": "unlimited",
                "same_customer_may_repeat": True,
                "tills": [known["till_code"]],
                "coupons": [{"code": own["coupon"], "validation_code": own["validation_code"]}],
            }
        ],
        # It holds everything back: nothing of this is about to be posted anywhere.
        "webhooks": [
            {"id": own["webhook"], "url": own["webhook_url"], "secret": own["webhook_secret"]}
            | {"events": ["PROMOTION_REDEEMED"], "active": False}
        ],
        **changes,
    }


def with_boths(own: Names, total: int) -> dict[str, Any]:
    """An organisation that also has what both have; its promotion may be used `total` times.

    Theirs has more of it than ours.
    """
    number = own["org"] + 50
    codes = [{"id": BOTHS["code_id"], "code": BOTHS["code"]}]
    earned = [{"id": BOTHS["earned"], "promotion": BOTHS["promotion"], "customer": number}]
    tills = [{"id": number, "code": BOTHS["till_code"]}]
    if own is THEIRS:
        tills += [{"id": number + 1, "code": own["more_till_code"]}]
        codes += [{"id": own["more_code_id"], "code": own["more_code"]}]
        earned += [{**earned[0], "id": own["more_earned"]}]
    boths: dict[str, list[dict[str, Any]]] = {
        "tills": tills,
        "products": [{"id": number, "sku": BOTHS["sku"]}],
        "customers": [
            {"id": BOTHS["customer"], "external_id": f"{own['external_id']}-too"},
            {"id": number, "mobile": BOTHS["mobile"], "card_number": BOTHS["card_number"]}
            | {"email": BOTHS["email"], "external_id": BOTHS["external_id"]}
            | {"card_external_id": BOTHS["card_external_id"]},
        ],
        "promotions": [
            {"id": BOTHS["promotion"], "name": f"{own['name']} too"}
            | {"limits": {"redemptions_total": total}, "codes": codes}
        ],
        "earned_promotions": earned,
        "coupon_series": [
            {"id": BOTHS["series"], "discount_code": f"{own['discount_code']}-too"}
            | {"discount_type": "ABS", "discount_value": own["amount"], "any_user": True}
            | {"coupons": [{"code": BOTHS["coupon"]}]}
        ],
    }
    whole = organization(own, own)
    whole["credentials"][0]["till"] = BOTHS["till_code"]
    whole["coupon_series"][0]["tills"] = []
    return whole | {kind: whole[kind] + things for kind, things in boths.items()}


# How much of the promotion that both have a transaction uses, and what each may use.
USES = 2 * BOTHS["count"]
OUR_BUDGET, THEIR_BUDGET = 4 * USES, 3 * USES
OUR_CATALOG, THEIR_CATALOG = with_boths(OURS, OUR_BUDGET), with_boths(THEIRS, THEIR_BUDGET)
