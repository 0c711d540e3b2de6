import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from redemption.v1 import catalog_pb2 as _catalog_pb2
from redemption.v1 import coupon_redemption_pb2 as _coupon_redemption_pb2
from redemption.v1 import reversal_pb2 as _reversal_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CouponJobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COUPON_JOB_STATE_UNSPECIFIED: _ClassVar[CouponJobState]
    COUPON_JOB_STATE_RUNNING: _ClassVar[CouponJobState]
    COUPON_JOB_STATE_DONE: _ClassVar[CouponJobState]

class CouponState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COUPON_STATE_UNSPECIFIED: _ClassVar[CouponState]
    COUPON_STATE_REDEEMABLE: _ClassVar[CouponState]
    COUPON_STATE_NOT_STARTED: _ClassVar[CouponState]
    COUPON_STATE_EXPIRED: _ClassVar[CouponState]
    COUPON_STATE_REVOKED: _ClassVar[CouponState]
    COUPON_STATE_USED_UP: _ClassVar[CouponState]
    COUPON_STATE_SERIES_USED_UP: _ClassVar[CouponState]
    COUPON_STATE_NOT_ISSUED: _ClassVar[CouponState]
COUPON_JOB_STATE_UNSPECIFIED: CouponJobState
COUPON_JOB_STATE_RUNNING: CouponJobState
COUPON_JOB_STATE_DONE: CouponJobState
COUPON_STATE_UNSPECIFIED: CouponState
COUPON_STATE_REDEEMABLE: CouponState
COUPON_STATE_NOT_STARTED: CouponState
COUPON_STATE_EXPIRED: CouponState
COUPON_STATE_REVOKED: CouponState
COUPON_STATE_USED_UP: CouponState
COUPON_STATE_SERIES_USED_UP: CouponState
COUPON_STATE_NOT_ISSUED: CouponState

class CreateCouponSeriesRequest(_message.Message):
    __slots__ = ("series",)
    SERIES_FIELD_NUMBER: _ClassVar[int]
    series: _catalog_pb2.CouponSeries
    def __init__(self, series: _Optional[_Union[_catalog_pb2.CouponSeries, _Mapping]] = ...) -> None: ...

class CreateCouponSeriesResponse(_message.Message):
    __slots__ = ("series",)
    SERIES_FIELD_NUMBER: _ClassVar[int]
    series: _catalog_pb2.CouponSeries
    def __init__(self, series: _Optional[_Union[_catalog_pb2.CouponSeries, _Mapping]] = ...) -> None: ...

class UpdateCouponSeriesRequest(_message.Message):
    __slots__ = ("series", "update_mask")
    SERIES_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    series: _catalog_pb2.CouponSeries
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, series: _Optional[_Union[_catalog_pb2.CouponSeries, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateCouponSeriesResponse(_message.Message):
    __slots__ = ("series",)
    SERIES_FIELD_NUMBER: _ClassVar[int]
    series: _catalog_pb2.CouponSeries
    def __init__(self, series: _Optional[_Union[_catalog_pb2.CouponSeries, _Mapping]] = ...) -> None: ...

class GetCouponSeriesRequest(_message.Message):
    __slots__ = ("series_id",)
    SERIES_ID_FIELD_NUMBER: _ClassVar[int]
    series_id: int
    def __init__(self, series_id: _Optional[int] = ...) -> None: ...

class GetCouponSeriesResponse(_message.Message):
    __slots__ = ("series",)
    SERIES_FIELD_NUMBER: _ClassVar[int]
    series: _catalog_pb2.CouponSeries
    def __init__(self, series: _Optional[_Union[_catalog_pb2.CouponSeries, _Mapping]] = ...) -> None: ...

class GenerateCouponsRequest(_message.Message):
    __slots__ = ("series_id", "count", "length", "prefix", "suffix", "request_id")
    SERIES_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    SUFFIX_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    series_id: int
    count: int
    length: int
    prefix: str
    suffix: str
    request_id: str
    def __init__(self, series_id: _Optional[int] = ..., count: _Optional[int] = ..., length: _Optional[int] = ..., prefix: _Optional[str] = ..., suffix: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CouponJob(_message.Message):
    __slots__ = ("job_id", "series_id", "count", "done", "state")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    SERIES_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    series_id: int
    count: int
    done: int
    state: CouponJobState
    def __init__(self, job_id: _Optional[str] = ..., series_id: _Optional[int] = ..., count: _Optional[int] = ..., done: _Optional[int] = ..., state: _Optional[_Union[CouponJobState, str]] = ...) -> None: ...

class GenerateCouponsResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: CouponJob
    def __init__(self, job: _Optional[_Union[CouponJob, _Mapping]] = ...) -> None: ...

class GetCouponJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class GetCouponJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: CouponJob
    def __init__(self, job: _Optional[_Union[CouponJob, _Mapping]] = ...) -> None: ...

class ImportCouponsRequest(_message.Message):
    __slots__ = ("series_id", "coupons", "skip_bad", "replace")
    SERIES_ID_FIELD_NUMBER: _ClassVar[int]
    COUPONS_FIELD_NUMBER: _ClassVar[int]
    SKIP_BAD_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    series_id: int
    coupons: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.Coupon]
    skip_bad: bool
    replace: bool
    def __init__(self, series_id: _Optional[int] = ..., coupons: _Optional[_Iterable[_Union[_catalog_pb2.Coupon, _Mapping]]] = ..., skip_bad: _Optional[bool] = ..., replace: _Optional[bool] = ...) -> None: ...

class BadCoupon(_message.Message):
    __slots__ = ("position", "description")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    position: int
    description: str
    def __init__(self, position: _Optional[int] = ..., description: _Optional[str] = ...) -> None: ...

class ImportCouponsResponse(_message.Message):
    __slots__ = ("imported", "kept", "bad_coupons")
    IMPORTED_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    BAD_COUPONS_FIELD_NUMBER: _ClassVar[int]
    imported: int
    kept: int
    bad_coupons: _containers.RepeatedCompositeFieldContainer[BadCoupon]
    def __init__(self, imported: _Optional[int] = ..., kept: _Optional[int] = ..., bad_coupons: _Optional[_Iterable[_Union[BadCoupon, _Mapping]]] = ...) -> None: ...

class ExportCouponsRequest(_message.Message):
    __slots__ = ("series_id", "after_code")
    SERIES_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_CODE_FIELD_NUMBER: _ClassVar[int]
    series_id: int
    after_code: str
    def __init__(self, series_id: _Optional[int] = ..., after_code: _Optional[str] = ...) -> None: ...

class ExportCouponsResponse(_message.Message):
    __slots__ = ("coupons",)
    COUPONS_FIELD_NUMBER: _ClassVar[int]
    coupons: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.Coupon]
    def __init__(self, coupons: _Optional[_Iterable[_Union[_catalog_pb2.Coupon, _Mapping]]] = ...) -> None: ...

class IssueCouponRequest(_message.Message):
    __slots__ = ("code", "series_id", "customer_id", "request_id")
    CODE_FIELD_NUMBER: _ClassVar[int]
    SERIES_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    code: str
    series_id: int
    customer_id: int
    request_id: str
    def __init__(self, code: _Optional[str] = ..., series_id: _Optional[int] = ..., customer_id: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class IssueCouponResponse(_message.Message):
    __slots__ = ("coupon",)
    COUPON_FIELD_NUMBER: _ClassVar[int]
    coupon: _catalog_pb2.Coupon
    def __init__(self, coupon: _Optional[_Union[_catalog_pb2.Coupon, _Mapping]] = ...) -> None: ...

class RevokeCouponRequest(_message.Message):
    __slots__ = ("code",)
    CODE_FIELD_NUMBER: _ClassVar[int]
    code: str
    def __init__(self, code: _Optional[str] = ...) -> None: ...

class RevokeCouponResponse(_message.Message):
    __slots__ = ("coupon",)
    COUPON_FIELD_NUMBER: _ClassVar[int]
    coupon: _catalog_pb2.Coupon
    def __init__(self, coupon: _Optional[_Union[_catalog_pb2.Coupon, _Mapping]] = ...) -> None: ...

class GetCouponRequest(_message.Message):
    __slots__ = ("code",)
    CODE_FIELD_NUMBER: _ClassVar[int]
    code: str
    def __init__(self, code: _Optional[str] = ...) -> None: ...

class CouponUsage(_message.Message):
    __slots__ = ("redemption", "customer_id", "transaction_number", "reversal")
    REDEMPTION_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_NUMBER_FIELD_NUMBER: _ClassVar[int]
    REVERSAL_FIELD_NUMBER: _ClassVar[int]
    redemption: _coupon_redemption_pb2.CouponRedemption
    customer_id: int
    transaction_number: str
    reversal: _reversal_pb2.Reversal
    def __init__(self, redemption: _Optional[_Union[_coupon_redemption_pb2.CouponRedemption, _Mapping]] = ..., customer_id: _Optional[int] = ..., transaction_number: _Optional[str] = ..., reversal: _Optional[_Union[_reversal_pb2.Reversal, _Mapping]] = ...) -> None: ...

class GetCouponResponse(_message.Message):
    __slots__ = ("coupon", "series_id", "state", "redemption_count", "redemption_limit", "usages", "read_at")
    COUPON_FIELD_NUMBER: _ClassVar[int]
    SERIES_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_LIMIT_FIELD_NUMBER: _ClassVar[int]
    USAGES_FIELD_NUMBER: _ClassVar[int]
    READ_AT_FIELD_NUMBER: _ClassVar[int]
    coupon: _catalog_pb2.Coupon
    series_id: int
    state: CouponState
    redemption_count: int
    redemption_limit: int
    usages: _containers.RepeatedCompositeFieldContainer[CouponUsage]
    read_at: _timestamp_pb2.Timestamp
    def __init__(self, coupon: _Optional[_Union[_catalog_pb2.Coupon, _Mapping]] = ..., series_id: _Optional[int] = ..., state: _Optional[_Union[CouponState, str]] = ..., redemption_count: _Optional[int] = ..., redemption_limit: _Optional[int] = ..., usages: _Optional[_Iterable[_Union[CouponUsage, _Mapping]]] = ..., read_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
