import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from redemption.v1 import coupon_redemption_service_pb2 as _coupon_redemption_service_pb2
from redemption.v1 import promotion_redemption_service_pb2 as _promotion_redemption_service_pb2
from redemption.v1 import reversal_service_pb2 as _reversal_service_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OutcomeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_STATE_UNSPECIFIED: _ClassVar[OutcomeState]
    OUTCOME_STATE_RECORDED: _ClassVar[OutcomeState]
    OUTCOME_STATE_NOT_RECORDED: _ClassVar[OutcomeState]
OUTCOME_STATE_UNSPECIFIED: OutcomeState
OUTCOME_STATE_RECORDED: OutcomeState
OUTCOME_STATE_NOT_RECORDED: OutcomeState

class GetOutcomeRequest(_message.Message):
    __slots__ = ("transaction_identifier", "request_id", "reversal_request_id")
    TRANSACTION_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REVERSAL_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    transaction_identifier: str
    request_id: str
    reversal_request_id: str
    def __init__(self, transaction_identifier: _Optional[str] = ..., request_id: _Optional[str] = ..., reversal_request_id: _Optional[str] = ...) -> None: ...

class GetOutcomeResponse(_message.Message):
    __slots__ = ("state", "redeem_promotions", "redeem_coupons", "reverse_redemption", "recorded_at")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REDEEM_PROMOTIONS_FIELD_NUMBER: _ClassVar[int]
    REDEEM_COUPONS_FIELD_NUMBER: _ClassVar[int]
    REVERSE_REDEMPTION_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    state: OutcomeState
    redeem_promotions: _promotion_redemption_service_pb2.RedeemPromotionsResponse
    redeem_coupons: _coupon_redemption_service_pb2.RedeemCouponsResponse
    reverse_redemption: _reversal_service_pb2.ReverseRedemptionResponse
    recorded_at: _timestamp_pb2.Timestamp
    def __init__(self, state: _Optional[_Union[OutcomeState, str]] = ..., redeem_promotions: _Optional[_Union[_promotion_redemption_service_pb2.RedeemPromotionsResponse, _Mapping]] = ..., redeem_coupons: _Optional[_Union[_coupon_redemption_service_pb2.RedeemCouponsResponse, _Mapping]] = ..., reverse_redemption: _Optional[_Union[_reversal_service_pb2.ReverseRedemptionResponse, _Mapping]] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
