"""port.data.siftflow: one image, two labelings, both lowered by one with void at 255."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from port.data.siftflow import CLASSES, GEOMETRIC_CLASSES, SCENES, SIFTFlowSegDataLayer
from port.engine.blob import Blob


@pytest.fixture
def siftflow(tmp_path: Path) -> Path:
    """One scene with both labelings, of the types that the dataset stores."""
    for folder in ('Images', 'SemanticLabels', 'GeoLabels'):
        (tmp_path / folder / SCENES).mkdir(parents=True)
    Image.new('RGB', (2, 2), (50, 50, 50)).save(tmp_path / 'Images' / SCENES / 'coast_1.jpg')
    for kind, values in (('SemanticLabels', [[0, 1], [33, 6]]), ('GeoLabels', [[-1, 0], [1, 3]])):
        scipy.io.savemat(tmp_path / kind / SCENES / 'coast_1.mat',
                         {'S': np.array(values, np.int16), 'names': ['x']})
    (tmp_path / 'test.txt').write_text('coast_1\n')
    return tmp_path


def feed(root: Path) -> list[np.ndarray]:
    layer = SIFTFlowSegDataLayer()
    layer.param_str = repr({'siftflow_dir': str(root), 'seed': 1337, 'split': 'test'})
    top = [Blob(name).face() for name in ('data', 'sem', 'geo')]
    layer.setup([], top)
    layer.reshape([], top)
    layer.forward([], top)
    return [blob.data for blob in top]


def test_both_labelings(siftflow: Path) -> None:
    data, sem, geo = feed(siftflow)
    assert sem.tolist() == [[[[255, 0], [32, 5]]]]
    assert geo.tolist() == [[[[255, 255], [0, 2]]]]
    f = np.float32
    assert data[0, :, 0, 0].tolist() == [f(50) - f(m) for m in (114.578, 115.294, 108.353)]


@pytest.mark.parametrize(('kind', 'value', 'expected'), [
    ('SemanticLabels', 34, r'1\.\.33'), ('SemanticLabels', -1, r'1\.\.33'),
    ('GeoLabels', 4, r'-1 or 0 for void or 1\.\.3'), ('GeoLabels', -2, r'1\.\.3')])
def test_labels_outside_are_named(siftflow: Path, kind: str, value: int, expected: str) -> None:
    scipy.io.savemat(siftflow / kind / SCENES / 'coast_1.mat',
                     {'S': np.array([[0, value], [0, 0]], np.int16)})
    with pytest.raises(ValueError, match=rf'{kind}/.*coast_1\.mat: label {value} at x=1, y=0 '
                                         rf'.*{expected}.*test\.txt:1'):
        feed(siftflow)


def test_there_are_33_and_3_classes() -> None:
    assert len(set(CLASSES)) == 33 and len(GEOMETRIC_CLASSES) == 3
