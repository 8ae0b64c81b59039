"""What the published solve.py does before it steps, and what its users most often forgot."""

import logging

import numpy as np

from port.net import Net
from surgery import interp, upsample_filt

log = logging.getLogger('port.startup')
UPSAMPLING = 'up'      # every published upsampling layer has it in its name
SCORE = 'score'        # score layers start at zero, as in the paper


def fill_upsampling(net: Net) -> list[str]:
    """Give bilinear kernels to the Deconvolution layers named `…up…` that are all zero."""
    layers = [node.name for node in net.nodes
              if node.layer.type == 'Deconvolution' and UPSAMPLING in node.name
              and not node.layer.blobs[0].data.any()]
    if layers:
        arrays = {name: [b.arrays('data') for b in net.params[name]] for name in layers}
        interp(arrays, layers)
        for node in net.nodes:
            if node.name in layers and node.layer.param.convolution_param.stride:
                centre(arrays[node.name][0], node.layer.param.convolution_param.stride[0])
        for name in layers:
            for blob, array in zip(net.params[name], arrays[name], strict=True):
                blob.arrays('data')[...] = array
        log.info('bilinear kernels in %s', ', '.join(layers))
    return layers


def centre(weights: np.ndarray, stride: int) -> None:
    """Put the stride's own bilinear kernel in the middle of a kernel wider than that.

    interp goes by the kernel alone, for twice the stride; filling 8 x 8 at stride 2 (FCN-Basic)
    that way would multiply the scores by 4.
    """
    narrow, wide = 2 * stride - stride % 2, weights.shape[-1]
    if stride > 1 and wide > narrow and (wide - narrow) % 2 == 0:
        margin, m = (wide - narrow) // 2, np.arange(len(weights))
        inside = slice(margin, margin + narrow)
        weights[...] = 0
        weights[m, m if weights.shape[1] == len(m) else 0, inside, inside] = upsample_filt(narrow)


def dead_layers(net: Net) -> list[str]:
    """Return the trained layers whose weights are all zero though they are not score layers."""
    return [node.name for node in net.nodes
            if node.layer.type in ('Convolution', 'InnerProduct', 'Deconvolution')
            and not node.name.startswith(SCORE) and not node.layer.blobs[0].data.any()]


def prepare(net: Net) -> None:
    """Fill the upsampling layers and warn of layers without weights."""
    fill_upsampling(net)
    dead = dead_layers(net)
    if dead:
        log.warning('NO WEIGHTS in %s: all outputs will be zero and nothing will be learnt. Give '
                    '--weights (see `fcn surgery`), or generate the net with --filler msra',
                    ', '.join(dead))
