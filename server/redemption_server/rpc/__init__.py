"""The gRPC door: decode, hand over, encode. It decides nothing.

A call travels `server` → `pipeline` (authenticate, authorise, map errors) → one service file →
`decode_…` → the commit queue or a lookup → `encode_…`.
"""
