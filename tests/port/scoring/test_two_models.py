"""Two models on the same pictures: figures by hand, table, JSON and page."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.scoring.executors import Executor
from port.scoring.two_models import compare, mean_iu, measure, table, write_page

MEAN = np.array([1., 2., 3.])


def scores(labels: np.ndarray, classes: int = 3) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[labels].transpose(2, 0, 1)


LEFT = np.zeros((4, 5), int)
LEFT[:, 3:] = 1
RIGHT = LEFT.copy()
RIGHT[0, 0] = 1


def test_measure_by_hand() -> None:
    row, hist = measure('p', scores(LEFT), scores(RIGHT) * .5)
    assert row.size == (4, 5) and row.agreement == 19 / 20
    # one pixel of 20 moves from class 0 to 1: there 1 and .5 differ, elsewhere .5 of one class
    assert row.max_diff == 1 and row.largest == 1
    assert row.mean_diff == pytest.approx((19 * .5 + 1 + .5) / 60)
    assert hist.tolist() == [[11, 1, 0], [0, 8, 0], [0, 0, 0]]
    assert row.mean_iu == pytest.approx((11 / 12 + 8 / 9) / 2) == mean_iu(hist)


def test_labels_have_no_differences() -> None:
    row, hist = measure('p', LEFT, scores(RIGHT))
    assert row.max_diff is row.mean_diff is row.largest is None
    assert row.agreement == 19 / 20 and hist.sum() == 20


@pytest.mark.parametrize('other', [np.zeros((2, 4, 5)), np.zeros((3, 4, 4)), np.zeros((5, 5))])
def test_other_shapes_are_refused(other: np.ndarray) -> None:
    with pytest.raises(ValueError, match='p: one gives .* two'):
        measure('p', scores(LEFT), other, ('one', 'two'))


@pytest.fixture
def folder(tmp_path: Path) -> list[Path]:
    paths = []
    for i in range(3):
        paths.append(tmp_path / f'{i}.png')
        Image.fromarray(np.full((4, 5, 3), 40 * i, np.uint8)).save(paths[-1])
    return paths


def model(name: str, wrong: int) -> Executor:
    """Return a model that mistakes one pixel of the picture of brightness `wrong`."""
    def run(rgb: np.ndarray, data: np.ndarray) -> np.ndarray:
        assert data[0, :, 0, 0].tolist() == (rgb[0, 0, ::-1] - MEAN).tolist()
        return scores(RIGHT if rgb[0, 0, 0] == wrong else LEFT)
    return Executor(name, run)


def test_all_pictures(folder: list[Path], tmp_path: Path) -> None:
    seen = []
    a, b = model('one & all', -1), model('<b>', 40)
    result = compare(a, b, folder, MEAN, seen.append)
    assert [Path(r.picture).name for r in seen] == ['0.png', '1.png', '2.png']
    assert [r.agreement for r in result.rows] == [1, .95, 1]
    assert Path(result.worst[0].picture).name == '1.png'
    total = result.total
    assert total['agreement'] == pytest.approx(59 / 60) and total['max_diff'] == 1
    assert total['mean_diff'] == pytest.approx(2 / 180)
    assert total['mean_iu'] == pytest.approx((35 / 36 + 24 / 25) / 2)
    text = table(result, worst=1).splitlines()
    assert text[2].startswith('1.png') and text[4].startswith('all 3') and len(text) == 6
    found = json.loads(json.dumps(result.as_dict()))
    assert found['total'] == total and len(found['pictures']) == 3
    write_page(result, a, b, MEAN, tmp_path / 'r.html', worst=2)
    page = (tmp_path / 'r.html').read_text()
    assert page.count('data:image/png;base64,') == 6       # labels of A, of B, the difference
    assert page.count('data:image/jpeg;base64,') == 2 and page.count('class="legend"') == 2
    assert 'alt="Labels of A: ' in page
    assert 'one &amp; all' in page and '&lt;b&gt;' in page and '5.000 % differ' in page
