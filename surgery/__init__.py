"""Weights in, weights out: numpy arrays named as Caffe names them, moved from net to net.

The verbs keep the names that the published FCN repository gave them (transplant, interp,
expand_score, upsample_filt). Needs numpy only; .caffemodel.h5 files need h5py as well.
"""

from .bilinear import interp, upsample_filt
from .caffemodel import Weights, read_caffemodel, write_caffemodel
from .expand_score import expand_score
from .hdf5 import read_hdf5, write_hdf5
from .report import Report
from .shapes import blank, param_shapes
from .transplant import transplant
from .weight_files import read_weights, write_weights

__all__ = ['Report', 'Weights', 'blank', 'expand_score', 'interp', 'param_shapes',
           'read_caffemodel', 'read_hdf5', 'read_weights', 'transplant', 'upsample_filt',
           'write_caffemodel', 'write_hdf5', 'write_weights']
