"""What a soak redeems: an organisation with generous limits, and another one to be foreign to."""

from typing import Any

from tests.support import catalogs

CUSTOMERS = range(501, 541)
PROMOTIONS = 20
COUPONS = [f"Many-{number}" for number in range(40)]
USED_COUPON = "Once"
"""Redeemed before the soak begins, so that it is refused ever after."""
FULL, FOREIGN, UNKNOWN = "full", "foreign", "nothing"
"""Promotions: of which a transaction takes one, of the other organisation, of nobody."""
_SALES_PER_CODE = 40


class Codes:
    """Promotion codes in turn, each for so many sales: a list of all its sales stays short."""

    def __init__(self, calls: int) -> None:
        # Enough for a soak that does nothing but sell.
        self.count = calls // _SALES_PER_CODE + 1
        self._used = 0

    def now(self) -> tuple[str, str]:
        """A promotion and the code of it whose turn it is."""
        number = min(self._used // _SALES_PER_CODE, self.count - 1)
        return _promotion(number), _code(number)

    def use(self) -> None:
        """Counts a sale under the code whose turn it is."""
        self._used += 1

    def catalog(self) -> list[dict[str, Any]]:
        """The promotions that have the codes."""
        codes = [{"id": f"c{number}", "code": _code(number)} for number in range(self.count)]
        return [
            catalogs.promotion(_promotion(number), codes=codes[number::PROMOTIONS])
            for number in range(PROMOTIONS)
        ]


def organizations(codes: Codes) -> list[dict[str, Any]]:
    """Both organisations; a rate must not be what a soak meets."""
    many = catalogs.series(
        1,
        same_customer_may_repeat=True,
        max_redemptions_per_coupon="unlimited",
        coupons=[{"code": code} for code in COUPONS],
    )
    main = catalogs.organization(
        customers=[{"id": customer_id} for customer_id in CUSTOMERS],
        promotions=[
            *codes.catalog(),
            catalogs.promotion(FULL, limits={"redemptions_per_transaction": 1}),
        ],
        coupon_series=[many, catalogs.series(2, coupons=[{"code": USED_COUPON}])],
    )
    other_credential = {
        **catalogs.CREDENTIAL,
        "key": catalogs.OTHER_KEY,
        "secret": catalogs.OTHER_SECRET,
    }
    other = catalogs.organization(
        id=catalogs.OTHER_ORG,
        customers=[{"id": CUSTOMERS[-1] + 1}],
        credentials=[other_credential],
        promotions=[catalogs.promotion(FOREIGN, codes=[{"id": "foreign", "code": FOREIGN}])],
    )
    return [main, other]


def _promotion(number: int) -> str:
    return f"p{number % PROMOTIONS}"


def _code(number: int) -> str:
    return f"Code-{number}"
