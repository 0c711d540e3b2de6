import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import decimal_pb2 as _decimal_pb2
from redemption.v1 import coupon_redemption_pb2 as _coupon_redemption_pb2
from redemption.v1 import promotion_redemption_pb2 as _promotion_redemption_pb2
from redemption.v1 import reversal_pb2 as _reversal_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FeedEventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEED_EVENT_TYPE_UNSPECIFIED: _ClassVar[FeedEventType]
    FEED_EVENT_TYPE_PROMOTION_REDEEMED: _ClassVar[FeedEventType]
    FEED_EVENT_TYPE_COUPON_REDEEMED: _ClassVar[FeedEventType]
    FEED_EVENT_TYPE_PROMOTION_REVERSED: _ClassVar[FeedEventType]
    FEED_EVENT_TYPE_COUPON_REVERSED: _ClassVar[FeedEventType]
FEED_EVENT_TYPE_UNSPECIFIED: FeedEventType
FEED_EVENT_TYPE_PROMOTION_REDEEMED: FeedEventType
FEED_EVENT_TYPE_COUPON_REDEEMED: FeedEventType
FEED_EVENT_TYPE_PROMOTION_REVERSED: FeedEventType
FEED_EVENT_TYPE_COUPON_REVERSED: FeedEventType

class WatchRedemptionsRequest(_message.Message):
    __slots__ = ("after_sequence", "promotion_ids", "codes", "customer_ids")
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_IDS_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    after_sequence: int
    promotion_ids: _containers.RepeatedScalarFieldContainer[str]
    codes: _containers.RepeatedScalarFieldContainer[str]
    customer_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, after_sequence: _Optional[int] = ..., promotion_ids: _Optional[_Iterable[str]] = ..., codes: _Optional[_Iterable[str]] = ..., customer_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class CouponRedemptionRecord(_message.Message):
    __slots__ = ("redemption_id", "org_id", "code", "series_id", "customer_id", "discount_code", "discount_type", "discount_value", "discount_up_to", "transaction_number", "amount", "custom_fields", "redemption_till", "redeemed_at")
    REDEMPTION_ID_FIELD_NUMBER: _ClassVar[int]
    ORG_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    SERIES_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_CODE_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_VALUE_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_UP_TO_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_NUMBER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELDS_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_TILL_FIELD_NUMBER: _ClassVar[int]
    REDEEMED_AT_FIELD_NUMBER: _ClassVar[int]
    redemption_id: int
    org_id: int
    code: str
    series_id: int
    customer_id: int
    discount_code: str
    discount_type: _coupon_redemption_pb2.DiscountType
    discount_value: _decimal_pb2.Decimal
    discount_up_to: _decimal_pb2.Decimal
    transaction_number: str
    amount: _decimal_pb2.Decimal
    custom_fields: _containers.RepeatedCompositeFieldContainer[_coupon_redemption_pb2.CustomField]
    redemption_till: int
    redeemed_at: _timestamp_pb2.Timestamp
    def __init__(self, redemption_id: _Optional[int] = ..., org_id: _Optional[int] = ..., code: _Optional[str] = ..., series_id: _Optional[int] = ..., customer_id: _Optional[int] = ..., discount_code: _Optional[str] = ..., discount_type: _Optional[_Union[_coupon_redemption_pb2.DiscountType, str]] = ..., discount_value: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., discount_up_to: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., transaction_number: _Optional[str] = ..., amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., custom_fields: _Optional[_Iterable[_Union[_coupon_redemption_pb2.CustomField, _Mapping]]] = ..., redemption_till: _Optional[int] = ..., redeemed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FeedEvent(_message.Message):
    __slots__ = ("sequence", "type", "recorded_at", "promotion_redemption", "coupon_redemption", "reversal")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_REDEMPTION_FIELD_NUMBER: _ClassVar[int]
    COUPON_REDEMPTION_FIELD_NUMBER: _ClassVar[int]
    REVERSAL_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    type: FeedEventType
    recorded_at: _timestamp_pb2.Timestamp
    promotion_redemption: _promotion_redemption_pb2.PromotionRedemption
    coupon_redemption: CouponRedemptionRecord
    reversal: _reversal_pb2.Reversal
    def __init__(self, sequence: _Optional[int] = ..., type: _Optional[_Union[FeedEventType, str]] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., promotion_redemption: _Optional[_Union[_promotion_redemption_pb2.PromotionRedemption, _Mapping]] = ..., coupon_redemption: _Optional[_Union[CouponRedemptionRecord, _Mapping]] = ..., reversal: _Optional[_Union[_reversal_pb2.Reversal, _Mapping]] = ...) -> None: ...

class WatchRedemptionsResponse(_message.Message):
    __slots__ = ("events", "sequence")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[FeedEvent]
    sequence: int
    def __init__(self, events: _Optional[_Iterable[_Union[FeedEvent, _Mapping]]] = ..., sequence: _Optional[int] = ...) -> None: ...
