"""HDF5Output: the file's datasets, later passes, and what is refused."""

import h5py
import numpy as np
import pytest

from netspec.schema import parse_net
from netspec.schema.messages import TEST
from port.engine.net import Net


def net(path, *shapes):
    text = ''.join(f'layer {{ name: "{n}" type: "Input" top: "{n}" input_param {{ shape {{ '
                   + ' '.join(f'dim: {d}' for d in shape) + ' } } }\n'
                   for n, shape in zip('xy', shapes, strict=True))
    return Net(parse_net(text + 'layer { name: "out" type: "HDF5Output" bottom: "x" bottom: "y" '
                         f'hdf5_output_param {{ file_name: "{path}" }} }}'), TEST)


def test_writes_four_axes_and_appends(tmp_path):
    x, y = np.random.RandomState(0).randn(2, 3, 2), np.array([4.0, 5])
    (tmp_path / 'out.h5').write_text('an old file')
    made = net(tmp_path / 'out.h5', x.shape, y.shape)
    assert (tmp_path / 'out.h5').read_text() == 'an old file'
    for passes in (1, 2):
        made.forward(x=x, y=y)
        with h5py.File(tmp_path / 'out.h5') as file:
            assert file['data'].shape == (2 * passes, 3, 2, 1) and file['data'].dtype == 'f4'
            np.testing.assert_allclose(file['data'][-2:, :, :, 0], x, rtol=1e-6)
            assert file['label'][:, 0, 0, 0].tolist() == [4, 5] * passes
    made.backward()
    assert [p.name for p in tmp_path.iterdir()] == ['out.h5']


def test_refusals(tmp_path):
    for shapes, said in [(((2, 3), (3,)), 'must have the same batch size'),
                         (((2, 1, 1, 1, 1), (2,)), 'at most 4 axes')]:
        with pytest.raises(ValueError, match=said):
            net(tmp_path / 'out.h5', *shapes)
    with pytest.raises(FileNotFoundError, match='does not exist; make it first'):
        net(tmp_path / 'absent' / 'out.h5', (2,), (2,))
    with pytest.raises(ValueError, match='lacks `file_name`'):
        net('', (2,), (2,))
    made = net(tmp_path / 'out.h5', (2, 3), (2,))
    made.forward()
    with pytest.raises(ValueError, match=r'cannot append \[4, 1, 1\]'):
        made.forward(x=np.zeros((2, 4)))
