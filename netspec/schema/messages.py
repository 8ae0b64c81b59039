"""The Caffe messages as Python classes, made at import from the compiled descriptor set.

There is no generated code, so any version of protobuf will do. The descriptor pool is our own, so
that another package's caffe_pb2 in the same process does not collide with it.
"""

from pathlib import Path
from typing import cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

_FILES = descriptor_pb2.FileDescriptorSet.FromString(
    Path(__file__).with_name('caffe.desc').read_bytes())
_POOL = descriptor_pool.DescriptorPool()
for _file in _FILES.file:
    _POOL.Add(_file)

DESCRIPTOR = _POOL.FindFileByName('caffe.proto')
globals().update({name: message_factory.GetMessageClass(descriptor)
                  for name, descriptor in DESCRIPTOR.message_types_by_name.items()})
TRAIN, TEST = (DESCRIPTOR.enum_types_by_name['Phase'].values_by_name[name].number
               for name in ('TRAIN', 'TEST'))
__all__ = ['DESCRIPTOR', 'TRAIN', 'TEST', 'descriptor_of', 'is_repeated', 'is_required',
           *DESCRIPTOR.message_types_by_name]


def descriptor_of(message: Message) -> Descriptor:
    """Return a message's descriptor, whichever of protobuf's implementations it comes from."""
    return cast(Descriptor, message.DESCRIPTOR)

def is_repeated(field: FieldDescriptor) -> bool:
    """Tell whether a field is repeated, in the words of whichever protobuf is installed."""
    if hasattr(field, 'is_repeated'):
        return field.is_repeated
    return field.label == field.LABEL_REPEATED


def is_required(field: FieldDescriptor) -> bool:
    """Tell whether a field is required, in the words of whichever protobuf is installed."""
    if hasattr(field, 'is_required'):
        return field.is_required
    return field.label == field.LABEL_REQUIRED
