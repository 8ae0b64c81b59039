"""Large pages are asked for just inside the memory; nothing changes where there are none."""

import pytest
import torch

from port.native import large_pages


@pytest.fixture
def asked(monkeypatch) -> list[tuple[int, int]]:
    """What is asked for, with pages of 4096 bytes."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(large_pages, '_advise', lambda: (4096, lambda *part: found.append(part)))
    return found


def test_whole_pages_inside_the_memory(asked) -> None:
    x = torch.empty(10_000)
    assert large_pages.in_large_pages(x) is x
    ((first, length),) = asked
    assert first % 4096 == length % 4096 == 0
    assert x.data_ptr() <= first < x.data_ptr() + 4096
    assert x.data_ptr() + 40_000 - 4096 < first + length <= x.data_ptr() + 40_000


def test_what_holds_no_page_is_left_alone(asked) -> None:
    large_pages.in_large_pages(torch.empty(1000))
    large_pages.in_large_pages(torch.empty(0))
    assert asked == []


def test_without_large_pages(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(large_pages, 'SIZE', tmp_path / 'missing')
    large_pages._advise.cache_clear()
    try:
        x = large_pages.in_large_pages(torch.empty(10_000))
        assert x.fill_(1).sum() == 10_000
    finally:
        large_pages._advise.cache_clear()


@pytest.mark.skipif(not large_pages.SIZE.is_file(), reason='no large pages here')
def test_the_system_takes_the_advice() -> None:
    size, advise = large_pages._advise()
    x = torch.empty(4 * size, dtype=torch.uint8)
    first = -(-x.data_ptr() // size) * size
    assert advise(first, size) == 0
    assert advise(first + 1, size) != 0, 'not at a page: declined, and said'
