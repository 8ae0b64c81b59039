"""A classifier over sliding windows, and the same as one pass of its convolutional net.

FCN, PAMI 2017, section 3.1: a convolutional classifier is a filter over images of any size, and
shares the work of overlapping windows. The map equals the windows' answers where no layer pads:
a window pads its own borders, the map only those of the image.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from netspec.coord_map import coord_map_from_to
from netspec.schema.messages import TEST, NetParameter
from netspec.written import as_spec
from port.dense.convolutional import Convolutional
from port.engine.net import Net
from surgery import Weights

BATCH = 16
Progress = Callable[[Sequence[torch.Tensor]], Iterable[torch.Tensor]]


@dataclass(frozen=True)
class Dense:
    """One image seen both ways. The windows are timed once, for they take long enough.

    map, windows: classes x rows x columns of the same net. one: seconds of a single window alone.
    """

    window: tuple[int, int]
    stride: int
    map: np.ndarray
    windows: np.ndarray
    map_seconds: float
    windows_seconds: float
    one_seconds: float
    padded: bool

    @property
    def difference(self) -> float:
        """The largest difference, as a share of the largest score."""
        return float(np.abs(self.map - self.windows).max() / np.abs(self.windows).max())


def stride_of(net: NetParameter) -> int:
    """Return how many pixels the answers of a convolutional net are apart."""
    blobs = as_spec(net)[1]
    last, data = blobs[net.layer[-1].top[0]], blobs[net.layer[0].top[0]]
    return int(coord_map_from_to(last, data).scale.flat[0])


def pads(net: NetParameter) -> bool:
    """Whether some layer of a net pads its bottom."""
    return any(any(p.pad) or p.pad_h or p.pad_w for layer in net.layer
               for p in (layer.convolution_param,)) or any(
        p.pad or p.pad_h or p.pad_w for layer in net.layer for p in (layer.pooling_param,))


def slide(net: Net, image: np.ndarray, window: tuple[int, int], stride: int,
          progress: Progress = iter) -> np.ndarray:
    """Return a net's answers to every window, classes x rows x columns.

    image: C x H x W, prepared as the net wants it. Raises ValueError where it is smaller than the
    window.
    """
    high, wide = window
    rows, columns = count_windows(image.shape[1:], window, stride)
    view = torch.from_numpy(np.ascontiguousarray(image)).unfold(1, high, stride).unfold(
        2, wide, stride)                                       # C x rows x columns x high x wide
    pieces = view.permute(1, 2, 0, 3, 4).reshape(rows * columns, len(image), high, wide)
    answers = [_answers(net, part) for part in progress(pieces.split(BATCH))]
    return torch.cat(answers).T.reshape(-1, rows, columns).numpy()


def count_windows(size: Sequence[int], window: tuple[int, int], stride: int,
                  layer: str = '') -> tuple[int, int]:
    """Return how many rows and columns of windows an image of height and width holds.

    layer: the classifier, for the ValueError where the image is smaller than the window.
    """
    (height, width), (high, wide) = size, window
    if height < high or width < wide:
        raise ValueError(f'an image of {height}x{width} (height x width) is smaller than the '
                         f'window of {high}x{wide} that '
                         + (f'layer {layer!r}' if layer else 'the net') + ' classifies')
    return (height - high) // stride + 1, (width - wide) // stride + 1


def _answers(net: Net, images: torch.Tensor) -> torch.Tensor:
    """Return N x classes for N images of the net's own size."""
    given = {net.inputs[0]: images}
    return net.forward(**given)[net.outputs[0]].reshape(len(images), -1).clone()


def both_ways(done: Convolutional, weights: Weights, image: np.ndarray,
              progress: Progress = iter) -> Dense:
    """Run the map and the windows over one image, C x H x W, and time both.

    Both run the same layers, whose weights are `weights` in their first shapes; so does a window
    alone.
    """
    net = Net(done.net, TEST, weights=done.weights(weights))
    stride = stride_of(done.net)
    count_windows(image.shape[1:], done.size, stride, done.classifier)
    whole = torch.from_numpy(np.ascontiguousarray(image))[None]
    high, wide = done.size
    _, one_seconds = _timed(lambda: _answers(net, whole[..., :high, :wide]), 3)
    windows, windows_seconds = _timed(lambda: slide(net, image, done.size, stride, progress), 1)
    found, map_seconds = _timed(
        lambda: net.forward(**{net.inputs[0]: whole})[net.outputs[0]][0].numpy().copy(), 3)
    rows, columns = windows.shape[1:]
    return Dense(done.size, stride, found[:, :rows, :columns], windows, map_seconds,
                 windows_seconds, one_seconds, pads(done.net))


def _timed(run: Callable[[], np.ndarray | torch.Tensor], repeats: int) -> tuple[np.ndarray, float]:
    """Return what a run gives, and the seconds of the shortest of some."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - begin)
    return np.asarray(result), min(seconds)
