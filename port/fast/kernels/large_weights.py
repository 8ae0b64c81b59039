"""Convolutions of weights that are far more than what they read of an image (large_weights.c)."""

import torch
import torch.nn.functional as F

from port.fast.kernels.calls import constant, run, vector_width
from port.fast.kernels.products import block

BLOCKS = 8                  # of outputs, that a thread takes at a time


def fits(weight: torch.Tensor) -> bool:
    """Whether the kernel takes a weight of outputs x channels x rows x columns."""
    return weight[0].numel() % vector_width() == 0 and weight.is_contiguous()


def large_weights(windows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the sums of each window: outputs x windows.

    windows: terms x windows, as F.unfold gives them. weight: outputs x terms.
    """
    (outputs, terms), count = weight.shape, windows.shape[1]
    if windows.shape[0] != terms:
        raise ValueError(f'windows of {windows.shape[0]} terms and weights of {terms}')
    wide, rows = block()
    panels = -(-count // wide)
    laid = F.pad(windows, (0, panels * wide - count)).view(terms, panels, wide).transpose(0, 1)
    y = torch.empty(-(-outputs // rows) * rows, panels * wide)
    run('large_weights', outputs, rows * BLOCKS,
        dict(weight=weight, windows=laid.contiguous(), y=y,
             outputs=outputs, terms=terms, panels=panels),
        room=rows * constant('large_weights.c', 'depth_together'))
    return y[:outputs, :count]
