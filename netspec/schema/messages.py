"""The Caffe messages as Python classes, made at import from the compiled descriptor set.

No generated code: any protobuf from 5 upward reads a descriptor set. The pool is our own, so
that another package's caffe_pb2 in the same process does not collide with it.
"""

from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FILES = descriptor_pb2.FileDescriptorSet.FromString(
    Path(__file__).with_name('caffe.desc').read_bytes())
_POOL = descriptor_pool.DescriptorPool()
for _file in _FILES.file:
    _POOL.Add(_file)

DESCRIPTOR = _POOL.FindFileByName('caffe.proto')
globals().update({name: message_factory.GetMessageClass(descriptor)
                  for name, descriptor in DESCRIPTOR.message_types_by_name.items()})
globals().update({value.name: value.number
                  for enum in DESCRIPTOR.enum_types_by_name.values() for value in enum.values})
__all__ = ['DESCRIPTOR', *DESCRIPTOR.message_types_by_name, 'TRAIN', 'TEST']
