"""What every copy must still do: without a guard the product is unsafe, not broken.

Were it broken, each test would fail and none of them would say anything about the guard.
"""

from redemption_server.rules.outcomes import Granted

from tests.support import catalogs
from tests.support.desk import Desk, coupon, use


async def test_a_promotion_and_a_coupon_are_redeemed(desk: Desk) -> None:
    limited = catalogs.promotion(limits={"redemptions_total": 5})
    await desk.apply(
        catalogs.organization(
            credentials=[], promotions=[limited], coupon_series=[catalogs.series()]
        )
    )
    assert isinstance(await desk.redeem(use()), Granted)
    assert isinstance(await desk.redeem_coupons(coupon()), Granted)
    assert await desk.rows("SELECT used FROM usage ORDER BY scope") == [(1,), (1,), (1,)]
