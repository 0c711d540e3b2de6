import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.type import decimal_pb2 as _decimal_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DiscountType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISCOUNT_TYPE_UNSPECIFIED: _ClassVar[DiscountType]
    DISCOUNT_TYPE_ABS: _ClassVar[DiscountType]
    DISCOUNT_TYPE_PERC: _ClassVar[DiscountType]
DISCOUNT_TYPE_UNSPECIFIED: DiscountType
DISCOUNT_TYPE_ABS: DiscountType
DISCOUNT_TYPE_PERC: DiscountType

class CouponCustomer(_message.Message):
    __slots__ = ("mobile", "email", "external_id", "customer_id", "card_number", "card_external_id")
    MOBILE_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CARD_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CARD_EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    mobile: str
    email: str
    external_id: str
    customer_id: int
    card_number: str
    card_external_id: str
    def __init__(self, mobile: _Optional[str] = ..., email: _Optional[str] = ..., external_id: _Optional[str] = ..., customer_id: _Optional[int] = ..., card_number: _Optional[str] = ..., card_external_id: _Optional[str] = ...) -> None: ...

class CouponTransaction(_message.Message):
    __slots__ = ("number", "amount")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    number: str
    amount: _decimal_pb2.Decimal
    def __init__(self, number: _Optional[str] = ..., amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class CustomField(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class CouponUse(_message.Message):
    __slots__ = ("code", "customer", "validation_code", "transaction", "custom_fields")
    CODE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_CODE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELDS_FIELD_NUMBER: _ClassVar[int]
    code: str
    customer: CouponCustomer
    validation_code: str
    transaction: CouponTransaction
    custom_fields: _containers.RepeatedCompositeFieldContainer[CustomField]
    def __init__(self, code: _Optional[str] = ..., customer: _Optional[_Union[CouponCustomer, _Mapping]] = ..., validation_code: _Optional[str] = ..., transaction: _Optional[_Union[CouponTransaction, _Mapping]] = ..., custom_fields: _Optional[_Iterable[_Union[CustomField, _Mapping]]] = ...) -> None: ...

class CouponRedemption(_message.Message):
    __slots__ = ("redemption_id", "discount_code", "series_id", "discount_type", "discount_value", "discount_up_to", "redeemed_at")
    REDEMPTION_ID_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_CODE_FIELD_NUMBER: _ClassVar[int]
    SERIES_ID_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_VALUE_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_UP_TO_FIELD_NUMBER: _ClassVar[int]
    REDEEMED_AT_FIELD_NUMBER: _ClassVar[int]
    redemption_id: int
    discount_code: str
    series_id: int
    discount_type: DiscountType
    discount_value: _decimal_pb2.Decimal
    discount_up_to: _decimal_pb2.Decimal
    redeemed_at: _timestamp_pb2.Timestamp
    def __init__(self, redemption_id: _Optional[int] = ..., discount_code: _Optional[str] = ..., series_id: _Optional[int] = ..., discount_type: _Optional[_Union[DiscountType, str]] = ..., discount_value: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., discount_up_to: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., redeemed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CouponResult(_message.Message):
    __slots__ = ("code", "customer", "transaction", "redemption", "error", "customer_found")
    CODE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FOUND_FIELD_NUMBER: _ClassVar[int]
    code: str
    customer: CouponCustomer
    transaction: CouponTransaction
    redemption: CouponRedemption
    error: _status_pb2.Status
    customer_found: bool
    def __init__(self, code: _Optional[str] = ..., customer: _Optional[_Union[CouponCustomer, _Mapping]] = ..., transaction: _Optional[_Union[CouponTransaction, _Mapping]] = ..., redemption: _Optional[_Union[CouponRedemption, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., customer_found: _Optional[bool] = ...) -> None: ...
