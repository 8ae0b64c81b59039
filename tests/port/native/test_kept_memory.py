"""Memory that serves one tensor after the other, and never two at once."""

import gc
import threading
from queue import SimpleQueue

import pytest
import torch

from port.native import kept_memory
from port.native.kept_memory import KeptMemory, empty


@pytest.fixture
def memory(monkeypatch):
    monkeypatch.setattr(kept_memory, 'LEAST', 10)
    monkeypatch.setattr(kept_memory, 'TOGETHER', 0)
    found = KeptMemory()
    with found.serve():
        yield found


def test_a_tensor_takes_the_memory_of_one_that_is_gone(memory) -> None:
    first = empty(3, 20)
    place = first.data_ptr()
    other = empty(60)
    assert other.data_ptr() != place            # which is held
    del first
    gc.collect()
    again = empty(2, 3, 2, 5, memory_format=torch.channels_last)
    assert again.data_ptr() == place
    assert again.is_contiguous(memory_format=torch.channels_last)


def test_a_view_holds_the_memory(memory) -> None:
    part = empty(100)[90:]
    place = part.untyped_storage().data_ptr()
    assert empty(100).data_ptr() != place


def test_large_memory_serves_several_which_join_again(memory) -> None:
    large = empty(96)
    place = large.data_ptr()
    del large
    small = [empty(32), empty(16), empty(48)]
    assert [one.data_ptr() - place for one in small] == [0, 4 * 32, 4 * 48]
    for order in ((1, 0, 2), (0, 2, 1), (2, 1, 0)):
        for i in order:
            small[i] = torch.empty(0)
        large = empty(96)
        assert large.data_ptr() == place
        del large
        small = [empty(32), empty(16), empty(48)]
    assert len(memory.slabs) == 1 and not memory.gaps


def test_the_smallest_gap_is_taken(memory) -> None:
    held = [empty(size) for size in (160, 64, 96)]
    places = [one.data_ptr() for one in held]
    held.clear()
    assert empty(80).data_ptr() == places[2]
    assert empty(64).data_ptr() == places[1]


def test_no_more_is_kept_than_was_lent_at_once(memory) -> None:
    """Of sizes that never come again hardly anything stays."""
    for size in range(160, 4000, 320):
        lent = empty(size)
        assert memory.lent == size
        del lent
        kept = sum(len(slab.memory) for slab in memory.slabs.values())
        assert kept <= kept_memory.MORE * memory.most


def test_after_some_passes_all_lies_in_one(memory) -> None:
    """Sizes of a pass, of which the later ones do not fit where the first ones lay."""
    for _ in range(4):
        held = [empty(size) for size in (320, 320, 160)]
        held.clear()
        held = [empty(size) for size in (480, 240, 80)]
        held.clear()
    (slab,) = memory.slabs.values()
    assert 800 <= len(slab.memory) <= 1000


def test_small_ones_share_what_came_at_once(memory, monkeypatch) -> None:
    monkeypatch.setattr(kept_memory, 'TOGETHER', 480)
    held = [empty(160) for _ in range(4)]
    assert [len(slab.memory) for slab in memory.slabs.values()] == [480, 480]
    held.clear()
    held = [empty(480), empty(480)]
    assert len(memory.slabs) == 2


def test_small_ones_and_those_of_nobody_are_new() -> None:
    memory = KeptMemory()
    with memory.serve():
        small = empty(100)
    assert not memory.lent and not empty(1 << 20).untyped_storage().nbytes() == 0
    assert small.shape == (100,) and not memory.lent


def test_other_threads_may_let_go(memory) -> None:
    """While this one takes more: nothing is counted twice or lost."""
    held: SimpleQueue[torch.Tensor | None] = SimpleQueue()

    def let_go() -> None:
        while held.get() is not None:
            pass
    other = threading.Thread(target=let_go)
    other.start()
    for i in range(2000):
        held.put(empty(50 + i % 7))
    held.put(None)
    other.join()
    last = empty(1024)
    assert memory.lent == last.numel()
