"""MemoryData: arrays and Datums in batches, and what is refused."""

import numpy as np
import pytest

from netspec.schema.messages import Datum


def text(transform='', batch=2):
    given = f'transform_param {{ {transform} }}' if transform else ''
    return (f'name: "memory" type: "MemoryData" top: "data" top: "label" memory_data_param '
            f'{{ batch_size: {batch} channels: 1 height: 2 width: 3 }} {given}')


def arrays(count=4):
    return np.arange(6 * count, dtype='f').reshape(count, 1, 2, 3), np.arange(count, dtype='f')


def test_batches_go_round(drive):
    driven = drive(text(), [])
    assert [b.shape for b in driven.top] == [(2, 1, 2, 3), (2,)]
    data, labels = arrays()
    driven.layer.reset(data, labels)
    for start in (0, 2, 0):
        found, marks = driven.forward()
        np.testing.assert_array_equal(found, data[start:start + 2])
        assert marks.shape == (2, 1, 1, 1) and marks.ravel().tolist() == [start, start + 1]


def test_datums_are_transformed(drive):
    driven = drive(text('scale: 0.5 mean_value: 2'), [])
    data, _ = arrays(2)
    driven.layer.add([Datum(channels=1, height=2, width=3, label=7 + i,
                            data=image.astype('u1').tobytes()) for i, image in enumerate(data)])
    with pytest.raises(ValueError, match='until the current data has been consumed'):
        driven.layer.add([])
    found, labels = driven.forward()
    np.testing.assert_array_equal(found, (data - 2) / 2)
    assert labels.ravel().tolist() == [7, 8]
    driven.layer.add([Datum(channels=1, height=2, width=3, data=b'123456')] * 4)


def test_arrays_are_not_transformed_and_that_is_said(drive, caplog):
    driven = drive(text('scale: 0.5'), [])
    driven.layer.reset(*arrays())
    np.testing.assert_array_equal(driven.forward()[0], arrays()[0][:2])
    assert 'layer memory: MemoryData does not transform' in caplog.text


def test_the_batch_size_may_change(drive):
    driven = drive(text(), [])
    driven.layer.set_batch_size(3)
    driven.layer.reset(*arrays(6))
    assert driven.forward()[1].ravel().tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match='batch size 4 does not divide'):
        driven.layer.set_batch_size(4)


def test_refusals(drive):
    driven = drive(text(), [])
    with pytest.raises(ValueError, match='holds no data yet'):
        driven.forward()
    data, labels = arrays(3)
    with pytest.raises(ValueError, match='3 items do not make whole batches'):
        driven.layer.reset(data, labels)
    with pytest.raises(ValueError, match='expected N x 1 x 2 x 3 and N labels'):
        driven.layer.reset(data[:, :, :1], labels)
    with pytest.raises(ValueError, match='0 items'):
        driven.layer.add([])
    with pytest.raises(ValueError, match='each positive; got 0, 1, 2, 3'):
        drive(text(batch=0), [])


def test_a_third_top_says_what_counts_of_each_item(drive):
    """DeepLab's deploy files: data_dim as given, or the whole height and width."""
    driven = drive(text().replace('top: "label"', 'top: "label" top: "data_dim"'), [])
    assert [b.shape for b in driven.top] == [(2, 1, 2, 3), (2,), (2, 1, 1, 2)]
    driven.layer.reset(*arrays())
    assert driven.forward()[2].tolist() == [[[[2, 3]]]] * 2
    dims = np.array([[1, 2], [2, 1], [1, 1], [2, 2]], 'f').reshape(4, 1, 1, 2)
    driven.layer.reset(*arrays(), dims)
    assert np.array_equal(driven.forward()[2], dims[:2])
    assert np.array_equal(driven.forward()[2], dims[2:])
    with pytest.raises(ValueError, match=r'data_dim has shape \[3, 2\]; expected height and width'):
        driven.layer.reset(*arrays(), np.ones((3, 2)))
