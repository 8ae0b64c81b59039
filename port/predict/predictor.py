"""predictor(net, weights): a callable from images to scores by the fastest route that is exact."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import Any, cast

import numpy as np
import torch
from PIL import Image

from netspec.named_net import find_net
from netspec.schema.messages import TEST, NetParameter
from netspec.variants import Variant
from port.data.readers import planes, read_rgb
from port.engine.devices import find_device, parse_device
from port.engine.net import Net, Weights, load_net
from port.engine.precision import tf32
from port.engine.starting_weights import load
from port.fast.inference import FastNet
from port.fast.speed_up import fast_forward
from port.fast.unsuited import Unsuited

log = logging.getLogger('port.predict')
Images = np.ndarray | torch.Tensor | str | PathLike | Sequence[str | PathLike]
PRECISIONS = {'float32': torch.float32, 'tf32': torch.float32, 'bfloat16': torch.bfloat16,
              'float16': torch.float16}
GPU_ONLY = ('tf32', 'float16')
NO_INPUT = 'has no inputs, as a net that reads its own data; give a deploy net'
NUMBERS = 'biuf'                   # kinds of numpy's types


def predictor(net: Net | Variant | NetParameter | str | PathLike, weights: Weights | None = None,
              precision: str = 'float32', device: torch.device | str | None = None,
              layer: str | None = None, mean: Sequence[float] | None = None,
              skip: bool = True) -> 'NetPredictor':
    """Return a callable from images to scores.

    net: a Net in the TEST phase, or what one is made of: the name of a published net, a folder of
    `fcn new` or `fcn reproduce`, a deploy prototxt. weights: a file or {layer: [arrays]}, for
    every layer with parameters (default: what was trained in the folder). precision: float32,
    tf32 (GPU), bfloat16 or float16 (GPU), of the trunk; scores are float32. device: of a net that
    is made here (default: the CPU). layer: the output wanted (default: the first that is called
    score…). mean: BGR, for image files (a net by name knows its own). skip: do not compute the
    padding that no image reaches.

    It may be called from several threads, which take turns, and inside torch.inference_mode().
    Raises ValueError, KeyError or TypeError for what does not fit together.
    """
    if precision not in PRECISIONS:
        raise ValueError(f'precision {precision!r}: expected one of {", ".join(PRECISIONS)}')
    grid = 1
    if isinstance(net, (Variant, str, PathLike)):
        named = find_net(net)
        net, weights = named.deploy(), weights if weights is not None else named.trained()
        mean = named.row.mean if named.row and mean is None else mean
        grid = named.row.grid if named.row else 1
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
                        grid)


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
    net that it does not know, which groups of layers (docs/groups.md) or the plain engine take.

    reason: why the net needs another engine. rounded: use TF32, whatever the rest of the process
    does. grid: images are filled up with the mean, on the right and below, to a multiple of this
    and one, which is what the net takes; scores have the size of the image.
    """

    def __init__(self, net: Net, dtype: torch.dtype = torch.float32, layer: str | None = None,
                 mean: Sequence[float] | None = None, skip: bool = True,
                 rounded: bool = False, grid: int = 1) -> None:
        self.net, self.reason, self.rounded, self.grid = net, '', rounded, grid
        self.layer = layer or score_layers(net)[0]
        if self.layer not in net.blobs:
            raise KeyError(f'no blob {self.layer!r} in the net; its outputs are '
                           f'{", ".join(net.outputs)}')
        self.mean = None if mean is None else _checked_mean(mean)
        self.forward: Callable[[], object] = net.run_forward
        self._turn = RLock()          # the net's blobs hold one image at a time
        self.fast = self._engine(dtype, skip)

    def _engine(self, dtype: torch.dtype, skip: bool) -> FastNet | None:
        try:
            return FastNet(self.net, [self.layer], dtype, skip)
        except Unsuited as error:
            self.reason = str(error)
            log.info('the plain engine is used: %s', self.reason)
            if dtype != torch.float32:
                log.warning('computed in float32: %s', self.reason)
            self.forward = fast_forward(self.net)
            return None

    def __call__(self, images: Images, *more: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Return scores, N x classes x H x W.

        images: one array N x C x H x W for each input of the net, as the net expects it (BGR,
        less the mean); or one image file, or several of one size.
        """
        one = images if isinstance(images, (np.ndarray, torch.Tensor)) else self._read(images)
        arrays = one, *more
        if len(arrays) != len(self.net.inputs):
            raise ValueError(f'got {len(arrays)} array(s); the net takes {len(self.net.inputs)}: '
                             f'{", ".join(self.net.inputs)}')
        for name, array in zip(self.net.inputs, arrays, strict=True):
            _check_array(name, array)
        return self.run(dict(zip(self.net.inputs, arrays, strict=True)))

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
        if self.fast is not None:
            try:
                return self.fast(**arrays)[self.layer]
            except Unsuited as error:           # this size only
                log.info('the plain engine is used: %s', error)
        self.net.feed(**arrays)
        self.forward()
        return self.net.blobs[self.layer].data

    def _read(self, images: str | PathLike | Sequence[str | PathLike]) -> np.ndarray:
        """Read image files of one size as N x 3 x H x W, BGR less the mean."""
        paths = _paths(images)
        folders = [path for path in paths if Path(path).is_dir()]
        if folders or not paths:
            raise ValueError(f'{folders[0]} is a folder; give its image files (fcn infer takes '
                             'folders)' if folders else 'no image file was given')
        pictures = [self.planes(read_rgb(Path(path))) for path in paths]
        sizes = {picture.shape for picture in pictures}
        if len(sizes) != 1:
            raise ValueError(f'image files of {len(sizes)} sizes; give those of one size at a time')
        return np.stack(pictures)

    def planes(self, rgb: np.ndarray) -> np.ndarray:
        """Return the planes of a picture, H x W x 3 uint8: 3 x H x W float32, BGR less the mean."""
        if self.mean is None:
            raise ValueError('image files need the mean to subtract: predictor(..., mean=(B, G, '
                             'R)), or name a variant, which knows its own')
        flipped = np.ascontiguousarray(rgb[:, :, ::-1])
        return np.asarray(planes(flipped, self.mean), np.float32)


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


def _check_array(name: str, array: np.ndarray | torch.Tensor) -> None:
    """Raise TypeError or ValueError for what is no array of images."""
    if not isinstance(array, (np.ndarray, torch.Tensor)):
        raise TypeError(f'input {name!r}: expected an array N x C x H x W, got '
                        f'{type(array).__name__}')
    if array.dtype.kind not in NUMBERS if isinstance(array, np.ndarray) else array.is_complex():
        raise TypeError(f'input {name!r}: expected real numbers, got an array of {array.dtype}')
    if array.ndim != 4:
        raise ValueError(f'input {name!r}: expected N x C x H x W, got the shape '
                         f'{list(array.shape)}')


def _paths(images: object) -> list[str | PathLike]:
    """Return the image files given; TypeError, with what to do, for what is none."""
    several = isinstance(images, Iterable) and not isinstance(images, (str, bytes, PathLike,
                                                                       Mapping))
    found: list[Any] = list(cast(Iterable, images)) if several else [images]
    wrong = [image for image in found if not isinstance(image, (str, PathLike))]
    if not wrong:
        return found
    hint = ''
    if isinstance(wrong[0], Image.Image):
        hint = "; of a picture: predict.planes(np.asarray(image.convert('RGB')))[None]"
    elif isinstance(wrong[0], (np.ndarray, torch.Tensor)):
        hint = '; several images in one array (np.stack), several inputs as arguments of their own'
    what = (f'{type(images).__name__} of ' if several else '') + type(wrong[0]).__name__
    raise TypeError(f'images: expected an array N x C x H x W or image files, got {what}{hint}')


def score_layers(net: Net) -> list[str]:
    """Return the outputs of a net that are called score…, or else all outputs."""
    return [name for name in net.outputs if name.startswith('score')] or net.outputs
