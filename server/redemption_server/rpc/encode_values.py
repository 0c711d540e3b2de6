"""Encodes values that occur in many messages."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal

from redemption_server.rules.decimals import format_micros


def decimal(micros: int) -> Decimal:
    """Micro-units in their shortest form."""
    return Decimal(value=format_micros(micros))


def timestamp(at: datetime) -> Timestamp:
    """An instant."""
    result = Timestamp()
    result.FromDatetime(at)
    return result
