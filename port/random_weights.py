"""Weights for a net that has none: drawn by a seed, so that scores are neither zero nor one class.

He et al. 2015: normal with variance 2 / fan in, which keeps the activations' scale from layer to
layer. Rectified inputs have a mean, which would grow into scores that are the same all over the
image: each filter but the first layer's is drawn with the sum 0. Upsampling is bilinear.
"""

from math import pi

import numpy as np
import torch

from port.layer import Layer
from port.net import Net
from port.startup import UPSAMPLING, fill_upsampling

WEIGHTED = ('Convolution', 'Deconvolution', 'InnerProduct', 'Embed')
BIAS = 1.0      # deviation of the biases; an image's values are within about 120 of 0
# A rectified normal has variance (1 - 1 / pi) of its mean square: all that filters of sum 0 see.
CENTRED = 1 / (1 - 1 / pi)


def random_weights(net: Net, seed: int) -> None:
    """Draw every weight, layer by layer, from a generator of that seed; equal seeds, equal nets.

    Parameters of other layers keep what their fillers gave them, but for BatchNorm's statistics.
    """
    rng = np.random.default_rng(seed)
    drawn: set[int] = set()      # parameters
    deep: set[int] = set()       # blobs that weights have gone into
    for node in net.nodes:
        layer, below = node.layer, any(id(blob) in deep for blob in node.bottom)
        if layer.blobs and id(layer.blobs[0]) not in drawn:
            drawn.add(id(layer.blobs[0]))
            _draw_layer(node.name, layer, rng, below)
        if below or layer.type in WEIGHTED:
            deep.update(id(blob) for blob in node.top)
    fill_upsampling(net)


def _draw_layer(name: str, layer: Layer, rng: np.random.Generator, centred: bool) -> None:
    if layer.type == 'BatchNorm':
        _draw_statistics(layer, rng)
    elif layer.type == 'Deconvolution' and UPSAMPLING in name:
        layer.blobs[0].data.zero_()
    elif layer.type in WEIGHTED:
        _draw(layer, rng, centred)


def _draw(layer: Layer, rng: np.random.Generator, centred: bool) -> None:
    weight = layer.blobs[0]
    fan_in = weight.shape[0] if layer.type == 'Embed' else int(np.prod(weight.shape[1:]))
    values = rng.standard_normal(weight.shape, np.float32)
    if centred and fan_in > 1:
        values -= values.mean(tuple(range(1, values.ndim)), keepdims=True)
        fan_in /= CENTRED
    values *= np.float32((2 / fan_in) ** .5)
    weight.data = torch.from_numpy(values)
    for bias in layer.blobs[1:]:
        bias.data = torch.from_numpy(rng.standard_normal(bias.shape, np.float32) * BIAS)


def _draw_statistics(layer: Layer, rng: np.random.Generator) -> None:
    mean, variance, weight = layer.blobs
    mean.data = torch.from_numpy(rng.standard_normal(mean.shape, np.float32))
    variance.data = torch.from_numpy(rng.uniform(.5, 1.5, variance.shape).astype(np.float32))
    weight.data = torch.ones(weight.shape)
