from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.rpc import status_pb2 as _status_pb2
from redemption.v1 import coupon_redemption_pb2 as _coupon_redemption_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RedeemCouponsRequest(_message.Message):
    __slots__ = ("coupons", "request_id", "atomic", "validate_only")
    COUPONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ATOMIC_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    coupons: _containers.RepeatedCompositeFieldContainer[_coupon_redemption_pb2.CouponUse]
    request_id: str
    atomic: bool
    validate_only: bool
    def __init__(self, coupons: _Optional[_Iterable[_Union[_coupon_redemption_pb2.CouponUse, _Mapping]]] = ..., request_id: _Optional[str] = ..., atomic: _Optional[bool] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class RedeemCouponsResponse(_message.Message):
    __slots__ = ("results", "replayed")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_coupon_redemption_pb2.CouponResult]
    replayed: bool
    def __init__(self, results: _Optional[_Iterable[_Union[_coupon_redemption_pb2.CouponResult, _Mapping]]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class ValidateCouponsRequest(_message.Message):
    __slots__ = ("coupons", "atomic")
    COUPONS_FIELD_NUMBER: _ClassVar[int]
    ATOMIC_FIELD_NUMBER: _ClassVar[int]
    coupons: _containers.RepeatedCompositeFieldContainer[_coupon_redemption_pb2.CouponUse]
    atomic: bool
    def __init__(self, coupons: _Optional[_Iterable[_Union[_coupon_redemption_pb2.CouponUse, _Mapping]]] = ..., atomic: _Optional[bool] = ...) -> None: ...

class CouponValidation(_message.Message):
    __slots__ = ("result", "errors")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    result: _coupon_redemption_pb2.CouponResult
    errors: _containers.RepeatedCompositeFieldContainer[_status_pb2.Status]
    def __init__(self, result: _Optional[_Union[_coupon_redemption_pb2.CouponResult, _Mapping]] = ..., errors: _Optional[_Iterable[_Union[_status_pb2.Status, _Mapping]]] = ...) -> None: ...

class ValidateCouponsResponse(_message.Message):
    __slots__ = ("validations",)
    VALIDATIONS_FIELD_NUMBER: _ClassVar[int]
    validations: _containers.RepeatedCompositeFieldContainer[CouponValidation]
    def __init__(self, validations: _Optional[_Iterable[_Union[CouponValidation, _Mapping]]] = ...) -> None: ...
