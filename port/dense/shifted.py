"""A convolutional net's answers between its strides: shift-and-stitch, and the same a trous.

FCN, PAMI 2017, section 3.2 (after OverFeat): a net of stride s gives answers every t pixels when
it is run (s / t)^2 times, each time on the image without some of its first rows and columns
(0, t, 2 t ...), and the answers are interlaced. The net whose strides are removed and whose windows
have holes (netspec.atrous) gives the same in one pass.
"""

import time
from dataclasses import dataclass

import numpy as np
import torch

from netspec.atrous import a_trous
from netspec.schema.messages import TEST, NetParameter
from port.dense.sliding import Progress, count_windows, stride_of
from port.describe.net_shapes import shaped_net
from port.describe.places import Place, places_of
from port.engine.net import Net
from surgery import Weights

Size = tuple[int, int]


@dataclass(frozen=True)
class Finer:
    """One image seen every `stride` pixels in both ways.

    stitched, holed: classes x rows x columns of float64. inside: rows x columns, where what a
    value sees lies within the image of its pass, so that it has read no padding. The seconds are
    those of float32.
    """

    stride: int
    factor: int
    stitched: np.ndarray
    holed: np.ndarray
    inside: np.ndarray
    stitched_seconds: float
    holed_seconds: float

    @property
    def differences(self) -> tuple[float, float]:
        """The largest differences as shares of the largest score: inside (NaN where nothing is),
        and anywhere.
        """
        apart = np.abs(self.stitched - self.holed).max(0)
        largest = np.abs(self.stitched).max()
        within = apart[self.inside]
        return float(within.max() / largest) if within.size else float('nan'), float(
            apart.max() / largest)


def shift_and_stitch(net: Net, image: np.ndarray, window: Size, step: int, stride: int,
                     progress: Progress = iter) -> np.ndarray:
    """Return the answers every `stride` pixels of a net that moves by `step`.

    image: C x H x W, prepared as the net wants it; window: what one answer is for. Each pass sees
    the image from another pixel on; its answers are (step / stride) places apart in the whole.
    """
    factor = step // stride
    rows, columns = count_windows(image.shape[1:], window, stride)
    pixels = torch.from_numpy(np.ascontiguousarray(image))
    places = [(y, x) for y in range(min(factor, rows)) for x in range(min(factor, columns))]
    views = [pixels[None, :, y * stride:, x * stride:] for y, x in places]
    whole: np.ndarray | None = None
    for (y, x), view in zip(places, progress(views), strict=True):
        found = net.forward(**{net.inputs[0]: view})[net.outputs[0]][0].numpy()
        if whole is None:
            whole = np.empty((len(found), rows, columns), found.dtype)
        room = whole[:, y::factor, x::factor]
        room[...] = found[:, :room.shape[1], :room.shape[2]]
    if whole is None:
        raise ValueError(f'an image of {image.shape[1]}x{image.shape[2]} holds no window')
    return whole


def both_finer(net: NetParameter, weights: Weights, window: Size, image: np.ndarray, stride: int,
               progress: Progress = iter) -> Finer:
    """Run a convolutional net both ways over one image, C x H x W, and time both.

    Raises ValueError naming the layer where strides cannot be removed.
    """
    holed, step, seconds = a_trous(net, stride), stride_of(net), []
    count_windows(image.shape[1:], window, stride, net.layer[-1].name)
    holed.layer[0].input_param.shape[0].dim[:] = [1, *image.shape]      # room for wide windows
    for dtype in (torch.float32, torch.float64):
        plain = Net(net, TEST, weights=weights, dtype=dtype)
        dilated = Net(holed, TEST, weights=weights, dtype=dtype)
        begin = time.perf_counter()
        stitched = shift_and_stitch(plain, image, window, step, stride, progress)
        middle = time.perf_counter()
        found = dilated.forward(**{dilated.inputs[0]: image[None]})[dilated.outputs[0]][0].numpy()
        seconds.append((middle - begin, time.perf_counter() - middle))
    # Where poolings round up, the last window hangs over the border; one with holes does not.
    rows, columns = (min(sides) for sides in zip(stitched.shape[1:], found.shape[1:], strict=True))
    size = image.shape[1], image.shape[2]
    return Finer(stride, step // stride, stitched[:, :rows, :columns], found[:, :rows, :columns],
                 inside(holed, size, (rows, columns), step), *seconds[0])


def inside(holed: NetParameter, size: Size, shape: Size, step: int) -> np.ndarray:
    """Return for each place whether all it sees lies within the image from its pass's shift on."""
    place = places_of(shaped_net(holed, TEST, size))[-1][1]
    if place is None:
        raise ValueError(f'layer {holed.layer[-1].name!r} has no place on the image')
    found = [_inside(place, axis, size[axis], shape[axis], step) for axis in (0, 1)]
    return found[0][:, None] & found[1]


def _inside(place: Place, axis: int, size: int, count: int, step: int) -> np.ndarray:
    stride, reach = int(place.stride[axis]), (place.field[axis] - 1) / 2
    centres = [place.offset[axis] + i * stride for i in range(count)]
    return np.array([i * stride % step <= centre - reach and centre + reach <= size - 1
                     for i, centre in enumerate(centres)])
