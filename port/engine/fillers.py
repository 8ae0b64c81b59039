"""How parameters start (include/caffe/filler.hpp). Random ones draw from torch's default
generator, so `torch.manual_seed` makes them reproducible.
"""

from math import ceil, prod, sqrt

import numpy as np
import torch

from netspec.schema.messages import FillerParameter

Shape = tuple[int, ...]
LARGEST = float(np.finfo(np.float32).max)


def _constant(p: FillerParameter, shape: Shape) -> torch.Tensor:
    if p.value == 0:       # numpy's zeros take no memory until they are written to
        return torch.from_numpy(np.zeros(shape, np.float32))
    return torch.full(shape, p.value)


def _uniform(p: FillerParameter, shape: Shape) -> torch.Tensor:
    if not p.min <= p.max or max(abs(p.min), abs(p.max)) > LARGEST / 2:
        raise ValueError(f'filler uniform: from {p.min:g} to {p.max:g}; expected min up to max')
    return torch.empty(shape).uniform_(p.min, p.max)


def _gaussian(p: FillerParameter, shape: Shape) -> torch.Tensor:
    """N(mean, std); with `sparse` all but so many weights of an output, on average, are zero."""
    if not p.std >= 0:
        raise ValueError(f'filler gaussian: std is {p.std:g}; expected 0 or more')
    values = torch.empty(shape).normal_(p.mean, p.std)
    if p.sparse < -1:
        raise ValueError(f'filler gaussian: sparse is {p.sparse}; expected -1 (off) or more')
    if p.sparse >= 0:
        if p.sparse > shape[0]:
            raise ValueError(f'filler gaussian: sparse is {p.sparse}; expected at most the number '
                             f'of outputs, {shape[0]}')
        values *= torch.empty(shape).bernoulli_(p.sparse / shape[0])
    return values


def _positive_unitball(p: FillerParameter, shape: Shape) -> torch.Tensor:
    """Positive values whose sum over each output's weights is 1."""
    values = torch.empty(shape).uniform_(0, 1).reshape(shape[0], -1)
    return (values / values.sum(1, keepdim=True)).reshape(shape)


def _fan(p: FillerParameter, shape: Shape) -> float:
    """The n of xavier and msra: fan in, fan out, or their mean."""
    count = prod(shape)
    fan_in = count / shape[0]
    fan_out = count / shape[1] if len(shape) > 1 else count
    return {FillerParameter.FAN_IN: fan_in, FillerParameter.FAN_OUT: fan_out,
            FillerParameter.AVERAGE: (fan_in + fan_out) / 2}[p.variance_norm]


def _xavier(p: FillerParameter, shape: Shape) -> torch.Tensor:
    scale = sqrt(3 / _fan(p, shape))
    return torch.empty(shape).uniform_(-scale, scale)


def _msra(p: FillerParameter, shape: Shape) -> torch.Tensor:
    return torch.empty(shape).normal_(0, sqrt(2 / _fan(p, shape)))


def _bilinear(p: FillerParameter, shape: Shape) -> torch.Tensor:
    """The interpolation kernel in every (output, input) pair: k(i) = 1 - |i/f - c|, squared."""
    if len(shape) != 4 or shape[2] != shape[3]:
        raise ValueError(f'filler bilinear: the blob has shape {list(shape)}; expected 4 axes '
                         'with a square kernel')
    half = ceil(shape[3] / 2)
    centre = (shape[3] - 1) / (2.0 * half)
    line = 1 - (torch.arange(shape[3], dtype=torch.float32) / half - centre).abs()
    return (line[:, None] * line).expand(shape).clone()


FILLERS = {'constant': _constant, 'uniform': _uniform, 'gaussian': _gaussian,
           'positive_unitball': _positive_unitball, 'xavier': _xavier, 'msra': _msra,
           'bilinear': _bilinear}


def fill(param: FillerParameter, shape: Shape) -> torch.Tensor:
    """Return a float32 tensor of `shape` filled as the FillerParameter says.

    Raises KeyError for an unknown type, ValueError for `sparse` where it is not supported.
    """
    if param.type not in FILLERS:
        raise KeyError(f'unknown filler {param.type!r}; known: {", ".join(FILLERS)}')
    if param.sparse != -1 and param.type != 'gaussian':
        raise ValueError(f'filler {param.type}: sparse is only supported by gaussian')
    if 0 in shape:
        raise ValueError(f'filler {param.type}: cannot fill a blob of shape {list(shape)}')
    return FILLERS[param.type](param, tuple(shape))
