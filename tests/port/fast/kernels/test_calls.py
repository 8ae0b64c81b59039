"""All kernels or none; each called with one structure over a range of the work."""

import ctypes

import pytest
import torch

from port.fast.kernels import calls
from port.fast.kernels.batch_norm import NormArguments
from port.fast.kernels.fourier import FourierArguments
from port.fast.kernels.max_unpooling import UnpoolingArguments
from port.fast.kernels.planes import Plane
from port.fast.kernels.sgd import SgdArguments
from port.fast.kernels.winograd import TransformArguments, WindowsArguments, WinogradArguments
from port.native.library import load

STRUCTURES = {
    'winograd.c': {'Plane': Plane, 'Winograd': WinogradArguments, 'Windows': WindowsArguments,
                   'Transform': TransformArguments},
    'fourier.c': {'Fourier': FourierArguments}, 'batch_norm.c': {'Norm': NormArguments},
    'max_unpooling.c': {'Unpooling': UnpoolingArguments}, 'sgd.c': {'Sgd': SgdArguments}}


@pytest.fixture
def anew():
    calls.libraries.cache_clear()
    yield
    calls.libraries.cache_clear()


@pytest.mark.parametrize('name,value', [('FCN_NATIVE', '0'), ('CC', '/no/such/compiler')])
def test_without_kernels(anew, monkeypatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert not calls.available()


def test_one_that_is_missing_leaves_none(anew, monkeypatch) -> None:
    monkeypatch.setattr(calls, 'load', lambda path: None if path.name == 'sgd.c' else load(path))
    assert not calls.available()


@pytest.mark.skipif(not calls.available(), reason='no C compiler here')
@pytest.mark.parametrize('source', STRUCTURES)
def test_structures_are_those_of_the_source(tmp_path, source: str) -> None:
    """Members in the same places: the compiler is asked where it puts each."""
    lines = [f'#include "{calls.HERE / source}"', '#include <stddef.h>']
    for name, structure in STRUCTURES[source].items():
        lines.append(f'size_t size_{name}(void) {{ return sizeof({name}); }}')
        lines += [f'size_t at_{name}_{field}(void) {{ return offsetof({name}, {field}); }}'
                  for field, _ in structure._fields_]
    path = tmp_path / source
    path.write_text('\n'.join(lines) + '\n')
    (tmp_path / 'plane.h').write_text((calls.HERE / 'plane.h').read_text())
    library = load(path)
    for name, structure in STRUCTURES[source].items():
        assert getattr(library, f'size_{name}')() == ctypes.sizeof(structure)
        for field, _ in structure._fields_:
            assert getattr(library, f'at_{name}_{field}')() == getattr(structure, field).offset


def test_every_source_is_held() -> None:
    assert set(STRUCTURES) == set(calls.SOURCES) == {p.name for p in calls.HERE.glob('*.c')}


def test_run_gives_room_and_sums() -> None:
    seen, sums = [], {}

    def kernel(arguments, first, last, room, mine) -> None:
        seen.append((first, last))
        assert room and mine == sums[first].data_ptr()

    def sums_of(first: int) -> torch.Tensor:
        sums[first] = torch.zeros(2)
        return sums[first]
    calls.run(kernel, Plane(), 10, 3, 4, sums_of)
    assert sorted(i for first, last in seen for i in range(first, last)) == [*range(10)]
