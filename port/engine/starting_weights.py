"""Gives a net what it needs before it is used: weights for every layer, bilinear upsampling.

The published solve.py fills the upsampling layers before it trains; loading no weights is the
mistake that its users made most often.
"""

import logging

import numpy as np
import torch

from netspec.schema.messages import TEST
from port.engine.net import Net, Weights
from port.engine.net_weights import Misfit, copy_from, lacking, paths_of
from surgery import interp, upsample_filt
from surgery.report import ZERO_START

log = logging.getLogger('port.startup')
UPSAMPLING = 'up'      # every published upsampling layer has it in its name
SHOWN = 5              # layers that are named before the rest is only counted


def load(net: Net, weights: Weights) -> None:
    """Copy weights into a net that is not trained further, and prepare it.

    weights: as Net.copy_from takes them. Net.copy_from is as lenient as Caffe; here every layer
    with parameters must get some, except bilinear upsampling. Raises ValueError naming the layers
    that got none, blobs of another shape, or the blob with a value that is not finite.
    """
    try:
        held = copy_from(net, weights)
    except Misfit as error:
        raise ValueError(f'{error.what}; does the net have the width (--width) and the classes '
                         '(--classes) of the weights? `fcn surgery` makes weights for a net out '
                         "of another's") from None
    where = ', '.join(map(str, paths_of(weights))) or 'the weights'
    missing = [layer for layer in lacking(net, held) if layer not in _filled_here(net)]
    if missing:
        raise ValueError(f"{where}: nothing for {len(missing)} of the net's {len(net.params)} "
                         f'layers with parameters: {_some(missing)}; are they weights of this net? '
                         "`fcn surgery` makes weights for a net out of another's")
    _check_finite(net, where)
    prepare(net)


def begin(net: Net, weights: Weights) -> None:
    """Copy weights that training starts from, as leniently as Caffe; log what got none."""
    held = copy_from(net, weights)
    missing = lacking(net, held)
    if missing:
        log.log(logging.INFO if held else logging.WARNING,
                "%s: nothing for %d of the net's %d layers with parameters: %s",
                ', '.join(map(str, paths_of(weights))), len(missing), len(net.params),
                ', '.join(missing))


def _some(names: list[str]) -> str:
    return ', '.join(names[:SHOWN]) + (', …' if len(names) > SHOWN else '')


def _filled_here(net: Net) -> set[str]:
    """Return the Deconvolution layers that need no weights: a filler, or we, make them bilinear."""
    layers = {node.name: node.layer.param.convolution_param.weight_filler for node in net.nodes
              if node.layer.type == 'Deconvolution'}
    return {name for name, filler in layers.items() if filler.type == 'bilinear'
            or UPSAMPLING in name and filler.type == 'constant' and not filler.value}


def _check_finite(net: Net, where: str) -> None:
    """Raise ValueError naming the first parameter that holds NaN or an infinite value."""
    for row in net.learnable:
        values = row.blob.data
        if values.numel() and not torch.stack(values.aminmax()).isfinite().all():
            count = int((~values.isfinite()).sum())
            raise ValueError(f'{where}: layer {row.layer!r}, blob {row.index}: {count} of '
                             f'{values.numel()} values are NaN or infinite; the training that '
                             'made them diverged, or the file is damaged: take an earlier snapshot')


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
    """Put the bilinear kernel of the stride into the middle of a kernel that is wider.

    interp goes by the kernel's size alone and takes the stride to be half of it. For the 8 x 8
    kernels at stride 2 of FCN-Basic that would multiply the scores by 4.
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
            if node.layer.facts.weighted
            and not node.name.startswith(ZERO_START) and not node.layer.blobs[0].data.any()]


def warn_unfilled(net: Net) -> None:
    """Say of a net that is run to test, once, that no weights came into layers which need some."""
    net.unfilled = False
    dead = dead_layers(net) if net.phase == TEST else []
    if dead:
        log.warning('the net has no weights, and what it answers means nothing: all zero in %s; '
                    'give port.Net(…, weights=FILE), or call its copy_from(FILE)', _some(dead))


def prepare(net: Net) -> None:
    """Fill the upsampling layers and warn of layers without weights."""
    net.unfilled = False
    fill_upsampling(net)
    dead = dead_layers(net)
    if dead:
        log.warning('NO WEIGHTS in %s: all outputs will be zero and nothing will be learnt. Give '
                    '--weights (see `fcn surgery`), or generate the net with --filler msra',
                    ', '.join(dead))
