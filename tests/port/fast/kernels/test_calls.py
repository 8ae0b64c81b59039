"""All kernels or none; each called with one structure over a range of the work."""

import ctypes

import pytest
import torch

from port.fast.kernels import calls
from port.fast.kernels.planes import Plane
from port.native.jobs import Kernel
from port.native.library import load

STRUCTURES = {'pool.c': ('Pool',), 'upsample.c': ('Upsample',),
              'combine.c': ('Beside', 'Sum', 'Affine'),
              'winograd.c': ('Winograd', 'Transform'), 'winograd_weights.c': ('Gradient',),
              'windows.c': ('Windows',), 'fourier.c': ('Fourier',),
              'batch_norm.c': ('Norm', 'Channels'), 'reorder.c': ('Reorder',),
              'large_weights.c': ('LargeWeights', 'WindowsGradient', 'WeightsGradient'),
              'large_windows.c': ('LargeWindows',), 'max_unpooling.c': ('Unpooling',),
              'sgd.c': ('Sgd',)}


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
    text = (calls.HERE / source).read_text()
    known = {name: calls.structure(text, name) for name in STRUCTURES[source]}
    if 'Plane' in text:
        known['Plane'] = Plane
    for name, structure in known.items():
        lines.append(f'size_t size_{name}(void) {{ return sizeof({name}); }}')
        lines += [f'size_t at_{name}_{field}(void) {{ return offsetof({name}, {field}); }}'
                  for field, _ in structure._fields_]
    path = tmp_path / source
    path.write_text('\n'.join(lines) + '\n')
    (tmp_path / 'plane.h').write_text((calls.HERE / 'plane.h').read_text())
    library = load(path)
    for name, structure in known.items():
        assert getattr(library, f'size_{name}')() == ctypes.sizeof(structure)
        for field, _ in structure._fields_:
            assert getattr(library, f'at_{name}_{field}')() == getattr(structure, field).offset


def test_every_source_is_held() -> None:
    assert set(STRUCTURES) == {p.name for p in calls.HERE.glob('*.c')}


@pytest.mark.skipif(not calls.available(), reason='no C compiler here')
def test_run_gives_room_and_sums(monkeypatch) -> None:
    seen = []

    class Arguments(ctypes.Structure):
        _fields_ = [('x', Plane), ('data', ctypes.c_void_p), ('none', ctypes.c_void_p),
                    ('number', ctypes.c_int)]

    def kernel(arguments, first, last, room, sums) -> None:
        seen.append((first, last))
        given = Arguments.from_address(arguments)
        assert room and (given.x.data, given.x.channels, given.number) == (x.data_ptr(), 3, 5)
        assert given.data == x.data_ptr() and given.none is None
        ctypes.c_float.from_address(sums).value += last - first
    x = torch.zeros(1, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    function = Kernel(kernel)
    address = ctypes.cast(function, ctypes.c_void_p).value
    monkeypatch.setattr(calls, 'kernels', lambda: {'mine': calls.Kernel(address, Arguments)})
    sums = calls.run('mine', 10, 3, dict(x=x, data=x, none=None, number=5), 4,
                     ((1,), torch.float32))
    assert sorted(i for first, last in seen for i in range(first, last)) == [*range(10)]
    assert sums.sum() == 10 and len(sums) == len(seen)
    with pytest.raises(KeyError, match='y'):
        calls.run('mine', 10, 3, dict(y=x))
