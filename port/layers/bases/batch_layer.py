"""What the layers that read batches share: they read ahead, in an order that a snapshot
continues (src/caffe/layers/base_data_layer.cpp).
"""

from itertools import count

import numpy as np
import torch

from port.engine.blob import Blob, upload
from port.engine.layer import Layer
from port.engine.memory import check_memory
from port.images.read_ahead import ReadAhead, check_share
from port.images.transformer import Transformer

Arrays = tuple[np.ndarray, ...]


class BatchLayer(Layer):
    """Base of the layers that read batches; a subclass opens its source and reads an item.

    Tops: of images B x C x H x W, and if asked their labels, B; or what `item` gives. The first
    item of a batch gives the size of all. Item k, counted over all passes, is source item
    `pick(k)` and draws its mirror and crop from (seed, k), so that `state` is two numbers;
    threads read ahead, changing nothing.
    """

    batch: int              # items of a pass, set by `open_source`
    rank, ranks = 0, 1      # of every `ranks` batches this layer reads the one in place `rank`
    queue: ReadAhead

    # -- what a subclass writes ------------------------------------------------------------------

    def open_source(self) -> int:
        """Open the source; return the number of items. Sets self.batch."""
        raise NotImplementedError

    def make_transformer(self, precision: type) -> Transformer:
        """Make what changes an image as transform_param says."""
        return Transformer(self.param.transform_param, self.phase, precision)

    def first(self) -> int:
        """Return the item to begin with."""
        return 0

    def pick(self, item: int) -> int:
        """Return the source's index of the item."""
        return item % self.count

    def read(self, index: int) -> tuple[np.ndarray, int, str]:
        """Read an image C x H x W and its label; and how an error names it."""
        raise NotImplementedError

    def item(self, index: int, random: np.random.RandomState | None) -> tuple[Arrays, str]:
        """Return what one item adds to each top's batch; and how an error names it.

        random: None unless the transformer needs it.
        """
        pixels, label, name = self.read(index)
        try:
            return (self.transformer(pixels, random), np.array(label, np.float32)), name
        except ValueError as error:
            raise ValueError(f'{name}: {error}') from None

    def nth(self, item: int) -> tuple[Arrays, str]:
        """Return what item k adds, drawing from (seed, k)."""
        random = None
        if self.transformer.needs_random:
            random = np.random.RandomState([self.seed, item & 0xffffffff, item >> 32])
        return self.item(self.pick(item), random)

    # -- Caffe's steps -----------------------------------------------------------------------------

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        kind = np.float64 if self.dtype == torch.float64 else np.float32
        self.transformer = self.make_transformer(kind)
        self.seed, self.top_count = int(torch.randint(2 ** 31, ())), len(top)
        self.count = self.open_source()
        if self.batch < 1:
            raise ValueError(f'batch_size is {self.batch}; expected 1 or more')
        self._start(self.first())
        for blob, array in zip(top, self.queue.current(), strict=False):
            blob.reshape(*array.shape)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        for blob, array in zip(top, self.queue.current(), strict=False):
            blob.data = upload(array, self.device, self.dtype)
        self.at += self.batch * self.ranks
        self.queue.advance()

    def state(self) -> dict[str, int]:
        """Return where the layer stands: the next item and the seed of its order."""
        return {'item': self.at, 'seed': self.seed, 'count': self.count}

    def restore(self, state: dict[str, int]) -> None:
        """Go on from a `state`; ValueError where the source has another number of items."""
        if state['count'] != self.count:
            raise ValueError(f'the snapshot was taken over {state["count"]} items but the source '
                             f'has {self.count}; restore the source or start anew')
        self.seed = state['seed']
        self._start(state['item'])

    def take_share(self, rank: int, ranks: int) -> None:
        """From here on read one batch of so many; ValueError for fewer items than ranks."""
        check_share(ranks, self.count, f'layer {self.name!r}')
        self.rank, self.ranks = rank, ranks
        self._start(self.at)

    def skip(self, passes: int) -> None:
        """Go on as after so many passes."""
        if passes:
            self._start(self.at + passes * self.batch)

    def _start(self, item: int) -> None:
        if hasattr(self, 'queue'):
            self.queue.close()
        self.at = item
        # Caffe counts batches ahead in data_param, for ImageData as well.
        self.queue = ReadAhead(self._load, count(item + self.rank * self.batch,
                                                 self.ranks * self.batch),
                               self.param.data_param.prefetch)

    def _load(self, start: int) -> Arrays:
        items = [self.nth(start)]
        ahead = self.param.data_param.prefetch
        check_memory(self.batch * max(1, ahead) * sum(part.nbytes for part in items[0][0]),
                     f'batches of {self.batch}, {ahead} of them read ahead,')
        items += [self.nth(start + i) for i in range(1, self.batch)]
        for parts in zip(*(arrays for arrays, _ in items), strict=True):
            shapes = {part.shape: name for part, (_, name) in zip(parts, items, strict=True)}
            if len(shapes) > 1:
                (a, one), (b, other) = list(shapes.items())[:2]
                raise ValueError(f'{one} gives {list(a)} and {other} {list(b)}; the items of a '
                                 'batch must have one size: set crop_size, resize them, or '
                                 'batch_size: 1')
        return tuple(np.stack(parts) for parts in zip(*(a for a, _ in items), strict=True))
