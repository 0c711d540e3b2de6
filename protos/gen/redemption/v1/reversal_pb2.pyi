import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReversalReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVERSAL_REASON_UNSPECIFIED: _ClassVar[ReversalReason]
    REVERSAL_REASON_CANCEL: _ClassVar[ReversalReason]
    REVERSAL_REASON_RETURN: _ClassVar[ReversalReason]
    REVERSAL_REASON_FRAUD: _ClassVar[ReversalReason]
    REVERSAL_REASON_CHARGEBACK: _ClassVar[ReversalReason]
    REVERSAL_REASON_TEST: _ClassVar[ReversalReason]
REVERSAL_REASON_UNSPECIFIED: ReversalReason
REVERSAL_REASON_CANCEL: ReversalReason
REVERSAL_REASON_RETURN: ReversalReason
REVERSAL_REASON_FRAUD: ReversalReason
REVERSAL_REASON_CHARGEBACK: ReversalReason
REVERSAL_REASON_TEST: ReversalReason

class Reversal(_message.Message):
    __slots__ = ("id", "reason", "reversed_at", "code_returned", "customer_returned", "budget_returned")
    ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REVERSED_AT_FIELD_NUMBER: _ClassVar[int]
    CODE_RETURNED_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_RETURNED_FIELD_NUMBER: _ClassVar[int]
    BUDGET_RETURNED_FIELD_NUMBER: _ClassVar[int]
    id: str
    reason: ReversalReason
    reversed_at: _timestamp_pb2.Timestamp
    code_returned: bool
    customer_returned: bool
    budget_returned: bool
    def __init__(self, id: _Optional[str] = ..., reason: _Optional[_Union[ReversalReason, str]] = ..., reversed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., code_returned: _Optional[bool] = ..., customer_returned: _Optional[bool] = ..., budget_returned: _Optional[bool] = ...) -> None: ...
