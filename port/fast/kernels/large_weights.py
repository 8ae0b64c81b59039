"""Convolutions of weights that are far more than what they read of an image, and their gradients
(large_weights.c). What the windows read comes from large_windows.py; gradients are matrices of
windows x terms or windows x outputs.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from port.fast.kernels.calls import constant, run, vector_width
from port.fast.kernels.products import block
from port.native.kept_memory import empty

BLOCKS = 8                  # of outputs, that a thread takes at a time
TOGETHER = 1 << 21          # values of the weights' gradient that are computed at a time: 8 MB
PANELS = 16                 # of terms, that a thread takes at a time


def fits(weight: torch.Tensor, dtype: torch.dtype = torch.float32) -> bool:
    """Whether the kernel takes a weight of outputs x channels x rows x columns, kept in float32 or,
    where the processor has instructions for it, in bfloat16.
    """
    pairs = dtype == torch.bfloat16
    if pairs and not constant('large_weights.c', 'takes_pairs'):
        return False
    return weight[0].numel() % ((1 + pairs) * vector_width()) == 0 and weight.is_contiguous()


def fits_gradients(weight: torch.Tensor) -> bool:
    """Whether the kernels take the gradients of such a weight and of the windows it reads."""
    return (fits(weight) and len(weight) % vector_width() == 0
            and weight[0].numel() % constant('large_weights.c', 'terms_together') == 0)


def in_blocks(x: torch.Tensor) -> torch.Tensor:
    """Return rows x terms as rows / MR x terms / W x MR x W."""
    lane, high = vector_width(), block()[1]
    x = F.pad(x, (0, -x.shape[1] % lane, 0, -len(x) % high))
    return x.view(-1, high, x.shape[1] // lane, lane).transpose(1, 2).contiguous()


def large_weights(panels: torch.Tensor, count: int, weight: torch.Tensor) -> torch.Tensor:
    """Return the sums of each of `count` windows: windows x outputs.

    panels: as panels_of_windows makes them for the weights' type. weight: outputs x terms, in
    float32 or bfloat16. Raises ValueError where the terms are not the windows'.
    """
    pairs = weight.dtype == torch.bfloat16
    (outputs, terms), rows = weight.view(torch.float32).shape, block()[1]
    if panels.shape[1] != terms:
        raise ValueError(f'windows of {panels.shape[1]} terms and weights of {terms}')
    y = empty(-(-outputs // rows) * rows, len(panels) * panels.shape[2])
    run('large_weights', outputs, rows * BLOCKS,
        dict(weight=weight, windows=panels, y=y, outputs=outputs, terms=terms, panels=len(panels),
             pairs=pairs),
        room=rows * constant('large_weights.c', 'depth_together'))
    return y[:outputs, :count].T


def windows_gradient(gradient: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the windows from that of their outputs.

    weight: outputs x terms. Raises ValueError where the outputs are not the gradient's.
    """
    outputs, terms = weight.shape
    if gradient.shape[1] != outputs:
        raise ValueError(f'a gradient of {gradient.shape[1]} outputs and weights of {outputs}')
    blocks = in_blocks(gradient)
    found = empty(len(blocks) * block()[1], terms)
    run('windows_gradient', terms, constant('large_weights.c', 'terms_together'),
        dict(weight=weight, gradient=blocks, windows=found, outputs=outputs, terms=terms,
             blocks=len(blocks)), room=constant('large_weights.c', 'room_for_terms'))
    return found[:len(gradient)]


def weights_gradient(gradient: torch.Tensor,
                     panels: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield the gradient of the weights, outputs x terms, some outputs after the others. The memory
    of one part is that of the next. panels: as panels_of_terms makes them.
    """
    (wide, high), outputs, terms = block(), gradient.shape[1], len(panels) * panels.shape[2]
    blocks = in_blocks(gradient.T)
    together = max(1, TOGETHER // (high * terms))
    room = empty(together * high, terms)
    for first in range(0, len(blocks), together):
        part = blocks[first:first + together]
        run('weights_gradient', terms, wide * PANELS,
            dict(gradient=part, windows=panels, weight=room, blocks=len(part),
                 count=panels.shape[1], terms=terms))
        outs = slice(first * high, min(outputs, (first + together) * high))
        yield outs, room[:outs.stop - outs.start]
