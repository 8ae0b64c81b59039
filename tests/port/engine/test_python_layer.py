"""PythonLayer by itself: what pycaffe's Layer offers before a net takes it."""

import pytest

from netspec.schema.messages import LayerParameter, PythonParameter
from port.engine.python_layer import BlobVec, PythonLayer


def test_takes_its_name_and_param_str():
    layer = PythonLayer(LayerParameter(name='x', python_param=PythonParameter(param_str='7')))
    assert (layer.name, layer.param_str, layer.param_str_, layer.phase) == ('x', '7', '7', 0)
    assert PythonLayer().param_str == '' and PythonLayer.type == 'Python'


def test_blobs_grow_and_are_numpy():
    blobs = BlobVec()
    blobs.add_blob(2, 3)
    blobs.add_blob(1)
    blobs[0].data[...] = 5
    assert [b.data.shape for b in blobs] == [b.data.shape for b in blobs[:]] == [(2, 3), (1,)]
    assert blobs[0].data.sum() == 30 and not blobs[-1].data.any() and len(blobs) == 2


@pytest.mark.parametrize('step', ['setup', 'reshape', 'forward'])
def test_each_step_must_be_written(step):
    with pytest.raises(NotImplementedError, match=f'PythonLayer must define {step}'):
        getattr(PythonLayer(), step)([], [])


def test_backward_may_be_left_out_where_nothing_asks():
    PythonLayer().backward([], [False], [])
    with pytest.raises(NotImplementedError, match='must define backward'):
        PythonLayer().backward([], [True], [])
