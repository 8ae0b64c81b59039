"""The registry: every type of Caffe is there, each in a file of its own with a test of its own,
and each gradient is held against finite differences.
"""

import re
from pathlib import Path

import pytest

from netspec.layer_types import LAYER_TYPES
from netspec.schema.messages import TEST, LayerParameter
from netspec.schema.upgrade import DEEPLAB_TYPES, V2_TYPES
from port.engine import registry

ROOT = Path(__file__).resolve().parents[3]
TYPES = registry.known_types()
GRADIENT_FIXTURES = ('check_gradient', 'check_neuron')

SOURCE = 'makes blobs and reads none'
NO_BACKWARD = 'has no backward pass in Caffe'
# Types whose tests need no finite differences, and why.
WITHOUT_GRADIENT = {
    'Accuracy': NO_BACKWARD, 'ArgMax': NO_BACKWARD, 'SegAccuracy': NO_BACKWARD,
    'Threshold': NO_BACKWARD, 'UniqueLabel': NO_BACKWARD,
    'Data': SOURCE, 'DummyData': SOURCE, 'HDF5Data': SOURCE, 'ImageData': SOURCE,
    'ImageSegData': SOURCE, 'Input': SOURCE, 'MatRead': SOURCE, 'MemoryData': SOURCE,
    'WindowData': SOURCE,
    'HDF5Output': 'writes a file and makes no top', 'MatWrite': 'writes files and makes no top',
    'Parameter': 'its top is its parameter, its gradient a copy',
    'Python': "the gradient is the user's own",
    'DenseCRF': "the authors' backward pass does nothing",
    'AdaptiveBiasChannel': 'its gradient is zero', 'Silence': 'its gradient is zero',
}
# Caffe's types beyond those that a V1 net file could name, as its wiki's layer catalogue has them.
LATER = ('BatchNorm BatchReindex Bias Clip Crop ELU Embed Filter Im2col Input LSTM Log MVN '
         'Parameter PReLU Python RNN Reduction Reshape SPP Scale Swish Tile').split()


def module_of(name: str) -> str:
    return registry.layer_class(name).__module__.rpartition('.')[2]


def test_every_type_of_caffe_is_there() -> None:
    caffes = {now for old, now in V2_TYPES.items() if now and old not in DEEPLAB_TYPES}
    assert {*caffes, *LATER} <= set(TYPES)


@pytest.mark.parametrize('name', TYPES)
def test_type_has_a_file_and_a_test_of_its_own(name: str) -> None:
    file = module_of(name)
    assert file.replace('_', '') == name.lower()
    source = (ROOT / 'port' / 'layers' / f'{file}.py').read_text()
    assert source.count('@layer(') == 1 and f"@layer('{name}')" in source
    test = ROOT / 'tests' / 'port' / 'layers' / f'test_{file}.py'
    assert test.is_file(), f'layer type {name} has no test: write {test.relative_to(ROOT)}'
    assert re.search(r'^def test_', test.read_text(), re.M)


@pytest.mark.parametrize('name', [name for name in TYPES if name not in WITHOUT_GRADIENT])
def test_gradient_is_held_against_finite_differences(name: str) -> None:
    test = ROOT / 'tests' / 'port' / 'layers' / f'test_{module_of(name)}.py'
    text = test.read_text()
    assert any(f'{fixture}(' in text for fixture in GRADIENT_FIXTURES), (
        f'{test.name} never calls {" or ".join(GRADIENT_FIXTURES)}; a layer without a gradient '
        'is entered in WITHOUT_GRADIENT with its reason')


def test_exceptions_are_types() -> None:
    assert set(WITHOUT_GRADIENT) <= set(TYPES)


def test_create() -> None:
    made = registry.create(LayerParameter(name='r', type='ReLU'), TEST)
    assert (made.type, made.name, made.phase) == ('ReLU', 'r', TEST)


def test_unknown_types_are_told_apart_from_misspelt_ones() -> None:
    with pytest.raises(KeyError, match="unknown layer type 'Relu'; did you mean 'ReLU'"):
        registry.layer_class('Relu')
    with pytest.raises(KeyError, match=f"unknown layer type 'Xyzzy'; .*{len(LAYER_TYPES)} in all"):
        registry.layer_class('Xyzzy')


def test_every_type_has_a_row() -> None:
    assert set(TYPES) == set(LAYER_TYPES)


def test_a_type_without_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="'Xyzzy' .* has no row: enter it in LAYER_TYPES"):
        registry.layer('Xyzzy')(type('Xyzzy', (), {}))


def test_a_row_without_a_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(registry._TYPES, 'ReLU')
    with pytest.raises(KeyError, match="'ReLU' has a row .* but no file in port/layers"):
        registry.layer_class('ReLU')


def test_a_name_can_be_given_once() -> None:
    with pytest.raises(ValueError, match="'ReLU' is registered twice: by port.layers.relu and by"):
        registry.layer('ReLU')(type('Again', (), {}))
