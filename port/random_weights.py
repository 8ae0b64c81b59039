"""Weights for a net that has none: drawn by a seed, so that scores are neither zero nor one class.

He et al. 2015: normal with variance 2 / fan in, which keeps the activations' scale from layer to
layer; upsampling layers are bilinear.
"""

import numpy as np
import torch

from port.layer import Layer
from port.net import Net
from port.startup import UPSAMPLING, fill_upsampling

WEIGHTED = ('Convolution', 'Deconvolution', 'InnerProduct', 'Embed')
BIAS = 1.0      # deviation of the biases; an image's values are within about 120 of 0


def random_weights(net: Net, seed: int) -> None:
    """Draw every weight, layer by layer, from a generator of that seed; equal seeds, equal nets.

    Parameters of other layers keep what their fillers gave them, but for BatchNorm's statistics.
    """
    rng = np.random.default_rng(seed)
    done: set[int] = set()
    for node in net.nodes:
        layer = node.layer
        if not layer.blobs or id(layer.blobs[0]) in done:
            continue
        done.add(id(layer.blobs[0]))
        if layer.type == 'BatchNorm':
            _draw_statistics(layer, rng)
        elif layer.type == 'Deconvolution' and UPSAMPLING in node.name:
            layer.blobs[0].data.zero_()
        elif layer.type in WEIGHTED:
            _draw(layer, rng)
    fill_upsampling(net)


def _draw(layer: Layer, rng: np.random.Generator) -> None:
    weight = layer.blobs[0]
    fan_in = weight.shape[0] if layer.type == 'Embed' else int(np.prod(weight.shape[1:]))
    values = rng.standard_normal(weight.shape, np.float32) * np.float32((2 / fan_in) ** .5)
    weight.data = torch.from_numpy(values)
    for bias in layer.blobs[1:]:
        bias.data = torch.from_numpy(rng.standard_normal(bias.shape, np.float32) * BIAS)


def _draw_statistics(layer: Layer, rng: np.random.Generator) -> None:
    mean, variance, weight = layer.blobs
    mean.data = torch.from_numpy(rng.standard_normal(mean.shape, np.float32))
    variance.data = torch.from_numpy(rng.uniform(.5, 1.5, variance.shape).astype(np.float32))
    weight.data = torch.ones(weight.shape)
