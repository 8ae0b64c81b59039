"""SegDataLayer: what the published Python data layers have in common.

Each pass feeds one (image, label) pair at its own size: data 1 x C x H x W in BGR with the mean
subtracted, labels 1 x 1 x H x W. With `batch` in param_str it feeds that many pairs of one size;
with `centre_crop`, (height, width), the middle of each pair; with `mirror`, `jitter`, `scales` or
`random_crop` pairs varied at random (augmentation.py). The order is that of `read_ahead.picks`,
with `shuffle` that of `read_ahead.shuffles`; a split whose name lacks 'train' is read in order.
`state` and `restore` let a resumed training continue that order.
"""

import ast
import difflib
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from port.data.augmentation import KEYS, read_augmentation
from port.data.masking import check_mask, hide
from port.data.readers import LabelValues, planes, read_names, read_rgb
from port.engine.memory import check_memory
from port.engine.python_layer import PythonLayer
from port.images.read_ahead import (
    Arrays,
    Pick,
    ReadAhead,
    check_share,
    draw_seed,
    grouped,
    numbered,
    picks,
    shuffles,
)

logger = logging.getLogger(__name__)

OPTIONS: dict[str, type | tuple[type, ...]] = {
    'randomize': int, 'seed': (int, type(None)), 'prefetch': int, 'batch': int, 'mask': str,
    'centre_crop': (tuple, list), 'shuffle': bool, **KEYS}
MOST_PAIRS = 1 << 16       # of a batch
MOST_PASSES = 1 << 32


def read_params(text: str, where: str) -> dict[str, Any]:
    """Read a param_str, a Python dict of literals, without evaluating anything."""
    try:
        params = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f'{where}: param_str must be a dict of plain values such as '
                         f"{{'split': 'train'}}, got {text!r}: {error}") from error
    if not isinstance(params, dict):
        raise ValueError(f'{where}: param_str must be a dict, got {type(params).__name__}: {text}')
    return params


class SegDataLayer(PythonLayer):
    """Feed one dataset to a net; a subclass names its keys, files, label values and mean."""

    required: dict[str, type | tuple[type, ...]] = {'split': str}
    optional: dict[str, type | tuple[type, ...]] = {}
    tops: tuple[str, ...] = ('data', 'label')
    class_names: tuple[str, ...] = ()
    mean: np.ndarray = np.zeros(3, np.float32)
    void = 255  # the label of pixels that are left out
    queue: ReadAhead
    seed: int | None
    rank, ranks = 0, 1  # of every `ranks` passes this layer makes the one in place `rank`
    ahead = 4  # pairs loaded before their turn; `prefetch` in param_str sets it, 0 is off

    # what a dataset defines

    def configure(self, params: dict[str, Any]) -> None:
        """Take folders, mean and label values from the checked param_str."""
        raise NotImplementedError

    def split_file(self) -> Path:
        """Name the list of the split."""
        raise NotImplementedError

    def files(self, name: str) -> dict[str, Path]:
        """Name the file behind each top, for one name of the list."""
        raise NotImplementedError

    def load_top(self, top: str, name: str) -> np.ndarray:
        """Load the array of one top, channels x height x width."""
        return self.load_image(name) if top == 'data' else self.load_label(name)

    def load_image(self, name: str) -> np.ndarray:
        """Load an image as 3 x H x W, BGR, mean subtracted."""
        return planes(read_rgb(self.files(name)['data'])[:, :, ::-1], self.mean)

    def load_label(self, name: str) -> np.ndarray:
        """Load the labels as 1 x H x W uint8."""
        raise NotImplementedError

    # Caffe's face

    def setup(self, bottom: list, top: list) -> None:
        """Read param_str and the list, and pick the first pair."""
        self.read_param_str()
        self._check_arity(bottom, top)
        self.indices, self.lines = self.read_list()
        if self.random and self.seed is None:
            self.seed = draw_seed()
        self.start(0)

    def reshape(self, bottom: list, top: list) -> None:
        """Give the tops the shapes of the next pair, with the batch size in front."""
        for blob, array in zip(top, self.queue.current(), strict=True):
            blob.reshape(self.batch, *array.shape[-3:])

    def forward(self, bottom: list, top: list) -> None:
        """Copy the next pair into the tops, and go on to the one after it."""
        for blob, array in zip(top, self.queue.current(), strict=True):
            hand_over(blob, array)
        self.passes += self.ranks
        self.queue.advance()

    def backward(self, top: list, propagate_down: list[bool], bottom: list) -> None:
        """Do nothing: data has no gradient."""

    def read_param_str(self) -> None:
        """Take what param_str says; opens no list and no image."""
        params = self._params()
        self.split: str = params['split']
        self.random = bool(params.get('randomize', True)) and 'train' in self.split
        self.seed = params.get('seed')
        self.ahead = max(0, int(params.get('prefetch', self.ahead)))
        self.batch: int = params.get('batch', 1)
        if not 1 <= self.batch <= MOST_PAIRS or self.ahead > MOST_PAIRS:
            raise ValueError(f"{self.where()}: param_str 'batch' is {self.batch} and 'prefetch' "
                             f'{self.ahead}; expected 1 to {MOST_PAIRS} pairs a pass, and no more '
                             'read ahead')
        self.crop = self._read_crop(params.get('centre_crop'))
        self.shuffle = bool(params.get('shuffle', False))
        self.varied = read_augmentation(params, self.where())
        self.configure(params)
        self.mask = check_mask(params.get('mask', ''), self.where(), self.class_names, self.tops)

    # order

    @property
    def idx(self) -> int | tuple[int, ...]:
        """The index in the list of the next pair; with a batch, those of its pairs."""
        return places(self.queue.index)

    def start(self, passes: int) -> None:
        """Go to where the layer stands after `passes` forward passes."""
        if hasattr(self, 'queue'):
            self.queue.close()
        if not 0 <= passes * self.batch < MOST_PASSES:
            raise ValueError(f'{self.where()}: the snapshot stands after {passes} passes, which '
                             'no training makes: a damaged snapshot')
        self.passes = passes
        self.queue = ReadAhead(self._drawn if self.batch == 1 else self._drawn_batch,
                               islice(self._order(), self.rank, None, self.ranks), self.ahead)

    def _order(self) -> Iterator[Any]:
        """Yield what each pass from here on reads, of all ranks."""
        skip, count = self.passes * self.batch, len(self.indices)
        order = numbered(shuffles(count, self.seed, skip)
                         if self.random and self.shuffle and self.seed is not None else
                         picks(count, self.seed if self.random else None, skip), skip)
        return order if self.batch == 1 else grouped(order, self.batch)

    def take_share(self, rank: int, ranks: int) -> None:
        """From here on make one pass of so many; ValueError for fewer images than ranks."""
        check_share(ranks, len(self.indices), f'{self.where()}, {self.split_file()}')
        self.rank, self.ranks = rank, ranks
        self.start(self.passes)

    def skip(self, passes: int) -> None:
        """Go on as after so many passes."""
        if passes:
            self.start(self.passes + passes)

    def state(self) -> dict[str, Any]:
        """Tell, in plain values for JSON, where in the order the layer stands."""
        return {'split': self.split, 'count': len(self.indices), 'random': self.random,
                'seed': self.seed, 'passes': self.passes, 'batch': self.batch,
                'index': self._place()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken; the list must be the same."""
        if (state['split'], state['count']) != (self.split, len(self.indices)):
            raise ValueError(
                f"{self.where()}: the snapshot stands in split '{state['split']}' with "
                f"{state['count']} names, but {self.split_file()} has {len(self.indices)}; "
                'the order cannot be continued: restore the list or start anew')
        if state.get('batch', 1) != self.batch:
            raise ValueError(f'{self.where()}: the snapshot was taken with batch '
                             f'{state.get("batch", 1)}, this net asks for {self.batch}')
        self.random, self.seed = state['random'], state['seed']
        self.start(state['passes'])
        if self._place() != state['index']:
            raise ValueError(f'{self.where()}: the snapshot was at index {state["index"]} after '
                             f'{self.passes} passes, this order at {self.idx}: a damaged snapshot')

    def _place(self) -> int | list[int]:
        """Give, as JSON has it, the index of the pass that is due, of all ranks."""
        index = self.idx if self.ranks == 1 else places(next(self._order()))
        return [*index] if isinstance(index, tuple) else index

    # one pair

    def load(self, index: int) -> Arrays:
        """Load the arrays of all tops for one index of the list; changes nothing in the layer."""
        name = self.indices[index]
        try:
            arrays = tuple(self.load_top(top, name) for top in self.tops)
            self._check_sizes(name, arrays)
            arrays = tuple(self._cropped(name, array) for array in arrays)
        except (OSError, ValueError) as error:
            listed = f'(listed in {self.split_file()}:{self.lines[index]})'
            kind = next(k for k in (FileNotFoundError, ValueError, OSError) if isinstance(error, k))
            raise kind(f'{error} {listed}') from error
        check_memory(self.batch * max(1, self.ahead) * sum(a.nbytes for a in arrays),
                     f'{self.where()}: batches of {self.batch}, {self.ahead} of them read ahead,')
        if self.mask:
            shown = hide(arrays[0], arrays[-1], self.mask, len(self.class_names), self.mean)
            return (shown, *arrays[1:])
        return arrays

    def _drawn(self, pick: Pick) -> Arrays:
        """Load a pair, varied as its number in the order says."""
        arrays = self.load(pick.place)
        return self.varied.apply(arrays, self.void, f'{self.seed} {pick.number}') \
            if self.varied else arrays

    def _drawn_batch(self, several: list[Pick]) -> Arrays:
        """Load and stack the arrays of several picks; their sizes must agree."""
        pairs, indices = [self._drawn(pick) for pick in several], [pick.place for pick in several]
        for index, pair in zip(indices, pairs, strict=True):
            if pair[0].shape != pairs[0][0].shape:
                raise ValueError(
                    f'{self.where()}: a batch of {self.batch} needs images of one size, but '
                    f'{self.indices[indices[0]]} is {size_of(pairs[0][0])} and '
                    f'{self.indices[index]} is {size_of(pair[0])}; train with batch 1')
        return tuple(np.stack(arrays) for arrays in zip(*pairs, strict=True))

    def read_list(self) -> tuple[list[str], list[int]]:
        """Read the names of the split and the line of each."""
        return read_names(self.split_file())

    def where(self) -> str:
        """Name this layer in an error."""
        return f"layer '{self.name}' ({type(self).__name__})" if self.name else type(self).__name__

    def _read_crop(self, crop: Any) -> tuple[int, int] | None:
        if crop is None:
            return None
        if len(crop) != 2 or not all(isinstance(n, int) and n > 0 for n in crop):
            raise ValueError(f"{self.where()}: param_str 'centre_crop' is {crop!r}; expected "
                             '(height, width) in pixels')
        return crop[0], crop[1]

    def _cropped(self, name: str, array: np.ndarray) -> np.ndarray:
        """Cut the middle out of C x H x W; with an odd rest the upper and left part is smaller."""
        if self.crop is None:
            return array
        rests = [have - want for have, want in zip(array.shape[1:], self.crop, strict=True)]
        if min(rests) < 0:
            raise ValueError(f'{self.files(name)[self.tops[0]]} is {size_of(array)} (width x '
                             f'height), smaller than the centre_crop of {self.crop[1]}x'
                             f'{self.crop[0]}')
        y, x = (rest // 2 for rest in rests)
        return array[:, y:y + self.crop[0], x:x + self.crop[1]]

    def _check_sizes(self, name: str, arrays: Arrays) -> None:
        first = arrays[0].shape[1:]
        for top, array in zip(self.tops, arrays, strict=True):
            if array.shape[1:] != first:
                files = self.files(name)
                raise ValueError(
                    f'{files[top]} is {array.shape[2]}x{array.shape[1]} but {files[self.tops[0]]} '
                    f'is {first[1]}x{first[0]} (width x height); the sizes must agree')

    def _check_arity(self, bottom: list, top: list) -> None:
        if len(top) != len(self.tops):
            raise ValueError(f'{self.where()}: needs {len(self.tops)} tops '
                             f'({", ".join(self.tops)}), got {len(top)}')
        if bottom:
            raise ValueError(f'{self.where()}: a data layer takes no bottom, got {len(bottom)}')

    def _params(self) -> dict[str, Any]:
        params = read_params(self.param_str, self.where())
        known = {**self.required, **self.optional, **OPTIONS}
        for key in [k for k in self.required if k not in params]:
            close = difflib.get_close_matches(key, [str(k) for k in params], 1)
            hint = f"; '{close[0]}' is no key of this layer" if close else ''
            raise KeyError(f"{self.where()}: param_str lacks '{key}'{hint}; keys: {list(known)}")
        for key, value in params.items():
            if key not in known:
                logger.warning("%s: param_str key '%s' is not used; keys: %s",
                               self.where(), key, list(known))
            elif not isinstance(value, known[key]):
                raise ValueError(f"{self.where()}: param_str '{key}' is {value!r}, "
                                 f'of type {type(value).__name__}; expected {known[key]}')
        return params


def places(index: Pick | list[Pick]) -> int | tuple[int, ...]:
    """Return the places in the list of a pass's pairs."""
    return tuple(one.place for one in index) if isinstance(index, list) else index.place


def hand_over(blob: Any, array: np.ndarray) -> None:
    """Copy an array into a top; without waiting for a GPU, where the blob can."""
    if hasattr(blob, 'put'):
        blob.put(array)
    else:
        blob.data[...] = array


def size_of(array: np.ndarray) -> str:
    """Write the size of a C x H x W array as width x height."""
    return f'{array.shape[2]}x{array.shape[1]}'


def read_mean(mean: Any, where: str) -> np.ndarray:
    """Check a mean of three numbers, BGR; in double precision, as the published layers keep it."""
    array = np.array(mean, dtype=np.float64)
    if array.shape != (3,):
        raise ValueError(f'{where}: mean must be 3 numbers in the order B, G, R, got {mean!r}')
    return array


def class_values(params: dict[str, Any], names: tuple[str, ...], void: int,
                 where: str) -> LabelValues:
    """Accept the labels 0 .. classes - 1 and the ignored one, as param_str may set them."""
    count, void = params.get('classes', len(names)), params.get('ignore_label', void)
    if not 0 < count <= 255 or not 0 <= void <= 255:
        raise ValueError(f'{where}: classes must be 1..255 and ignore_label 0..255, '
                         f'got {count} and {void}')
    return LabelValues.classes(count, void)
