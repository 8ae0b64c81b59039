"""Bilinear kernels for Deconvolution layers (FCN paper, section 3.3)."""

from collections.abc import Iterable

import numpy as np

from .net_arrays import Net, array


def upsample_filt(size: int) -> np.ndarray:
    """Make the size x size bilinear kernel, float64.

    With f = (size + 1) // 2 and c = f - 1 for an odd size, f - 0.5 for an even one:
    k[y, x] = (1 - |y - c| / f) (1 - |x - c| / f). Upsamples by f.
    """
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    line = 1 - abs(np.arange(size) - centre) / factor
    return np.outer(line, line)


def interp(net: Net, layers: Iterable[str]) -> None:
    """Set each layer's weights to bilinear kernels, each channel onto itself.

    A weight is (m, m, k, k) or, for one input channel per group, (m, 1, k, k); what stands off
    the diagonal is left as it is. Raises KeyError for a layer that the net lacks, ValueError for
    a weight of another shape, naming it; then no layer has been changed.
    """
    weights = [(layer, array(net, layer)) for layer in layers]
    for layer, weight in weights:
        _check(layer, weight.shape)
    for _, weight in weights:
        m, k, size, _ = weight.shape
        weight[np.arange(m), np.arange(m) if k == m else 0] = upsample_filt(size)


def _check(layer: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless bilinear kernels fit the weight."""
    if len(shape) != 4:
        raise ValueError(f'layer {layer!r} blob 0: interp needs a weight of 4 dimensions, '
                         f'got {shape}')
    m, k, height, width = shape
    if k not in (m, 1):
        raise ValueError(f'layer {layer!r} blob 0: interp needs as many output as input channels, '
                         f'or 1 per group, got {shape}')
    if height != width:
        raise ValueError(f'layer {layer!r} blob 0: interp needs a square kernel, got {shape}')
