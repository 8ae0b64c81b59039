"""Work in pieces on several threads: everything once, in pieces of whole grains."""

import pytest
import torch

from port.native.threads import share


@pytest.mark.parametrize('threads,count,grain', [(1, 10, 3), (3, 100, 7), (4, 5, 5), (2, 9, 1)])
def test_share_covers_everything_once(threads: int, count: int, grain: int) -> None:
    seen, before = [], torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        share(lambda first, last: seen.append((first, last)), count, grain)
    finally:
        torch.set_num_threads(before)
    seen.sort()
    assert [i for first, last in seen for i in range(first, last)] == [*range(count)]
    assert all(first % grain == 0 for first, _ in seen)
