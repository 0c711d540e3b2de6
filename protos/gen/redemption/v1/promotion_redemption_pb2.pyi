import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import decimal_pb2 as _decimal_pb2
from redemption.v1 import reversal_pb2 as _reversal_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PromotionMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMOTION_MODE_UNSPECIFIED: _ClassVar[PromotionMode]
    PROMOTION_MODE_DISCOUNT: _ClassVar[PromotionMode]
    PROMOTION_MODE_PAYMENT_VOUCHER: _ClassVar[PromotionMode]

class RedemptionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REDEMPTION_TYPE_UNSPECIFIED: _ClassVar[RedemptionType]
    REDEMPTION_TYPE_CART: _ClassVar[RedemptionType]
    REDEMPTION_TYPE_LINEITEM: _ClassVar[RedemptionType]
    REDEMPTION_TYPE_PAYMENT_VOUCHER: _ClassVar[RedemptionType]
PROMOTION_MODE_UNSPECIFIED: PromotionMode
PROMOTION_MODE_DISCOUNT: PromotionMode
PROMOTION_MODE_PAYMENT_VOUCHER: PromotionMode
REDEMPTION_TYPE_UNSPECIFIED: RedemptionType
REDEMPTION_TYPE_CART: RedemptionType
REDEMPTION_TYPE_LINEITEM: RedemptionType
REDEMPTION_TYPE_PAYMENT_VOUCHER: RedemptionType

class PromotionUse(_message.Message):
    __slots__ = ("sku", "promotion_id", "earned_promotion_id", "promo_code", "redemption_count", "discount", "discount_applied_on_quantity", "promotion_applied_on_quantity", "amount")
    SKU_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    EARNED_PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    PROMO_CODE_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_APPLIED_ON_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_APPLIED_ON_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    sku: str
    promotion_id: str
    earned_promotion_id: str
    promo_code: str
    redemption_count: int
    discount: _decimal_pb2.Decimal
    discount_applied_on_quantity: _decimal_pb2.Decimal
    promotion_applied_on_quantity: _decimal_pb2.Decimal
    amount: _decimal_pb2.Decimal
    def __init__(self, sku: _Optional[str] = ..., promotion_id: _Optional[str] = ..., earned_promotion_id: _Optional[str] = ..., promo_code: _Optional[str] = ..., redemption_count: _Optional[int] = ..., discount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., discount_applied_on_quantity: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., promotion_applied_on_quantity: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class PromotionRedemption(_message.Message):
    __slots__ = ("id", "org_id", "promotion_id", "promo_code", "earned_promotion_id", "customer_id", "redemption_date", "transaction_identifier", "transaction_number", "promotion_name", "promotion_message_label", "transaction_entity_identifier", "cart_evaluation_id", "redemption_till", "discount", "redemption_count", "amount", "sku", "product_id", "discount_applied_quantity", "promotion_applied_quantity", "redemption_type", "over_limit", "earned_by_other_customer", "reversal")
    ID_FIELD_NUMBER: _ClassVar[int]
    ORG_ID_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    PROMO_CODE_FIELD_NUMBER: _ClassVar[int]
    EARNED_PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_DATE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_NAME_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_MESSAGE_LABEL_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ENTITY_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    CART_EVALUATION_ID_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_TILL_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SKU_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_APPLIED_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_APPLIED_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    OVER_LIMIT_FIELD_NUMBER: _ClassVar[int]
    EARNED_BY_OTHER_CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    REVERSAL_FIELD_NUMBER: _ClassVar[int]
    id: str
    org_id: int
    promotion_id: str
    promo_code: str
    earned_promotion_id: str
    customer_id: int
    redemption_date: _timestamp_pb2.Timestamp
    transaction_identifier: str
    transaction_number: str
    promotion_name: str
    promotion_message_label: str
    transaction_entity_identifier: str
    cart_evaluation_id: str
    redemption_till: int
    discount: _decimal_pb2.Decimal
    redemption_count: int
    amount: _decimal_pb2.Decimal
    sku: str
    product_id: int
    discount_applied_quantity: _decimal_pb2.Decimal
    promotion_applied_quantity: _decimal_pb2.Decimal
    redemption_type: RedemptionType
    over_limit: bool
    earned_by_other_customer: bool
    reversal: _reversal_pb2.Reversal
    def __init__(self, id: _Optional[str] = ..., org_id: _Optional[int] = ..., promotion_id: _Optional[str] = ..., promo_code: _Optional[str] = ..., earned_promotion_id: _Optional[str] = ..., customer_id: _Optional[int] = ..., redemption_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., transaction_identifier: _Optional[str] = ..., transaction_number: _Optional[str] = ..., promotion_name: _Optional[str] = ..., promotion_message_label: _Optional[str] = ..., transaction_entity_identifier: _Optional[str] = ..., cart_evaluation_id: _Optional[str] = ..., redemption_till: _Optional[int] = ..., discount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., redemption_count: _Optional[int] = ..., amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., sku: _Optional[str] = ..., product_id: _Optional[int] = ..., discount_applied_quantity: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., promotion_applied_quantity: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., redemption_type: _Optional[_Union[RedemptionType, str]] = ..., over_limit: _Optional[bool] = ..., earned_by_other_customer: _Optional[bool] = ..., reversal: _Optional[_Union[_reversal_pb2.Reversal, _Mapping]] = ...) -> None: ...

class PromotionCodeSummary(_message.Message):
    __slots__ = ("id", "org_id", "promotion_id", "promotion_name", "promo_code", "mode", "redemption_count", "discount")
    ID_FIELD_NUMBER: _ClassVar[int]
    ORG_ID_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_NAME_FIELD_NUMBER: _ClassVar[int]
    PROMO_CODE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    id: str
    org_id: int
    promotion_id: str
    promotion_name: str
    promo_code: str
    mode: PromotionMode
    redemption_count: int
    discount: _decimal_pb2.Decimal
    def __init__(self, id: _Optional[str] = ..., org_id: _Optional[int] = ..., promotion_id: _Optional[str] = ..., promotion_name: _Optional[str] = ..., promo_code: _Optional[str] = ..., mode: _Optional[_Union[PromotionMode, str]] = ..., redemption_count: _Optional[int] = ..., discount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...
