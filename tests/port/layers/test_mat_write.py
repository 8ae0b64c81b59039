"""MatWrite: names, axes and periods of its files; it has no gradient to give."""

import numpy as np
import pytest
import torch
from scipy.io import loadmat


def text(folder, options: str) -> str:
    return f'type: "MatWrite" mat_write_param {{ prefix: "{folder}/" {options} }}'


def arrays() -> list[np.ndarray]:
    draw = np.random.RandomState(0)
    return [draw.standard_normal((2, 3, 4, 5)), draw.standard_normal((6, 7))]


def test_a_file_for_each_bottom(drive, tmp_path):
    """MATLAB counts the axes the other way round; those that a blob lacks are 1."""
    driven = drive(text(tmp_path, ''), arrays())
    driven.forward()
    images, flat = (loadmat(tmp_path / f'iter_0_blob_{i}.mat')['data'] for i in (0, 1))
    assert np.array_equal(images, np.float32(arrays()[0]).transpose(3, 2, 1, 0))
    assert flat.shape == (1, 1, 7, 6) and images.dtype == np.float32
    assert sorted(p.name for p in tmp_path.iterdir()) == ['iter_0_blob_0.mat', 'iter_0_blob_1.mat']


def test_double_precision_is_kept(drive, tmp_path):
    drive(text(tmp_path, ''), arrays()[:1], dtype=torch.float64).forward()
    assert loadmat(tmp_path / 'iter_0_blob_0.mat')['data'].dtype == np.float64


def test_names_are_lines_of_a_list(drive, tmp_path):
    (tmp_path / 'list').write_text('a_12.jpg label.png\nb_34.jpg\nc_56.jpg\n\n')
    driven = drive(text(tmp_path, f'source: "{tmp_path}/list" strip: 4 period: 2'), arrays()[1:])
    for _ in range(4):
        driven.forward()
    assert sorted(p.stem for p in tmp_path.glob('*.mat')) == ['a_12_blob_0', 'c_56_blob_0']
    with pytest.raises(ValueError, match=r'list names 3 file\(s\), and this is pass 5'):
        driven.forward()


def test_refusals(drive, tmp_path):
    with pytest.raises(ValueError, match='period is 0; expected 1 or more'):
        drive(text(tmp_path, 'period: 0'), arrays())
    with pytest.raises(ValueError, match='more than 4 axes'):
        drive(text(tmp_path, ''), [np.zeros((1, 1, 1, 1, 1))]).forward()
    driven = drive(text(tmp_path / 'none', ''), arrays())      # a net can be looked at without
    with pytest.raises(FileNotFoundError, match='none does not exist; make it first'):
        driven.forward()
    with pytest.raises(ValueError, match='has no backward pass'):
        driven.backward([])
