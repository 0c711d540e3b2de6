"""What `make run` prints: lines that work when they are pasted."""

import base64

DEMO_KEY = "demo"
DEMO_SECRET = "demo"  # noqa: S105 — the demo catalog is no secret

_HTTP_BODY = (
    '{"customerId":"566881933","transactionIdentifier":"txn-1","transactionNumber":"bill-1",'
    '"transactionDate":1743521508000,"amount":1000,"redemptions":[{"promotionId":'
    '"6914232679e37261fe5d4ef3","promoCode":"UQ38T","redemptionCount":1,"discount":100,'
    '"discountAppliedOnQuantity":1,"promotionAppliedOnQuantity":1}]}'
)
_GRPC_BODY = '{"codes":["UQ38T"],"mode":"PROMOTION_MODE_DISCOUNT","include_redemptions":true}'


def demo_lines(*, grpc: str, url: str, tls: bool = False) -> str:
    """The demo credential, a curl line and a grpcurl line for servers at these addresses."""
    basic = base64.b64encode(f"{DEMO_KEY}:{DEMO_SECRET}".encode()).decode()
    # A certificate that is only for this is hardly known to the machine.
    insecure, security = (" -k", "-insecure") if tls else ("", "-plaintext")
    return f"""
Demo credential: key {DEMO_KEY}, secret {DEMO_SECRET}

Redeem a promotion; send it again and the recorded answer comes back:

  curl -i{insecure} -u {DEMO_KEY}:{DEMO_SECRET} -H 'Content-Type: application/json' \\
    -d '{_HTTP_BODY}' \\
    {url}/api_gateway/v1/promotions/redemptions

Look it up:

  grpcurl {security} -H 'authorization: Basic {basic}' \\
    -d '{_GRPC_BODY}' \\
    {grpc} redemption.v1.PromotionRedemptionService/ListPromotionRedemptions
"""
