"""Encodes values that occur in many messages."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal

from redemption_server.rules.decimals import format_micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_OF_A_DAY = 86_400


def decimal(micros: int) -> Decimal:
    """Micro-units in their shortest form."""
    return Decimal(value=format_micros(micros))


def timestamp(at: datetime) -> Timestamp:
    """An instant, which knows its time zone. Every answer and event has some, hence by hand."""
    since = at - _EPOCH
    seconds = since.days * _SECONDS_OF_A_DAY + since.seconds
    return Timestamp(seconds=seconds, nanos=since.microseconds * 1_000)
