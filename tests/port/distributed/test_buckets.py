"""Sums sent bucket by bucket: the same whatever the order in which they become ready."""

import random

import torch

from port.distributed.buckets import BucketedSums
from port.distributed.ranks import joined

SHAPES = [(3,), (2, 5), (1,), (40, 10), (7,), (6, 6)]


def test_buckets_hold_what_fits_and_a_large_one_alone() -> None:
    counts = [3, 10, 1, 400, 7, 36]
    assert BucketedSums(counts, 100).buckets == [[0, 1, 2], [3], [4], [5]]
    assert BucketedSums(counts, 10 ** 6).buckets == [[0, 1, 2, 3, 4, 5]]
    assert BucketedSums([]).buckets == []


def test_sums_whatever_is_ready_first(torchrun) -> None:
    """Each rank has an order of its own, as where images of other sizes need other blanks."""
    def work() -> None:
        with joined() as ranks:
            for size in (1, 100, 10 ** 6):
                sums = BucketedSums([torch.Size(s).numel() for s in SHAPES], size)
                for turn in range(3):
                    tensors = [torch.full(s, 10. * i + ranks.rank + turn)
                               for i, s in enumerate(SHAPES)]
                    order = list(range(len(SHAPES)))
                    random.Random(ranks.rank + turn).shuffle(order)
                    sums.begin()
                    for i in order:
                        sums.ready(i, tensors[i])
                    sums.finish()
                    for i, (tensor, shape) in enumerate(zip(tensors, SHAPES, strict=True)):
                        assert torch.equal(tensor, torch.full(shape, 30. * i + 3 + 3 * turn))
    ended = torchrun.run(work, work, work)
    assert [one.status for one in ended] == [0, 0, 0], [one.err for one in ended]
