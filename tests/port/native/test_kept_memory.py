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


def test_what_is_far_too_large_is_not_taken(memory) -> None:
    large = empty(100)
    place = large.data_ptr()
    del large
    assert empty(20).data_ptr() != place
    assert empty(100).data_ptr() == place


def test_no_more_is_kept_than_was_lent_at_once(memory) -> None:
    """Of sizes that never come again hardly anything stays."""
    for size in range(100, 4000, 300):
        lent = empty(size)
        assert memory.lent == size
        del lent
        assert sum(map(len, memory.free)) <= kept_memory.MORE * memory.most


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
    last = empty(1000)
    assert memory.lent == last.numel()
