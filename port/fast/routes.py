"""How a convolution of a grouped pass is computed: by Fourier transforms of tiles (fourier.py), as
a product of matrices where the kernel is 1 x 1, or by torch. Everything is channels last.
"""

import torch

from port.fast import arithmetic, fourier
from port.layers.bases.base_convolution import ConvBase

LAST = torch.channels_last
# Tiles of a layer's top in the whole batch from which transforms pay: those of the weights are
# as much work for one tile as for a thousand (measured for 64 channels, 7 x 7).
FORWARD_TILES, BACKWARD_TILES = 36, 56
Found = tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]


class ByTorch:
    """The layer's own arithmetic."""

    def __init__(self, layer: ConvBase) -> None:
        self.layer = layer
        self.weight = layer.blobs[0]

    @property
    def bias(self) -> torch.Tensor | None:
        """The bias, None where there is none."""
        return self.layer.blobs[1].data if len(self.layer.blobs) > 1 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the top for a bottom N x C x H x W."""
        y = self.layer.apply(self._laid(x, x), self.weight.data, self.bias)
        return y.contiguous(memory_format=LAST)

    def _laid(self, value: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return a value with its channels last, but where the bottom x is too narrow for that."""
        if arithmetic.narrow(x, self.layer.window):
            return value.clone(memory_format=torch.contiguous_format)
        return value.contiguous(memory_format=LAST)

    def backward(self, dy: torch.Tensor, x: torch.Tensor, down: bool, learn: list[bool]) -> Found:
        """Return the gradients of the bottom, weights and bias, each if it is asked for."""
        mask = [down, *learn, False][:3]
        if not any(mask):
            return None, None, None
        return tuple(self.layer.gradients(self._laid(dy, x), self._laid(x, x), self.weight.data,
                                          mask))


class ByFourier(ByTorch):
    """Large kernels over enough tiles; where channels do not fill vectors, the weights' gradient
    alone.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] % fourier.width() or self._tiles(x) < FORWARD_TILES:
            return super().forward(x)
        y = fourier.convolve(x, self.weight.data, self.layer.window.pad)
        return y if self.bias is None else y.add_(self.bias.view(-1, 1, 1))

    def backward(self, dy: torch.Tensor, x: torch.Tensor, down: bool, learn: list[bool]) -> Found:
        if down and x.shape[1] % fourier.width() or self._tiles(x) < BACKWARD_TILES:
            return super().backward(dy, x, down, learn)
        found = fourier.gradients(dy, x, self.weight.data, self.layer.window.pad, down, learn[0])
        return *found, dy.sum((0, 2, 3)) if learn[1:] == [True] else None

    def _tiles(self, x: torch.Tensor) -> int:
        rows, columns = self.layer.window.pad
        return fourier.tiles(x.shape, (2 * rows, 2 * columns), self.weight.shape[-1])


class ByProduct(ByTorch):
    """1 x 1 kernels: one product of pixels x channels with the weights."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, weight = rows_of(x), self.weight.data.flatten(1)
        y = rows @ weight.T if self.bias is None else torch.addmm(self.bias, rows, weight.T)
        return image_of(y, x)

    def backward(self, dy: torch.Tensor, x: torch.Tensor, down: bool, learn: list[bool]) -> Found:
        rows, weight = rows_of(dy), self.weight.data
        return (image_of(rows @ weight.flatten(1), x) if down else None,
                (rows.T @ rows_of(x)).view(weight.shape) if learn[0] else None,
                rows.sum(0) if learn[1:] == [True] else None)


def rows_of(x: torch.Tensor) -> torch.Tensor:
    """View N x C x H x W as pixels x channels."""
    return x.contiguous(memory_format=LAST).permute(0, 2, 3, 1).flatten(0, 2)


def image_of(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """View pixels x channels as an image of another's batch and size."""
    n, _, h, w = like.shape
    return rows.view(n, h, w, -1).permute(0, 3, 1, 2)


def route(layer: ConvBase) -> ByTorch:
    """Return the fastest way to compute a layer."""
    if layer.type != 'Convolution' or layer.tail or layer.channel_axis != 1:
        return ByTorch(layer)
    weight, window = layer.blobs[0].data, layer.window
    if fourier.fits(weight, window, layer.group):
        return ByFourier(layer)
    simple = ({*window.kernel, *window.stride} == {1} and not any(window.pad)
              and len(window.kernel) == 2 and layer.group == 1)
    return ByProduct(layer) if simple else ByTorch(layer)
