"""The change feed: what was recorded, told in order to whoever watches."""
