"""docs/dense_figures.py: the fields are the published ones, an unpadded net moves with its stride,
and the script draws its pictures.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope='module')
def figures() -> ModuleType:
    spec = importlib.util.spec_from_file_location('dense_figures', ROOT / 'docs/dense_figures.py')
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# FCN, PAMI 2017, table 1: 355 and 404; GoogLeNet's 907 less its pooling.
@pytest.mark.parametrize(('trunk', 'field', 'stride'), [
    ('AlexNet', 355, 32), ('VGG16', 404, 32), ('GoogLeNet', 715, 32)])
def test_fields_are_the_published_ones(figures, trunk: str, field: int, stride: int) -> None:
    assert figures.fields(figures.FIELDS[trunk])[-1][1:] == (field, stride)


def test_a_shift_by_the_stride_moves_the_scores_and_one_by_a_pixel_does_not(figures) -> None:
    none, one, stride = figures.shifted(0, [0, 1, 32])
    assert none == 0 and stride <= 1e-12 and one > 0.01
    assert figures.shifted(1, [0, 32])[1] > 0.01


@pytest.mark.slow
def test_the_pictures_are_drawn(figures, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr('sys.argv', ['dense_figures', '--out', str(tmp_path), '--iterations', '3'])
    figures.main()
    assert {path.name for path in tmp_path.iterdir()} == {
        'dense-fields.svg', 'dense-shifts.svg', 'dense-ways.png'}
    assert capsys.readouterr().out.count('mean IU') == 3
