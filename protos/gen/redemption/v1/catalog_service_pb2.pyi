from google.api import field_behavior_pb2 as _field_behavior_pb2
from redemption.v1 import catalog_pb2 as _catalog_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ApplyCatalogRequest(_message.Message):
    __slots__ = ("catalog",)
    CATALOG_FIELD_NUMBER: _ClassVar[int]
    catalog: _catalog_pb2.Catalog
    def __init__(self, catalog: _Optional[_Union[_catalog_pb2.Catalog, _Mapping]] = ...) -> None: ...

class ApplyCatalogResponse(_message.Message):
    __slots__ = ("objects_applied",)
    OBJECTS_APPLIED_FIELD_NUMBER: _ClassVar[int]
    objects_applied: int
    def __init__(self, objects_applied: _Optional[int] = ...) -> None: ...
