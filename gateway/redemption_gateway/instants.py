"""Renders instants as the documented fields show them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_ms(at: Timestamp) -> int:
    """Milliseconds since 1970 UTC."""
    return at.seconds * 1_000 + at.nanos // 1_000_000


def iso(at: Timestamp, zone: ZoneInfo) -> str:
    """ISO 8601 in a zone, whole seconds; `Z` for UTC, an offset otherwise."""
    local = (_EPOCH + timedelta(seconds=at.seconds)).astimezone(zone)
    return local.isoformat().replace("+00:00", "Z")


def timestamp(ms: int) -> Timestamp:
    """The instant of milliseconds since 1970 UTC."""
    seconds, rest = divmod(ms, 1_000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000_000)
