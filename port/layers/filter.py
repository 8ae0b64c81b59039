"""Filter: keep the items whose selector, the last bottom, is not zero (Caffe's FilterLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer


@layer('Filter')
class Filter(Layer):
    """The tops' first axis follows the selector's data, so every pass reshapes; until the first
    one the tops have the bottoms' shapes. chosen: indices of the items kept.
    """

    always_reshape = True

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        if len(top) != len(bottom) - 1:
            raise ValueError(f'Filter takes one top for each bottom but the selector, '
                             f'{len(bottom) - 1}; got {len(top)}')
        self.first = True

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        *items, selector = bottom
        if any(size != 1 for size in selector.shape[1:]):
            raise ValueError(f'selector {selector.name!r} has shape {list(selector.shape)}; '
                             'expected size 1 on every axis but the first')
        for blob in items:
            if blob.shape[:1] != selector.shape[:1]:
                raise ValueError(f'bottom {blob.name!r} {list(blob.shape)} and the selector '
                                 f'{selector.name!r} {list(selector.shape)} must have the same '
                                 'first dimension')
        self.chosen = selector.data.reshape(-1).nonzero()[:, 0]
        kept = selector.shape[0] if self.first else len(self.chosen)
        self.first = False
        for blob, item in zip(top, items, strict=True):
            blob.reshape(kept, *item.shape[1:])

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        for blob, item in zip(top, bottom[:-1], strict=True):
            blob.data = item.data.index_select(0, self.chosen)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if propagate_down[-1]:
            raise ValueError('Filter cannot backpropagate to the selector; give it '
                             'propagate_down: false')
        for blob, item, wanted in zip(top, bottom[:-1], propagate_down[:-1], strict=True):
            if wanted:
                diff = torch.zeros_like(item.data)
                item.diff = diff.index_copy_(0, self.chosen, blob.diff)
