"""The least padding of the image with which a net's scores cover it.

FCN pads by 100 so that any image is covered, the smallest too, and computes much of what it does on
zeros. The authors' FAQ grants that less would do for whoever calculates the offsets; so here it is
calculated, by trying: Crop offsets and sizes tell whether a net can be laid on an image.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from netspec.blocks import PADDING
from netspec.coord_map import AlignmentError
from netspec.families import make_net
from netspec.schema.messages import TEST, NetParameter
from netspec.variants import Variant
from port.describe.net_shapes import Size, shaped_net
from port.describe.summary import summarize, totals

NARROW = 1 / 64         # the sizes of images do not depend on the number of channels
MOST = 400              # pixels; no published net needs more


@dataclass(frozen=True)
class LeastPadding:
    """The padding, and the multiply-adds with it and with the published one."""

    pad: int
    published: int
    multiply_adds: int
    published_multiply_adds: int

    @property
    def saved(self) -> float:
        """The share of the multiply-adds that is saved."""
        return 1 - self.multiply_adds / self.published_multiply_adds


def least_padding(variant: Variant, sizes: Iterable[Size],
                  costed: Size) -> LeastPadding:
    """Return the least padding that covers images of all these sizes (height, width).

    costed: the size at which the multiply-adds are counted.
    Raises ValueError for a net that does not pad the image, or where no padding is enough.
    """
    sizes = list(sizes)
    make_net(variant, 'deploy', width=NARROW, pad=PADDING)      # ValueError where it has none
    pad = next((pad for pad in range(MOST) if _covers(variant, pad, sizes)), None)
    if pad is None:
        raise ValueError(f'{variant.name}: no padding up to {MOST} covers every size')
    return LeastPadding(pad, PADDING, *(_multiply_adds(variant, p, costed)
                                        for p in (pad, PADDING)))


def _covers(variant: Variant, pad: int, sizes: list[Size]) -> bool:
    """Whether the net can be laid on images of these sizes."""
    try:
        net = make_net(variant, 'deploy', width=NARROW, pad=pad)
    except AlignmentError:                       # its scores begin inside the image
        return False
    return all(_fits(net, size) for size in sizes)


def _fits(net: NetParameter, size: Size) -> bool:
    """Whether no Crop asks for more than is there, and no window is larger than what it reads."""
    try:
        shaped_net(net, TEST, size)
    except ValueError:
        return False
    return True


def _multiply_adds(variant: Variant, pad: int, size: Size) -> int:
    net = make_net(variant, 'deploy', pad=pad)
    return totals(summarize(shaped_net(net, TEST, size))).multiply_adds
