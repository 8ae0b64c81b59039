"""Convolution summed in Caffe's own order: the columns of the image times the weights, then the
bias (im2col and one matrix product, base_conv_layer.cpp).

The order decides the last bit, and so the side of a ReLU on which a unit at zero falls. With
padding of 100 such a unit stands in thousands of blank positions, and its gradient with it: only
sums in the same order give Caffe's gradients there.
"""

import torch
import torch.nn.functional as F

from port.conv_base import Window

# Columns from which a BLAS sums in blocks, as Caffe's does. For fewer, MKL has a kernel that
# sums all terms in one chain: its error is ten times as large for 25,088 terms (fc6), and it is
# slower. They are filled up with zeros.
ENOUGH = 16


def column_bytes(window: Window, shape: tuple[int, ...]) -> int:
    """Return the size of the column buffer of one image: channels x kernel x output positions."""
    kernel, out = window.kernel, window.slides(shape[2:])
    return 4 * shape[1] * kernel[0] * kernel[1] * out[0] * out[1]


def by_columns(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, window: Window,
               group: int) -> torch.Tensor:
    """Return the convolution of N x C x H x W by one product an image and group."""
    size, rows = window.slides(x.shape[2:]), weight.shape[0]
    flat = weight.reshape(group, rows // group, -1)
    top = x.new_empty(x.shape[0], rows, *size)
    for image, out in zip(x, top, strict=True):
        columns = F.unfold(image[None], window.kernel, window.dilation, window.pad, window.stride)
        columns = columns[0].view(group, flat.shape[2], -1)
        out = out.view(group, rows // group, -1)
        for g in range(group):
            _multiply(flat[g], columns[g], out[g])
    return top if bias is None else top.add_(bias.view(1, -1, 1, 1))


def _multiply(weight: torch.Tensor, columns: torch.Tensor, out: torch.Tensor) -> None:
    few = columns.shape[1]
    if 1 < few < ENOUGH:
        out.copy_((weight @ F.pad(columns, (0, ENOUGH - few)))[:, :few])
    else:
        torch.mm(weight, columns, out=out)
