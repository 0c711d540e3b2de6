"""The command that shows a coupon, for whoever answers a customer."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from redemption_server.cli.bulk import Org, with_organization

if TYPE_CHECKING:
    from redemption.v1 import coupon_service_pb2

    from redemption_server.storage.coupons import CouponDetails
    from redemption_server.storage.database import Database

commands = typer.Typer()
_SHOWN_MAX = 10


@commands.command()
def show(
    code: Annotated[str, typer.Argument(help="Code of the coupon, in any case.")], *, org: Org = 0
) -> None:
    """Show how a coupon stands, and its latest redemptions; exits with 1 if there is none.

    Example: redemption coupons show SUMMER-7KQ2
    """

    async def work(database: "Database", org_id: int, _region: str) -> None:
        from redemption_server.app import system_clock
        from redemption_server.rpc.encode_coupon_details import encode_coupon_details
        from redemption_server.storage.coupons import load_coupon

        details = await database.read(load_coupon, org_id, code)
        typer.echo("\n".join(_lines(details, encode_coupon_details(details, system_clock()))))

    with_organization(org, work)


def _lines(
    details: "CouponDetails", found: "coupon_service_pb2.GetCouponResponse"
) -> Iterator[str]:
    from redemption.v1 import coupon_service_pb2

    coupon, series = details.coupon, details.series
    state = coupon_service_pb2.CouponState.Name(found.state).removeprefix("COUPON_STATE_")
    ends = [end for end in (series.valid_until, coupon.valid_until) if end]
    yield f"code: {found.coupon.code}"
    yield f"state: {state}"
    yield f"series: {series.id}"
    yield f"customer: {coupon.customer_id or 'none'}"
    yield f"issued at: {_shown(coupon.issued_at)}"
    yield f"valid from: {_shown(series.valid_from)}"
    yield f"valid until: {_shown(min(ends, default=None))}"
    yield f"redeemed: {found.redemption_count} of {found.redemption_limit or 'any number'}"
    for usage in found.usages[:_SHOWN_MAX]:
        yield _usage(usage)


def _shown(at: datetime | None) -> str:
    return at.isoformat() if at else "not set"


def _usage(usage: "coupon_service_pb2.CouponUsage") -> str:
    from redemption.v1 import reversal_pb2

    redemption = usage.redemption
    line = (
        f"redemption {redemption.redemption_id}: {redemption.redeemed_at.ToJsonString()} "
        f"by customer {usage.customer_id}"
    )
    if usage.transaction_number:
        line += f", bill {usage.transaction_number}"
    if usage.HasField("reversal"):
        reason = reversal_pb2.ReversalReason.Name(usage.reversal.reason)
        shown = reason.removeprefix("REVERSAL_REASON_")
        line += f", reversed {usage.reversal.reversed_at.ToJsonString()} ({shown})"
    return line
