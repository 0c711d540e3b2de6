import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import decimal_pb2 as _decimal_pb2
from redemption.v1 import promotion_redemption_pb2 as _promotion_redemption_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RedeemPromotionsRequest(_message.Message):
    __slots__ = ("customer_id", "customer_identifier_type", "customer_identifier_value", "transaction_identifier", "transaction_number", "transaction_date", "amount", "cart_evaluation_id", "line_items", "redemptions", "validate_only")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDENTIFIER_TYPE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDENTIFIER_VALUE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DATE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CART_EVALUATION_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    REDEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    customer_id: int
    customer_identifier_type: str
    customer_identifier_value: str
    transaction_identifier: str
    transaction_number: str
    transaction_date: _timestamp_pb2.Timestamp
    amount: _decimal_pb2.Decimal
    cart_evaluation_id: str
    line_items: _containers.RepeatedCompositeFieldContainer[_promotion_redemption_pb2.PromotionUse]
    redemptions: _containers.RepeatedCompositeFieldContainer[_promotion_redemption_pb2.PromotionUse]
    validate_only: bool
    def __init__(self, customer_id: _Optional[int] = ..., customer_identifier_type: _Optional[str] = ..., customer_identifier_value: _Optional[str] = ..., transaction_identifier: _Optional[str] = ..., transaction_number: _Optional[str] = ..., transaction_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., cart_evaluation_id: _Optional[str] = ..., line_items: _Optional[_Iterable[_Union[_promotion_redemption_pb2.PromotionUse, _Mapping]]] = ..., redemptions: _Optional[_Iterable[_Union[_promotion_redemption_pb2.PromotionUse, _Mapping]]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class RedeemPromotionsResponse(_message.Message):
    __slots__ = ("org_id", "customer_identifier_type", "customer_identifier_value", "customer_id", "transaction_identifier", "transaction_number", "transaction_date", "amount", "cart_evaluation_id", "line_items", "redemptions", "replayed")
    ORG_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDENTIFIER_TYPE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDENTIFIER_VALUE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DATE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CART_EVALUATION_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    REDEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    org_id: int
    customer_identifier_type: str
    customer_identifier_value: str
    customer_id: int
    transaction_identifier: str
    transaction_number: str
    transaction_date: _timestamp_pb2.Timestamp
    amount: _decimal_pb2.Decimal
    cart_evaluation_id: str
    line_items: _containers.RepeatedCompositeFieldContainer[_promotion_redemption_pb2.PromotionUse]
    redemptions: _containers.RepeatedCompositeFieldContainer[_promotion_redemption_pb2.PromotionUse]
    replayed: bool
    def __init__(self, org_id: _Optional[int] = ..., customer_identifier_type: _Optional[str] = ..., customer_identifier_value: _Optional[str] = ..., customer_id: _Optional[int] = ..., transaction_identifier: _Optional[str] = ..., transaction_number: _Optional[str] = ..., transaction_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., cart_evaluation_id: _Optional[str] = ..., line_items: _Optional[_Iterable[_Union[_promotion_redemption_pb2.PromotionUse, _Mapping]]] = ..., redemptions: _Optional[_Iterable[_Union[_promotion_redemption_pb2.PromotionUse, _Mapping]]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class ListPromotionRedemptionsRequest(_message.Message):
    __slots__ = ("codes", "mode", "include_redemptions", "page_size", "page_token")
    CODES_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_REDEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    codes: _containers.RepeatedScalarFieldContainer[str]
    mode: _promotion_redemption_pb2.PromotionMode
    include_redemptions: bool
    page_size: int
    page_token: str
    def __init__(self, codes: _Optional[_Iterable[str]] = ..., mode: _Optional[_Union[_promotion_redemption_pb2.PromotionMode, str]] = ..., include_redemptions: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPromotionRedemptionsResponse(_message.Message):
    __slots__ = ("redemptions", "code_summaries", "missing_codes", "next_page_token")
    REDEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    CODE_SUMMARIES_FIELD_NUMBER: _ClassVar[int]
    MISSING_CODES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    redemptions: _containers.RepeatedCompositeFieldContainer[_promotion_redemption_pb2.PromotionRedemption]
    code_summaries: _containers.RepeatedCompositeFieldContainer[_promotion_redemption_pb2.PromotionCodeSummary]
    missing_codes: _containers.RepeatedScalarFieldContainer[str]
    next_page_token: str
    def __init__(self, redemptions: _Optional[_Iterable[_Union[_promotion_redemption_pb2.PromotionRedemption, _Mapping]]] = ..., code_summaries: _Optional[_Iterable[_Union[_promotion_redemption_pb2.PromotionCodeSummary, _Mapping]]] = ..., missing_codes: _Optional[_Iterable[str]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
