"""caffe.coord_map: the algebra of netspec.coord_map."""

from netspec.coord_map import (
    AlignmentError,
    AxisMismatchException,
    UndefinedMapException,
    compose,
    coord_map,
    coord_map_from_to,
    crop,
    inverse,
)

__all__ = ['AlignmentError', 'AxisMismatchException', 'UndefinedMapException', 'compose',
           'coord_map', 'coord_map_from_to', 'crop', 'inverse']
