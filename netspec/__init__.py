"""Write and understand Caffe nets: protobuf and numpy only, no torch, no data, no weights."""

from netspec.coord_map import crop
from netspec.spec import NetSpec, layers, params, to_proto

__all__ = ['NetSpec', 'crop', 'layers', 'params', 'to_proto']
