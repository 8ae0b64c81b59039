"""Convolutions summed in Caffe's own order, and the decision when a net does so.

Caffe lays the windows of an image out as columns and multiplies them by the weights, then adds the
bias (im2col and one matrix product, base_conv_layer.cpp). The order of a sum decides its last bit,
and for a unit at zero that bit decides whether ReLU lets it through. With a padding of 100 such a
unit stands in thousands of blank positions, and its gradient with it: only sums in the same order
give Caffe's gradients there.
"""

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from netspec.window import Window
from port.engine.blob import Blob

if TYPE_CHECKING:
    from port.engine.net import Net
# Columns from which a BLAS sums in blocks, as Caffe's does. For fewer, MKL has a kernel that
# sums all terms in one chain: its error is ten times as large for 25,088 terms (fc6), and it is
# slower. They are filled up with zeros.
ENOUGH = 16
LIMIT = 192 << 20       # bytes of the largest column buffer: images up to about 90 x 90 in FCNs


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


def fed_by_hand(net: 'Net') -> bool:
    """Whether all data comes through Input layers, so that sizes are known before the pass."""
    return all(node.bottom or node.layer.type in ('Input', 'Parameter') for node in net.nodes)


class CaffeOrder:
    """Lets a net's convolutions sum in Caffe's order, provided the column buffers of all are small.

    Larger nets run on the faster kernels, whose sums differ in the last bit. A pass in Caffe's
    order takes about 1.15 times as long.
    """

    def __init__(self, net: 'Net') -> None:
        self.shapes: list[tuple[int, ...]] | None = None
        self.layers = [node for node in net.nodes if node.layer.type == 'Convolution']
        self.possible = bool(self.layers) and fed_by_hand(net)

    def choose(self, net: 'Net') -> None:
        """Decide again where the inputs changed their sizes; `net` is the one that this was made
        for.

        It is passed in, not kept: a reference back to the net would keep its weights in memory
        after the last user has dropped it.
        """
        shapes = [net.blobs[name].shape for name in net.inputs]
        if not self.possible or shapes == self.shapes:
            return
        net.reshape()
        layers: list[tuple[Any, list[Blob]]] = [(n.layer, n.bottom) for n in self.layers]
        fits = (net.device.type == 'cpu' and net.dtype == torch.float32
                and all(len(b.shape) == 4 and layer.channel_axis == 1
                        and column_bytes(layer.window, b.shape) <= LIMIT
                        for layer, bottom in layers for b in bottom))
        for layer, _ in layers:
            layer.columns = fits
        self.shapes = shapes
