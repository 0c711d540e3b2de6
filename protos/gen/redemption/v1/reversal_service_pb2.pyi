import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from redemption.v1 import reversal_pb2 as _reversal_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CouponRedemptionIds(_message.Message):
    __slots__ = ("redemption_ids",)
    REDEMPTION_IDS_FIELD_NUMBER: _ClassVar[int]
    redemption_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, redemption_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class ReverseRedemptionRequest(_message.Message):
    __slots__ = ("transaction_identifier", "coupon_redemptions", "redemption_ids", "reason", "request_id", "note")
    TRANSACTION_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    COUPON_REDEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_IDS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    transaction_identifier: str
    coupon_redemptions: CouponRedemptionIds
    redemption_ids: _containers.RepeatedScalarFieldContainer[str]
    reason: _reversal_pb2.ReversalReason
    request_id: str
    note: str
    def __init__(self, transaction_identifier: _Optional[str] = ..., coupon_redemptions: _Optional[_Union[CouponRedemptionIds, _Mapping]] = ..., redemption_ids: _Optional[_Iterable[str]] = ..., reason: _Optional[_Union[_reversal_pb2.ReversalReason, str]] = ..., request_id: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class ReversedRedemption(_message.Message):
    __slots__ = ("promotion_redemption_id", "coupon_redemption_id", "reversal")
    PROMOTION_REDEMPTION_ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_REDEMPTION_ID_FIELD_NUMBER: _ClassVar[int]
    REVERSAL_FIELD_NUMBER: _ClassVar[int]
    promotion_redemption_id: str
    coupon_redemption_id: int
    reversal: _reversal_pb2.Reversal
    def __init__(self, promotion_redemption_id: _Optional[str] = ..., coupon_redemption_id: _Optional[int] = ..., reversal: _Optional[_Union[_reversal_pb2.Reversal, _Mapping]] = ...) -> None: ...

class ReverseRedemptionResponse(_message.Message):
    __slots__ = ("reversal_id", "reversed_at", "redemptions", "replayed")
    REVERSAL_ID_FIELD_NUMBER: _ClassVar[int]
    REVERSED_AT_FIELD_NUMBER: _ClassVar[int]
    REDEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    reversal_id: str
    reversed_at: _timestamp_pb2.Timestamp
    redemptions: _containers.RepeatedCompositeFieldContainer[ReversedRedemption]
    replayed: bool
    def __init__(self, reversal_id: _Optional[str] = ..., reversed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., redemptions: _Optional[_Iterable[_Union[ReversedRedemption, _Mapping]]] = ..., replayed: _Optional[bool] = ...) -> None: ...
