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

class WebhookEvent(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEBHOOK_EVENT_UNSPECIFIED: _ClassVar[WebhookEvent]
    WEBHOOK_EVENT_PROMOTION_REDEEMED: _ClassVar[WebhookEvent]
    WEBHOOK_EVENT_COUPON_REDEEMED: _ClassVar[WebhookEvent]
    WEBHOOK_EVENT_PROMOTION_REVERSED: _ClassVar[WebhookEvent]
    WEBHOOK_EVENT_COUPON_REVERSED: _ClassVar[WebhookEvent]

class CustomerAccess(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CUSTOMER_ACCESS_UNSPECIFIED: _ClassVar[CustomerAccess]
    CUSTOMER_ACCESS_READ: _ClassVar[CustomerAccess]
    CUSTOMER_ACCESS_WRITE: _ClassVar[CustomerAccess]

class CustomerStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CUSTOMER_STATUS_UNSPECIFIED: _ClassVar[CustomerStatus]
    CUSTOMER_STATUS_ACTIVE: _ClassVar[CustomerStatus]
    CUSTOMER_STATUS_FRAUD: _ClassVar[CustomerStatus]
    CUSTOMER_STATUS_BLOCKED: _ClassVar[CustomerStatus]

class LimitWindow(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIMIT_WINDOW_UNSPECIFIED: _ClassVar[LimitWindow]
    LIMIT_WINDOW_DAY: _ClassVar[LimitWindow]
    LIMIT_WINDOW_WEEK: _ClassVar[LimitWindow]
    LIMIT_WINDOW_MONTH: _ClassVar[LimitWindow]

class OverLimit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OVER_LIMIT_UNSPECIFIED: _ClassVar[OverLimit]
    OVER_LIMIT_REFUSE: _ClassVar[OverLimit]
    OVER_LIMIT_RECORD: _ClassVar[OverLimit]

class EarnedPromotionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EARNED_PROMOTION_STATUS_UNSPECIFIED: _ClassVar[EarnedPromotionStatus]
    EARNED_PROMOTION_STATUS_LOCKED: _ClassVar[EarnedPromotionStatus]
    EARNED_PROMOTION_STATUS_UNLOCKED: _ClassVar[EarnedPromotionStatus]
    EARNED_PROMOTION_STATUS_EXPIRED: _ClassVar[EarnedPromotionStatus]

class DayOfWeek(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DAY_OF_WEEK_UNSPECIFIED: _ClassVar[DayOfWeek]
    DAY_OF_WEEK_MON: _ClassVar[DayOfWeek]
    DAY_OF_WEEK_TUE: _ClassVar[DayOfWeek]
    DAY_OF_WEEK_WED: _ClassVar[DayOfWeek]
    DAY_OF_WEEK_THU: _ClassVar[DayOfWeek]
    DAY_OF_WEEK_FRI: _ClassVar[DayOfWeek]
    DAY_OF_WEEK_SAT: _ClassVar[DayOfWeek]
    DAY_OF_WEEK_SUN: _ClassVar[DayOfWeek]
WEBHOOK_EVENT_UNSPECIFIED: WebhookEvent
WEBHOOK_EVENT_PROMOTION_REDEEMED: WebhookEvent
WEBHOOK_EVENT_COUPON_REDEEMED: WebhookEvent
WEBHOOK_EVENT_PROMOTION_REVERSED: WebhookEvent
WEBHOOK_EVENT_COUPON_REVERSED: WebhookEvent
CUSTOMER_ACCESS_UNSPECIFIED: CustomerAccess
CUSTOMER_ACCESS_READ: CustomerAccess
CUSTOMER_ACCESS_WRITE: CustomerAccess
CUSTOMER_STATUS_UNSPECIFIED: CustomerStatus
CUSTOMER_STATUS_ACTIVE: CustomerStatus
CUSTOMER_STATUS_FRAUD: CustomerStatus
CUSTOMER_STATUS_BLOCKED: CustomerStatus
LIMIT_WINDOW_UNSPECIFIED: LimitWindow
LIMIT_WINDOW_DAY: LimitWindow
LIMIT_WINDOW_WEEK: LimitWindow
LIMIT_WINDOW_MONTH: LimitWindow
OVER_LIMIT_UNSPECIFIED: OverLimit
OVER_LIMIT_REFUSE: OverLimit
OVER_LIMIT_RECORD: OverLimit
EARNED_PROMOTION_STATUS_UNSPECIFIED: EarnedPromotionStatus
EARNED_PROMOTION_STATUS_LOCKED: EarnedPromotionStatus
EARNED_PROMOTION_STATUS_UNLOCKED: EarnedPromotionStatus
EARNED_PROMOTION_STATUS_EXPIRED: EarnedPromotionStatus
DAY_OF_WEEK_UNSPECIFIED: DayOfWeek
DAY_OF_WEEK_MON: DayOfWeek
DAY_OF_WEEK_TUE: DayOfWeek
DAY_OF_WEEK_WED: DayOfWeek
DAY_OF_WEEK_THU: DayOfWeek
DAY_OF_WEEK_FRI: DayOfWeek
DAY_OF_WEEK_SAT: DayOfWeek
DAY_OF_WEEK_SUN: DayOfWeek

class Catalog(_message.Message):
    __slots__ = ("organizations",)
    ORGANIZATIONS_FIELD_NUMBER: _ClassVar[int]
    organizations: _containers.RepeatedCompositeFieldContainer[Organization]
    def __init__(self, organizations: _Optional[_Iterable[_Union[Organization, _Mapping]]] = ...) -> None: ...

class Organization(_message.Message):
    __slots__ = ("id", "name", "region", "time_zone", "redemption_without_evaluation", "check_earned_promotion_owner", "rate_limit_per_minute", "tills", "credentials", "products", "customers", "promotions", "earned_promotions", "coupon_series", "webhooks")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_WITHOUT_EVALUATION_FIELD_NUMBER: _ClassVar[int]
    CHECK_EARNED_PROMOTION_OWNER_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    TILLS_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    PROMOTIONS_FIELD_NUMBER: _ClassVar[int]
    EARNED_PROMOTIONS_FIELD_NUMBER: _ClassVar[int]
    COUPON_SERIES_FIELD_NUMBER: _ClassVar[int]
    WEBHOOKS_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: str
    region: str
    time_zone: str
    redemption_without_evaluation: bool
    check_earned_promotion_owner: bool
    rate_limit_per_minute: int
    tills: _containers.RepeatedCompositeFieldContainer[Till]
    credentials: _containers.RepeatedCompositeFieldContainer[Credential]
    products: _containers.RepeatedCompositeFieldContainer[Product]
    customers: _containers.RepeatedCompositeFieldContainer[Customer]
    promotions: _containers.RepeatedCompositeFieldContainer[Promotion]
    earned_promotions: _containers.RepeatedCompositeFieldContainer[EarnedPromotion]
    coupon_series: _containers.RepeatedCompositeFieldContainer[CouponSeries]
    webhooks: _containers.RepeatedCompositeFieldContainer[Webhook]
    def __init__(self, id: _Optional[int] = ..., name: _Optional[str] = ..., region: _Optional[str] = ..., time_zone: _Optional[str] = ..., redemption_without_evaluation: _Optional[bool] = ..., check_earned_promotion_owner: _Optional[bool] = ..., rate_limit_per_minute: _Optional[int] = ..., tills: _Optional[_Iterable[_Union[Till, _Mapping]]] = ..., credentials: _Optional[_Iterable[_Union[Credential, _Mapping]]] = ..., products: _Optional[_Iterable[_Union[Product, _Mapping]]] = ..., customers: _Optional[_Iterable[_Union[Customer, _Mapping]]] = ..., promotions: _Optional[_Iterable[_Union[Promotion, _Mapping]]] = ..., earned_promotions: _Optional[_Iterable[_Union[EarnedPromotion, _Mapping]]] = ..., coupon_series: _Optional[_Iterable[_Union[CouponSeries, _Mapping]]] = ..., webhooks: _Optional[_Iterable[_Union[Webhook, _Mapping]]] = ...) -> None: ...

class Webhook(_message.Message):
    __slots__ = ("id", "url", "secret", "events", "every_coupon", "active")
    ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EVERY_COUPON_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    id: str
    url: str
    secret: str
    events: _containers.RepeatedScalarFieldContainer[WebhookEvent]
    every_coupon: bool
    active: bool
    def __init__(self, id: _Optional[str] = ..., url: _Optional[str] = ..., secret: _Optional[str] = ..., events: _Optional[_Iterable[_Union[WebhookEvent, str]]] = ..., every_coupon: _Optional[bool] = ..., active: _Optional[bool] = ...) -> None: ...

class Till(_message.Message):
    __slots__ = ("id", "code")
    ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    id: int
    code: str
    def __init__(self, id: _Optional[int] = ..., code: _Optional[str] = ...) -> None: ...

class Access(_message.Message):
    __slots__ = ("customer", "default", "admin")
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    customer: CustomerAccess
    default: bool
    admin: bool
    def __init__(self, customer: _Optional[_Union[CustomerAccess, str]] = ..., default: _Optional[bool] = ..., admin: _Optional[bool] = ...) -> None: ...

class Credential(_message.Message):
    __slots__ = ("key", "secret", "secret_hash", "till", "access", "active")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    SECRET_HASH_FIELD_NUMBER: _ClassVar[int]
    TILL_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    key: str
    secret: str
    secret_hash: str
    till: str
    access: Access
    active: bool
    def __init__(self, key: _Optional[str] = ..., secret: _Optional[str] = ..., secret_hash: _Optional[str] = ..., till: _Optional[str] = ..., access: _Optional[_Union[Access, _Mapping]] = ..., active: _Optional[bool] = ...) -> None: ...

class Product(_message.Message):
    __slots__ = ("id", "sku")
    ID_FIELD_NUMBER: _ClassVar[int]
    SKU_FIELD_NUMBER: _ClassVar[int]
    id: int
    sku: str
    def __init__(self, id: _Optional[int] = ..., sku: _Optional[str] = ...) -> None: ...

class Customer(_message.Message):
    __slots__ = ("id", "mobile", "email", "external_id", "card_number", "card_external_id", "status")
    ID_FIELD_NUMBER: _ClassVar[int]
    MOBILE_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    CARD_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CARD_EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    id: int
    mobile: str
    email: str
    external_id: str
    card_number: str
    card_external_id: str
    status: CustomerStatus
    def __init__(self, id: _Optional[int] = ..., mobile: _Optional[str] = ..., email: _Optional[str] = ..., external_id: _Optional[str] = ..., card_number: _Optional[str] = ..., card_external_id: _Optional[str] = ..., status: _Optional[_Union[CustomerStatus, str]] = ...) -> None: ...

class CountLimit(_message.Message):
    __slots__ = ("limit", "window")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    limit: int
    window: LimitWindow
    def __init__(self, limit: _Optional[int] = ..., window: _Optional[_Union[LimitWindow, str]] = ...) -> None: ...

class AmountLimit(_message.Message):
    __slots__ = ("limit", "window")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    limit: _decimal_pb2.Decimal
    window: LimitWindow
    def __init__(self, limit: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., window: _Optional[_Union[LimitWindow, str]] = ...) -> None: ...

class PromotionLimits(_message.Message):
    __slots__ = ("redemptions_total", "redemptions_per_customer", "redemptions_per_code", "redemptions_per_transaction", "discount_total")
    REDEMPTIONS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    REDEMPTIONS_PER_CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    REDEMPTIONS_PER_CODE_FIELD_NUMBER: _ClassVar[int]
    REDEMPTIONS_PER_TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_TOTAL_FIELD_NUMBER: _ClassVar[int]
    redemptions_total: CountLimit
    redemptions_per_customer: CountLimit
    redemptions_per_code: CountLimit
    redemptions_per_transaction: CountLimit
    discount_total: AmountLimit
    def __init__(self, redemptions_total: _Optional[_Union[CountLimit, _Mapping]] = ..., redemptions_per_customer: _Optional[_Union[CountLimit, _Mapping]] = ..., redemptions_per_code: _Optional[_Union[CountLimit, _Mapping]] = ..., redemptions_per_transaction: _Optional[_Union[CountLimit, _Mapping]] = ..., discount_total: _Optional[_Union[AmountLimit, _Mapping]] = ...) -> None: ...

class PromotionCode(_message.Message):
    __slots__ = ("id", "code", "customer", "active")
    ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    id: str
    code: str
    customer: int
    active: bool
    def __init__(self, id: _Optional[str] = ..., code: _Optional[str] = ..., customer: _Optional[int] = ..., active: _Optional[bool] = ...) -> None: ...

class ReversalPolicy(_message.Message):
    __slots__ = ("reason", "code", "customer", "budget")
    REASON_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    reason: _reversal_pb2.ReversalReason
    code: bool
    customer: bool
    budget: bool
    def __init__(self, reason: _Optional[_Union[_reversal_pb2.ReversalReason, str]] = ..., code: _Optional[bool] = ..., customer: _Optional[bool] = ..., budget: _Optional[bool] = ...) -> None: ...

class Promotion(_message.Message):
    __slots__ = ("id", "name", "message_label", "mode", "active", "starts_at", "ends_at", "limits", "over_limit", "codes", "reversal_policies")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_LABEL_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    OVER_LIMIT_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    REVERSAL_POLICIES_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    message_label: str
    mode: _promotion_redemption_pb2.PromotionMode
    active: bool
    starts_at: _timestamp_pb2.Timestamp
    ends_at: _timestamp_pb2.Timestamp
    limits: PromotionLimits
    over_limit: OverLimit
    codes: _containers.RepeatedCompositeFieldContainer[PromotionCode]
    reversal_policies: _containers.RepeatedCompositeFieldContainer[ReversalPolicy]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., message_label: _Optional[str] = ..., mode: _Optional[_Union[_promotion_redemption_pb2.PromotionMode, str]] = ..., active: _Optional[bool] = ..., starts_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limits: _Optional[_Union[PromotionLimits, _Mapping]] = ..., over_limit: _Optional[_Union[OverLimit, str]] = ..., codes: _Optional[_Iterable[_Union[PromotionCode, _Mapping]]] = ..., reversal_policies: _Optional[_Iterable[_Union[ReversalPolicy, _Mapping]]] = ...) -> None: ...

class EarnedPromotion(_message.Message):
    __slots__ = ("id", "promotion", "customer", "status")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    id: str
    promotion: str
    customer: int
    status: EarnedPromotionStatus
    def __init__(self, id: _Optional[str] = ..., promotion: _Optional[str] = ..., customer: _Optional[int] = ..., status: _Optional[_Union[EarnedPromotionStatus, str]] = ...) -> None: ...

class Coupon(_message.Message):
    __slots__ = ("code", "customer", "issued_at", "valid_until", "validation_code", "revoked")
    CODE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_CODE_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    code: str
    customer: int
    issued_at: _timestamp_pb2.Timestamp
    valid_until: _timestamp_pb2.Timestamp
    validation_code: str
    revoked: bool
    def __init__(self, code: _Optional[str] = ..., customer: _Optional[int] = ..., issued_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., valid_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., validation_code: _Optional[str] = ..., revoked: _Optional[bool] = ...) -> None: ...

class CouponSeries(_message.Message):
    __slots__ = ("id", "description", "discount_code", "discount_type", "discount_value", "discount_up_to", "valid_from", "valid_until", "any_user", "validation_required", "transaction_number_required", "min_amount", "max_amount", "max_redemptions", "max_redemptions_per_coupon", "max_redemptions_per_customer", "same_customer_may_repeat", "min_days_between_redemptions", "redeemable_after_days", "redeemable_days_of_week", "redeemable_days_of_month", "redeemable_hours", "tills", "coupons", "reversal_policies")
    ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_CODE_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_VALUE_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_UP_TO_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    ANY_USER_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_NUMBER_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    MIN_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_REDEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_REDEMPTIONS_PER_COUPON_FIELD_NUMBER: _ClassVar[int]
    MAX_REDEMPTIONS_PER_CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    SAME_CUSTOMER_MAY_REPEAT_FIELD_NUMBER: _ClassVar[int]
    MIN_DAYS_BETWEEN_REDEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    REDEEMABLE_AFTER_DAYS_FIELD_NUMBER: _ClassVar[int]
    REDEEMABLE_DAYS_OF_WEEK_FIELD_NUMBER: _ClassVar[int]
    REDEEMABLE_DAYS_OF_MONTH_FIELD_NUMBER: _ClassVar[int]
    REDEEMABLE_HOURS_FIELD_NUMBER: _ClassVar[int]
    TILLS_FIELD_NUMBER: _ClassVar[int]
    COUPONS_FIELD_NUMBER: _ClassVar[int]
    REVERSAL_POLICIES_FIELD_NUMBER: _ClassVar[int]
    id: int
    description: str
    discount_code: str
    discount_type: _coupon_redemption_pb2.DiscountType
    discount_value: _decimal_pb2.Decimal
    discount_up_to: _decimal_pb2.Decimal
    valid_from: _timestamp_pb2.Timestamp
    valid_until: _timestamp_pb2.Timestamp
    any_user: bool
    validation_required: bool
    transaction_number_required: bool
    min_amount: _decimal_pb2.Decimal
    max_amount: _decimal_pb2.Decimal
    max_redemptions: int
    max_redemptions_per_coupon: int
    max_redemptions_per_customer: int
    same_customer_may_repeat: bool
    min_days_between_redemptions: int
    redeemable_after_days: int
    redeemable_days_of_week: _containers.RepeatedScalarFieldContainer[DayOfWeek]
    redeemable_days_of_month: _containers.RepeatedScalarFieldContainer[int]
    redeemable_hours: _containers.RepeatedScalarFieldContainer[int]
    tills: _containers.RepeatedScalarFieldContainer[str]
    coupons: _containers.RepeatedCompositeFieldContainer[Coupon]
    reversal_policies: _containers.RepeatedCompositeFieldContainer[ReversalPolicy]
    def __init__(self, id: _Optional[int] = ..., description: _Optional[str] = ..., discount_code: _Optional[str] = ..., discount_type: _Optional[_Union[_coupon_redemption_pb2.DiscountType, str]] = ..., discount_value: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., discount_up_to: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., valid_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., valid_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., any_user: _Optional[bool] = ..., validation_required: _Optional[bool] = ..., transaction_number_required: _Optional[bool] = ..., min_amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., max_amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., max_redemptions: _Optional[int] = ..., max_redemptions_per_coupon: _Optional[int] = ..., max_redemptions_per_customer: _Optional[int] = ..., same_customer_may_repeat: _Optional[bool] = ..., min_days_between_redemptions: _Optional[int] = ..., redeemable_after_days: _Optional[int] = ..., redeemable_days_of_week: _Optional[_Iterable[_Union[DayOfWeek, str]]] = ..., redeemable_days_of_month: _Optional[_Iterable[int]] = ..., redeemable_hours: _Optional[_Iterable[int]] = ..., tills: _Optional[_Iterable[str]] = ..., coupons: _Optional[_Iterable[_Union[Coupon, _Mapping]]] = ..., reversal_policies: _Optional[_Iterable[_Union[ReversalPolicy, _Mapping]]] = ...) -> None: ...
