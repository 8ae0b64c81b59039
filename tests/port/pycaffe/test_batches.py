"""port.pycaffe.batches: more items than a batch, and arrays for MemoryData."""

import numpy as np
import pytest

import port.pycaffe as caffe

MEMORY = '''
layer { name: "data" type: "MemoryData" top: "data" top: "label"
        memory_data_param { batch_size: 2 channels: 1 height: 2 width: 3 } }
layer { name: "twice" type: "Power" bottom: "data" top: "twice" power_param { scale: 2 } }
'''


def test_forward_all_fills_up_and_cuts_off(forked) -> None:
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    out = forked.forward_all(blobs=['y'], x=x)
    assert out['y'].tolist() == (5 * x).tolist()
    assert np.allclose(out['z'], 5 * x @ forked.params['fc'][0].data.T, atol=1e-4)
    assert len(forked.forward_all(x=x[:4])['z']) == 4


def test_forward_backward_all(forked) -> None:
    x = np.arange(9, dtype=np.float32).reshape(3, 3)
    dz = np.ones((3, 4), np.float32)
    outs, diffs = forked.forward_backward_all(blobs=['y'], diffs=['y'], x=x, z=dz)
    assert outs['y'].tolist() == (5 * x).tolist() and outs['z'].shape == (3, 4)
    dy = dz @ forked.params['fc'][0].data
    assert np.allclose(diffs['y'], dy, atol=1e-5)
    assert np.allclose(diffs['x'], 5 * dy, atol=1e-4)


def test_set_input_arrays(write) -> None:
    net = caffe.Net(write(MEMORY), caffe.TEST)
    data = np.arange(24, dtype=np.float32).reshape(4, 1, 2, 3)
    net.set_input_arrays(data, np.arange(4, dtype=np.float32))
    for start in (0, 2, 0):
        out = net.forward(blobs=['label'])
        assert out['twice'].tolist() == (2 * data[start:start + 2]).tolist()
        assert net.blobs['label'].data.ravel().tolist() == [start, start + 1]


GOOD = np.zeros((4, 1, 2, 3), np.float32)
LABELS = np.zeros(4, np.float32)


@pytest.mark.parametrize(('data', 'labels', 'message'), [
    (GOOD.astype(float), LABELS, 'data array must be float32'),
    (GOOD[:, 0], LABELS, 'data array must be 4-d'),
    (np.asfortranarray(np.zeros((4, 1, 3, 3), 'f'))[:, :, :2], LABELS, 'must be C contiguous'),
    (np.zeros((4, 2, 2, 3), 'f'), LABELS, 'data array has wrong number of channels'),
    (np.zeros((4, 1, 3, 3), 'f'), LABELS, 'data array has wrong height'),
    (np.zeros((4, 1, 2, 2), 'f'), LABELS, 'data array has wrong width'),
    (GOOD, LABELS.astype(int), 'labels array must be float32'),
    (GOOD, LABELS[:2], 'data and labels must have the same first dimension'),
    (GOOD[:3], LABELS[:3], 'first dimensions of input arrays must be a multiple of batch size')])
def test_arrays_that_are_refused(write, data, labels, message) -> None:
    net = caffe.Net(write(MEMORY), caffe.TEST)
    with pytest.raises(RuntimeError, match=message):
        net.set_input_arrays(data, labels)


def test_only_memory_data_takes_arrays(forked) -> None:
    with pytest.raises(RuntimeError, match='only be called if the first layer is a Memory'):
        forked.set_input_arrays(GOOD, LABELS)
