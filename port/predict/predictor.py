"""predictor(net, weights): a callable from images to scores by the fastest route that is exact."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cached_property
from os import PathLike
from pathlib import Path
from threading import RLock

import numpy as np
import torch

from netspec.named_net import find_net
from netspec.schema.messages import TEST, NetParameter
from netspec.variants import Variant
from port.data.datasets import class_names, palette
from port.data.readers import planes
from port.engine.devices import find_device, parse_device
from port.engine.memory import machine_memory
from port.engine.net import Net, Weights, load_net
from port.engine.precision import tf32
from port.engine.starting_weights import load
from port.fast.inference import FastNet
from port.fast.speed_up import forward_by
from port.fast.tiles import TiledNet
from port.fast.unsuited import Unsuited
from port.predict.given_images import Array, Images, check_array, is_array, pictures_of
from port.predict.prediction import Prediction

log = logging.getLogger('port.predict')
Side = tuple[int, int] | str       # height and width of a tile, or 'auto'
PRECISIONS = {'float32': torch.float32, 'tf32': torch.float32, 'bfloat16': torch.bfloat16,
              'float16': torch.float16}
GPU_ONLY = ('tf32', 'float16')
NO_INPUT = 'has no inputs, as a net that reads its own data; give a deploy net'


def predictor(net: Net | Variant | NetParameter | str | PathLike, weights: Weights | None = None,
              precision: str = 'float32', device: torch.device | str | None = None,
              layer: str | None = None, mean: Sequence[float] | None = None,
              skip: bool = True, tile: Side | None = None, exact: bool = False
              ) -> 'NetPredictor':
    """Return a callable from images to scores.

    net: a Net in the TEST phase, or what one is made of: the name of a published net, a folder of
    `fcn new` or `fcn reproduce`, a deploy prototxt. weights: a file or {layer: [arrays]}, for
    every layer with parameters (default: what was trained in the folder, or what comes along for
    a published net). precision: float32, tf32 (GPU), bfloat16 or float16 (GPU), of the trunk;
    scores are float32. device: of a net that is made here (default: the CPU). layer: the output
    wanted (default: the first that is called score…). mean: BGR, for pictures (a net by name knows
    its own). skip: do not compute the padding that no image reaches. tile: height and width, or
    'auto': compute the scores in such parts, each from its reach, so that they equal the whole
    image's (in bfloat16 to its rounding) and take less memory. exact: by the plain engine, one
    layer after the other as Caffe does.

    It may be called from several threads, which take turns, and inside torch.inference_mode().
    Raises ValueError, KeyError or TypeError for what does not fit together.
    """
    if precision not in PRECISIONS:
        raise ValueError(f'precision {precision!r}: expected one of {", ".join(PRECISIONS)}')
    row = None
    if isinstance(net, (Variant, str, PathLike)):
        named = find_net(net)
        net, weights = named.deploy(), weights if weights is not None else named.trained()
        row = named.row
        mean = row.mean if row and mean is None else mean
        if weights is None:
            log.warning('%s: no weights are given: its scores mean nothing', named.given)
    if not isinstance(net, Net):
        with torch.inference_mode(False):        # which makes tensors that cannot be written to
            net = _made(net, find_device('cpu' if device is None else device))
    elif device is not None and parse_device(device).type != net.device.type:
        raise ValueError(f'device {device}: the net is on {net.device} already; make it there')
    if not net.inputs:
        raise ValueError(f'{net.param_name or "the net"}: {NO_INPUT}')
    if weights is not None:
        load(net, weights)
    if net.device.type == 'cpu' and precision in GPU_ONLY:
        raise ValueError(f'precision {precision!r} is for GPUs; on a CPU take float32 or bfloat16')
    return NetPredictor(net, PRECISIONS[precision], layer, mean, skip, precision == 'tf32',
                        row, tile, exact)


def _made(source: object, device: torch.device) -> Net:
    """Make a net of what is no Net yet; ValueError for one that feeds itself."""
    if not isinstance(source, (NetParameter, tuple, str, PathLike)):
        raise TypeError('net: expected a Net, the name of one, a prototxt or a NetParameter, got '
                        f'{type(source).__name__}')
    loaded = load_net(Path(source) if isinstance(source, PathLike) else source)
    if not any(entry.param.type == 'Input' for entry in loaded[1]):
        raise ValueError(f'{source if isinstance(source, (str, PathLike)) else "the net"}: '
                         f'{NO_INPUT}')
    return Net(loaded, TEST, device=device)


class NetPredictor:
    """What `predictor` returns. fast: the engine that leaves out what no image reaches; None for a
    net that it does not know, of which it runs the first part and the plain engine the rest.

    reason: why the net needs another engine. rounded: use TF32, whatever the rest of the process
    does. row: of the table of nets, which knows the names and colours of the classes, and its grid:
    images are filled up with the mean, on the right and below, to a multiple of it and one, which
    is what the net takes; scores have the size of the image.
    """

    def __init__(self, net: Net, dtype: torch.dtype = torch.float32, layer: str | None = None,
                 mean: Sequence[float] | None = None, skip: bool = True,
                 rounded: bool = False, row: Variant | None = None,
                 tile: Side | None = None, exact: bool = False) -> None:
        if exact and (dtype != torch.float32 or tile is not None):
            raise ValueError('the plain engine computes whole images in float32: leave exact, or '
                             'precision and tile, out')
        self.net, self.rounded, self.row = net, rounded, row
        self.reason = 'the plain engine was asked for' if exact else ''
        self.grid = row.grid if row else 1
        self.layer = layer or score_layers(net)[0]
        if self.layer not in net.blobs:
            raise KeyError(f'no blob {self.layer!r} in the net; its outputs are '
                           f'{", ".join(net.outputs)}')
        self.mean = None if mean is None else _checked_mean(mean)
        self.forward: Callable[[], object] = net.run_forward
        self._turn = RLock()          # the net's blobs hold one image at a time
        self.fast = None if exact else self._engine(dtype, skip)
        self.tile = tile
        self.tiled = None if tile is None else self._cut(dtype, skip)

    def _engine(self, dtype: torch.dtype, skip: bool) -> FastNet | None:
        try:
            return FastNet(self.net, [self.layer], dtype, skip)
        except Unsuited as error:
            self.reason = str(error)
            log.info('the plain engine is used: %s', self.reason)
            if dtype != torch.float32:
                log.warning('computed in float32: %s', self.reason)
            self.forward = forward_by(self.net, True)
            return None

    def _cut(self, dtype: torch.dtype, skip: bool) -> TiledNet:
        """Return what runs the net tile by tile; ValueError where a layer sees the whole image."""
        if self.tile != 'auto' and not (isinstance(self.tile, tuple) and len(self.tile) == 2
                                        and all(type(n) is int and n > 0 for n in self.tile)):
            raise ValueError(f"tile {self.tile!r}: expected (height, width) or 'auto'")
        try:
            return TiledNet(self.net, self.layer, dtype, skip)
        except Unsuited as error:
            raise ValueError(f'the net cannot be run in tiles: {error}: which part of the image '
                             'its scores depend on is not known') from None

    def __call__(self, images: Images, *more: Array) -> Prediction:
        """Return scores, N x classes x H x W, with the labels, probabilities and overlays of them.

        images: a picture (an image file, a PIL image, an H x W x 3 uint8 RGB array), or several
        of one size; or one array N x C x H x W for each input of the net, as the net expects it
        (BGR, less the mean).
        """
        if not more and not is_array(images):
            pictures, alone = pictures_of(images)
            arrays: tuple = (np.stack([self.planes(rgb) for rgb in pictures]),)
        else:
            pictures, alone, arrays = [], False, (images, *more)
        if len(arrays) != len(self.net.inputs):
            raise ValueError(f'got {len(arrays)} array(s); the net takes {len(self.net.inputs)}: '
                             f'{", ".join(self.net.inputs)}')
        for name, array in zip(self.net.inputs, arrays, strict=True):
            check_array(name, array, self.net.blobs[name].shape[1])
        scores = self.run(dict(zip(self.net.inputs, arrays, strict=True)))
        return Prediction.of(scores, *self._meaning, pictures, alone)

    @cached_property
    def _meaning(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the names of the classes and their colours, as the row of the net has them."""
        heads = self.row.heads if self.row else ()
        head = next((head for head in heads if f'score{head.suffix}' == self.layer),
                    heads[0] if len(heads) == 1 else None)
        return (class_names(head), palette(head)) if head else ((), palette(''))

    def run(self, arrays: dict[str, np.ndarray | torch.Tensor]) -> torch.Tensor:
        """Return the scores for arrays by input name."""
        precision = tf32(self.rounded) if self.net.device.type == 'cuda' else nullcontext()
        with self._turn, precision, torch.inference_mode(False), torch.no_grad():
            if self.grid == 1:
                return self._run(arrays)
            height, width = next(iter(arrays.values())).shape[2:]
            scores = self._run({name: filled_up(array, self.grid)
                                for name, array in arrays.items()})
            return scores[:, :, :height, :width]

    def _run(self, arrays: dict[str, np.ndarray | torch.Tensor]) -> torch.Tensor:
        if self.tiled is not None:
            size, = {tuple(array.shape[2:]) for array in arrays.values()}
            image, = (torch.as_tensor(array) for array in arrays.values())
            return self.tiled.joined(image, self.tile if isinstance(self.tile, tuple) else
                                     self.tiled.largest(size, machine_memory() // 2))
        if self.fast is not None:
            try:
                return self.fast(**arrays)[self.layer]
            except Unsuited as error:           # this size only
                log.info('the plain engine is used: %s', error)
        self.net.feed(**arrays)
        self.forward()
        return self.net.blobs[self.layer].data

    def planes(self, rgb: np.ndarray) -> np.ndarray:
        """Return the planes of a picture, H x W x 3 uint8: 3 x H x W float32, BGR less the mean."""
        if self.mean is None:
            raise ValueError('pictures need the mean to subtract: predictor(..., mean=(B, G, '
                             'R)), or name a variant, which knows its own')
        return np.asarray(planes(rgb[:, :, ::-1], self.mean), np.float32)


def filled_up(array: np.ndarray | torch.Tensor, grid: int) -> torch.Tensor:
    """Return images, N x C x H x W less the mean, with H and W the next multiple of a grid and one.

    What is added, below and on the right, is 0: the mean, with which DeepLab fills up its crops.
    """
    down, right = ((1 - size) % grid for size in array.shape[2:])
    return torch.nn.functional.pad(torch.as_tensor(array), (0, right, 0, down))


def _checked_mean(mean: Sequence[float]) -> np.ndarray:
    try:
        values = np.asarray(mean, np.float64)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.shape != (3,) or not np.isfinite(values).all():
        raise ValueError(f'mean {mean!r}: expected three numbers, blue green red')
    return values


def score_layers(net: Net) -> list[str]:
    """Return the outputs of a net that are called score…, or else all outputs."""
    return [name for name in net.outputs if name.startswith('score')] or net.outputs
