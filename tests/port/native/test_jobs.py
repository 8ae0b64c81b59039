"""Jobs in pieces on several threads: all of each once, in pieces of whole grains, in order."""

import ctypes
import time

import pytest
import torch

from port.native import jobs
from port.native.jobs import Job, Jobs, Kernel, pieces


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


class Number(ctypes.Structure):
    _fields_ = [('value', ctypes.c_int)]


def address(function) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value


@pytest.mark.parametrize('count,grain,most', [(10, 3, 1), (100, 7, 3), (5, 5, 4), (9, 1, 2),
                                              (0, 4, 2)])
def test_pieces_are_all_of_it(threads, count: int, grain: int, most: int) -> None:
    threads(most)
    bounds = [*pieces(count, grain)]
    assert (bounds[0], bounds[-1]) == (0, count) and bounds == sorted(bounds)
    assert all(bound % grain == 0 for bound in bounds[:-1])
    assert most > 1 or len(bounds) == 2


@pytest.mark.parametrize('team', [True, False])
@pytest.mark.parametrize('most', [1, 2, 4])
def test_each_job_is_done_once_and_after_the_one_before(threads, monkeypatch, most: int,
                                                        team: bool) -> None:
    """By torch's threads, and by Python's where there are none of torch's."""
    threads(most)
    if not team:
        monkeypatch.setattr(jobs, '_team', lambda: None)
    if jobs._library() is None:
        pytest.skip('no C compiler here')
    seen: list[tuple[int, int, int]] = []

    @Kernel
    def kernel(arguments, first, last, room, sums) -> None:
        assert room
        seen.append((Number.from_address(arguments).value, first, last))
        ctypes.c_double.from_address(sums).value += last - first
    made = Jobs([Job(address(kernel), Number(i), pieces(37, 4), 8,
                     torch.zeros(len(pieces(37, 4)) - 1, 1, dtype=torch.float64))
                 for i in range(3)])
    for pause in (0, 0.01):                  # after which threads are thought to sleep
        seen.clear()
        time.sleep(pause)
        made.run()
        assert [number for number, *_ in seen] == sorted(number for number, *_ in seen)
        for i in range(3):
            assert sorted(j for number, first, last in seen if number == i
                          for j in range(first, last)) == [*range(37)]
    assert all(job.sums.sum() == 2 * 37 for job in made.jobs)


def test_structures_are_those_of_the_source(tmp_path) -> None:
    source = jobs.Path(jobs.__file__).with_name('jobs.c')
    lines = [f'#include "{source}"']
    rows = {'Job': jobs._Job, 'Jobs': jobs._Jobs, 'Team': jobs._Team}
    for name, structure in rows.items():
        lines.append(f'size_t size_{name}(void) {{ return sizeof({name}); }}')
        lines += [f'size_t at_{name}_{field}(void) {{ return offsetof({name}, {field}); }}'
                  for field, _ in structure._fields_]
    path = tmp_path / 'held.c'
    path.write_text('\n'.join(lines) + '\n')
    library = jobs.load(path)
    if library is None:
        pytest.skip('no C compiler here')
    for name, structure in rows.items():
        assert getattr(library, f'size_{name}')() == ctypes.sizeof(structure)
        for field, _ in structure._fields_:
            assert getattr(library, f'at_{name}_{field}')() == getattr(structure, field).offset
