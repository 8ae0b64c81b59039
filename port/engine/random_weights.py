"""Random weights for a net that has none, such that its scores differ from pixel to pixel.

They follow He et al. 2015: normal with variance 2 / fan in, which keeps the scale of activations
from layer to layer. What a ReLU gives has a positive mean, which would grow layer by layer until
the scores are the same all over the image. So every filter behind the first layer loses most of its
own mean, a filter of scores all of it. Most, not all: with none left the net is chaotic (Poole et
al. 2016), a rounding error grows twenty times on its way to the scores, and no two float32 engines
agree to 1e-5. Upsampling is bilinear. What a residual block adds is damped, as 33 blocks would each
double the variance.
"""

from math import pi

import numpy as np
import torch

from port.engine.layer import Layer
from port.engine.net import Net
from port.engine.starting_weights import UPSAMPLING, fill_upsampling

BIAS = 1.0      # deviation of the biases; an image's values are within about 120 of 0
KEPT = .4       # of a filter's mean, where a ReLU follows
ADDED = .3      # of a branch that is added to another, where a Scale can say so


def random_weights(net: Net, seed: int) -> None:
    """Draw every weight, layer by layer, from a generator of that seed; equal seeds, equal nets.

    Parameters of other layers keep what their fillers gave them, but for BatchNorm's statistics.
    """
    rng = np.random.default_rng(seed)
    drawn: set[int] = set()      # parameters
    deep: set[int] = set()       # blobs that weights have gone into
    rectified = {id(blob) for node in net.nodes if node.layer.type == 'ReLU'
                 for blob in node.bottom}
    added = {id(blob) for node in net.nodes if node.layer.type == 'Eltwise'
             for blob in node.bottom[1:]}
    for node in net.nodes:
        layer, below = node.layer, any(id(blob) in deep for blob in node.bottom)
        if layer.blobs and id(layer.blobs[0]) not in drawn:
            drawn.add(id(layer.blobs[0]))
            kept = KEPT if id(node.top[0]) in rectified else 0.
            _draw_layer(node.name, layer, rng, kept if below else None)
            if layer.type == 'Scale' and id(node.top[0]) in added:
                layer.blobs[0].data.mul_(ADDED)
        if below or layer.facts.weighted:
            deep.update(id(blob) for blob in node.top)
    fill_upsampling(net)


def _draw_layer(name: str, layer: Layer, rng: np.random.Generator, kept: float | None) -> None:
    if layer.type == 'BatchNorm':
        _draw_statistics(layer, rng)
    elif layer.type == 'Deconvolution' and UPSAMPLING in name:
        layer.blobs[0].data.zero_()
    elif layer.facts.weighted:
        _draw(layer, rng, kept)


def _draw(layer: Layer, rng: np.random.Generator, kept: float | None) -> None:
    """Draw weights and biases; kept: of each filter's mean, None for all that chance gave it."""
    weight = layer.blobs[0]
    fan_in: float = weight.shape[0] if layer.type == 'Embed' else int(np.prod(weight.shape[1:]))
    values = rng.standard_normal(weight.shape, np.float32)
    if kept is not None and fan_in > 1:
        values -= (1 - kept) * values.mean(tuple(range(1, values.ndim)), keepdims=True)
        # A rectified normal's squared mean is 1 / pi of its mean square; a filter sees this much.
        fan_in *= 1 - 1 / pi + kept ** 2 / pi
    values *= np.float32((2 / fan_in) ** .5)
    weight.data = torch.from_numpy(values)
    for bias in layer.blobs[1:]:
        bias.data = torch.from_numpy(rng.standard_normal(bias.shape, np.float32) * BIAS)


def _draw_statistics(layer: Layer, rng: np.random.Generator) -> None:
    mean, variance, weight = layer.blobs
    mean.data = torch.from_numpy(rng.standard_normal(mean.shape, np.float32))
    variance.data = torch.from_numpy(rng.uniform(.5, 1.5, variance.shape).astype(np.float32))
    weight.data = torch.ones(weight.shape)
