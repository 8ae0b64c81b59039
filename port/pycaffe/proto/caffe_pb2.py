"""caffe.proto.caffe_pb2: every message and enum value, by the names of generated code.

The classes are those of netspec.schema.messages; google.protobuf.text_format reads into them.
"""

from typing import Any

from google.protobuf import text_format  # noqa: F401  (scripts use pb2.text_format by this)
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from netspec.schema import messages

DESCRIPTOR = messages.DESCRIPTOR


def _names() -> dict[str, Any]:
    """Return what generated code would define: messages, enums, their values, descriptors."""
    names: dict[str, Any] = {}
    for name, descriptor in DESCRIPTOR.message_types_by_name.items():
        names[name] = getattr(messages, name)
        names[f'_{name.upper()}'] = descriptor
        for enum in descriptor.enum_types:
            names[f'_{name.upper()}_{enum.name.upper()}'] = enum
    for name, enum in DESCRIPTOR.enum_types_by_name.items():
        names[name] = EnumTypeWrapper(enum)
        names[f'_{name.upper()}'] = enum
        names.update((value.name, value.number) for value in enum.values)
    return names


globals().update(_names())
__all__ = [name for name in _names() if not name.startswith('_')]
messages.LayerParameter.LayerType = messages.V1LayerParameter.LayerType   # where it was till 2014
