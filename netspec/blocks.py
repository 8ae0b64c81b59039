"""The blocks that FCN's nets are made of (the published net.py; paper sections 3 and 4)."""

from dataclasses import dataclass
from typing import Any

from netspec.coord_map import crop
from netspec.spec import NetSpec, Top
from netspec.spec import layers as L
from netspec.spec import params as P

# The bias learns twice as fast as the weights and does not decay.
WEIGHT_AND_BIAS = [dict(lr_mult=1, decay_mult=1), dict(lr_mult=2, decay_mult=0)]
LEARNT = [dict(lr_mult=1, decay_mult=1)]
FIXED = [dict(lr_mult=0)]
MSRA = dict(weight_filler=dict(type='msra'))  # nets with batch normalisation learn from scratch
IMAGE_WIDTH = 64  # standard deviation of mean-free pixels of 0..255, about
FILLER_GAIN = {'msra': 2, 'xavier': 3}  # squared scale times fan in


def conv_relu(bottom: Top, nout: int, ks: int = 3, stride: int = 1, pad: int = 1,
              **params: Any) -> tuple[Top, Top]:
    """Return a convolution and the ReLU that works in its place."""
    conv = L.Convolution(bottom, num_output=nout, kernel_size=ks, stride=stride, pad=pad, **params)
    return conv, L.ReLU(conv, in_place=True)


def batch_norm(n: NetSpec, top: Top, norm: str, scale: str, fraction: float = 0.9) -> Top:
    """Add BatchNorm and Scale, which stand for batch normalisation in Caffe, in a top's place.

    fraction: how much of the running statistics stays at each pass; 0.9 is torch's habit.
    """
    n[norm] = L.BatchNorm(top, in_place=True,
                          batch_norm_param=dict(moving_average_fraction=fraction))
    n[scale] = L.Scale(n[norm], in_place=True, bias_term=True)
    return n[scale]


def max_pool(bottom: Top, ks: int = 2, stride: int = 2, ntop: int = 1) -> Any:
    """Return the largest of each ks x ks window; with ntop 2 the places of the maxima as well."""
    return L.Pooling(bottom, ntop=ntop, pool=P.Pooling.MAX, kernel_size=ks, stride=stride)


def score(bottom: Top, classes: int) -> Top:
    """Return the 1 x 1 convolution to class scores; without a filler it starts at zero."""
    return L.Convolution(bottom, num_output=classes, kernel_size=1, pad=0, param=WEIGHT_AND_BIAS)


def upscore(bottom: Top, classes: int, factor: int, ks: int | None = None) -> Top:
    """Return scores `factor` times as fine; surgery.interp writes the fixed bilinear kernel.

    No `bilinear` filler: without group it would also fill the kernels between different classes.
    """
    return L.Deconvolution(bottom, param=FIXED, convolution_param=dict(
        num_output=classes, kernel_size=ks or 2 * factor, stride=factor, bias_term=False))


def fuse(up: Top, skip: Top) -> tuple[Top, Top]:
    """Return `skip` cropped to `up`, and the sum of both (paper section 4.2)."""
    cropped = crop(skip, up)
    return cropped, L.Eltwise(up, cropped, operation=P.Eltwise.SUM)


PADDING = 100  # around the image: room for the window of fc6 at any size (the authors' FAQ)


@dataclass(frozen=True)
class Style:
    """How a trunk is written: how wide, filled by what, with Dropout or (to deploy) without.

    pad: around the image, in trunks that are published with PADDING.
    output_stride: at which the trunk is made to end, a trous; None for its own. pooling: how it
    pools then (netspec.atrous). more_pad: of the convolutions that read the image, for the scores
    to begin beside it.
    """

    width: float = 1.0
    filler: str | None = None
    dropout: bool = True
    pad: int = PADDING
    output_stride: int | None = None
    pooling: str = 'dilated'
    more_pad: int = 0

    def channels(self, published: int, multiple: int = 1) -> int:
        """Return width * published, rounded to a multiple (of the group that will divide it)."""
        return max(multiple, int(published * self.width / multiple + 0.5) * multiple)

    def fill(self) -> dict[str, Any]:
        """Return the keywords of a convolution that starts from our filler."""
        return {} if self.filler is None else dict(weight_filler=dict(type=self.filler))

    def fill_first(self, fan_in: int) -> dict[str, Any]:
        """Return the keywords of the convolution that reads the image, whose pixels deviate by
        about 64.

        Its weights start 1/64 as large, so that its outputs are of the size of later layers'.
        Otherwise the gradients of a net from scratch come out 64 times too large, and no rate suits
        all layers.
        """
        if self.filler is None:
            return {}
        scale = float(f'{(FILLER_GAIN[self.filler] / fan_in) ** 0.5 / IMAGE_WIDTH:.4g}')
        kind = (dict(type='gaussian', std=scale) if self.filler == 'msra' else
                dict(type='uniform', min=-scale, max=scale))
        return dict(weight_filler=kind)

    def end_stride(self, published: int) -> int:
        """Return the stride of what has the published one, once the trunk is a trous."""
        return min(published, self.output_stride or published)

    def drop(self, n: NetSpec, name: str, top: Top, ratio: float = 0.5) -> Top:
        """Add the in-place Dropout of a share of the values; return the top to go on from."""
        if not self.dropout:
            return top
        n[name] = L.Dropout(top, dropout_ratio=ratio, in_place=True)
        return n[name]


PUBLISHED = Style()
