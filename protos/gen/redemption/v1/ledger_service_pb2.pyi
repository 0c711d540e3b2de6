from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LedgerFindingKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEDGER_FINDING_KIND_UNSPECIFIED: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_COUNTER_WRONG: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_COUNTER_WITHOUT_LIMIT: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_LIMIT_EXCEEDED: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_KEY_WITHOUT_RECORD: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_RECORD_WITHOUT_KEY: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_KEY_REPEATED: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_ANSWER_WRONG: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_USE_WITHOUT_TRANSACTION: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_TRANSACTION_WITHOUT_USE: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_REFERENCE_DANGLING: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_EVENT_MISSING: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_EVENT_WITHOUT_RECORD: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_EVENT_SEQUENCE_BROKEN: _ClassVar[LedgerFindingKind]
    LEDGER_FINDING_KIND_REVERSAL_WITHOUT_REDEMPTION: _ClassVar[LedgerFindingKind]
LEDGER_FINDING_KIND_UNSPECIFIED: LedgerFindingKind
LEDGER_FINDING_KIND_COUNTER_WRONG: LedgerFindingKind
LEDGER_FINDING_KIND_COUNTER_WITHOUT_LIMIT: LedgerFindingKind
LEDGER_FINDING_KIND_LIMIT_EXCEEDED: LedgerFindingKind
LEDGER_FINDING_KIND_KEY_WITHOUT_RECORD: LedgerFindingKind
LEDGER_FINDING_KIND_RECORD_WITHOUT_KEY: LedgerFindingKind
LEDGER_FINDING_KIND_KEY_REPEATED: LedgerFindingKind
LEDGER_FINDING_KIND_ANSWER_WRONG: LedgerFindingKind
LEDGER_FINDING_KIND_USE_WITHOUT_TRANSACTION: LedgerFindingKind
LEDGER_FINDING_KIND_TRANSACTION_WITHOUT_USE: LedgerFindingKind
LEDGER_FINDING_KIND_REFERENCE_DANGLING: LedgerFindingKind
LEDGER_FINDING_KIND_EVENT_MISSING: LedgerFindingKind
LEDGER_FINDING_KIND_EVENT_WITHOUT_RECORD: LedgerFindingKind
LEDGER_FINDING_KIND_EVENT_SEQUENCE_BROKEN: LedgerFindingKind
LEDGER_FINDING_KIND_REVERSAL_WITHOUT_REDEMPTION: LedgerFindingKind

class LedgerFinding(_message.Message):
    __slots__ = ("kind", "subject", "description")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    kind: LedgerFindingKind
    subject: str
    description: str
    def __init__(self, kind: _Optional[_Union[LedgerFindingKind, str]] = ..., subject: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class VerifyLedgerRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VerifyLedgerResponse(_message.Message):
    __slots__ = ("check", "checks_completed", "checks_total", "findings")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    CHECKS_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    CHECKS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    check: str
    checks_completed: int
    checks_total: int
    findings: _containers.RepeatedCompositeFieldContainer[LedgerFinding]
    def __init__(self, check: _Optional[str] = ..., checks_completed: _Optional[int] = ..., checks_total: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[LedgerFinding, _Mapping]]] = ...) -> None: ...
