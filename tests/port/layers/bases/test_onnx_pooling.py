"""Pooling as ONNX nodes: Caffe's size, clip rule and divisor at every size, by plain loops."""

from math import ceil

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from netspec.schema.messages import PoolingParameter
from netspec.window import PoolWindow
from port.layers.bases.onnx_pooling import add_pool
from port.onnx.graph_builder import Graph

LOWEST = np.finfo(np.float32).min


def plain(x: np.ndarray, average: bool, kernel: int, stride: int, pad: int,
          up: bool, apart: int = 1) -> np.ndarray:
    """Pool each plane of x as Caffe's loops do; the places of a window lie `apart`."""
    counts, reach = [], (kernel - 1) * apart + 1
    for n in x.shape[2:]:
        rest = (n + 2 * pad - reach) / stride
        count = int(ceil(rest) if up else np.floor(rest)) + 1
        if pad and (count - 1) * stride >= n + pad:
            count -= 1
        counts.append(count)
    y = np.empty((*x.shape[:2], *counts), np.float32)
    for i in range(counts[0]):
        for j in range(counts[1]):
            spans = []
            divisor = 1
            for o, n in ((i, x.shape[2]), (j, x.shape[3])):
                start = o * stride - pad
                places = [start + k * apart for k in range(kernel) if start + k * apart < n + pad]
                divisor *= len(places)
                spans.append([place for place in places if 0 <= place < n])
            window = x[:, :, spans[0]][..., spans[1]]
            y[:, :, i, j] = (window.sum((2, 3)) / divisor if average else
                             window.max((2, 3)) if window.size else LOWEST)
    return y


def session(param: PoolingParameter, kernel: int, stride: int, pad: int,
            apart: int = 1) -> onnxruntime.InferenceSession:
    g = Graph(['x', 'y'])
    g.layer, g.shapes = 'pool', {'x': ('n', 2, 'h', 'w')}
    held = PoolWindow(*((n, n) for n in (kernel, stride, pad, apart)))
    add_pool(g, param, held, 'x', ['y'])
    nodes = [helper.make_node(op.kind, op.inputs, op.outputs, **op.attributes) for op in g.ops]
    graph = helper.make_graph(
        nodes, 'pool', [helper.make_tensor_value_info('x', TensorProto.FLOAT, ['n', 2, 'h', 'w'])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, None)],
        [numpy_helper.from_array(a, name) for name, a in g.constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(),
                                        providers=['CPUExecutionProvider'])


WINDOWS = [(2, 2, 0), (3, 2, 0), (3, 2, 1), (2, 2, 1), (3, 3, 2), (3, 1, 1), (5, 3, 2), (4, 2, 3),
           (1, 1, 0), (2, 3, 1), (3, 2, 2)]


@pytest.mark.parametrize('up', [True, False], ids=['ceil', 'floor'])
@pytest.mark.parametrize('average', [True, False], ids=['AVE', 'MAX'])
@pytest.mark.parametrize(('kernel', 'stride', 'pad'), [*WINDOWS, (1, 2, 0), (2, 5, 0)])
def test_every_size(kernel: int, stride: int, pad: int, average: bool, up: bool) -> None:
    param = PoolingParameter(
        pool=PoolingParameter.AVE if average else PoolingParameter.MAX,
        round_mode=PoolingParameter.CEIL if up else PoolingParameter.FLOOR)
    if average and up and stride > kernel and not pad:
        with pytest.raises(ValueError, match='stride above the kernel'):
            session(param, kernel, stride, pad)
        return
    run = session(param, kernel, stride, pad)
    random = np.random.RandomState(3)
    for height in range(kernel, kernel + 2 * stride + 3):
        for width in (kernel, kernel + 1, 11):
            x = random.standard_normal((1, 2, height, width)).astype('f')
            found, wanted = run.run(None, {'x': x})[0], plain(x, average, kernel, stride, pad, up)
            assert found.shape == wanted.shape, x.shape
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize('up', [True, False], ids=['ceil', 'floor'])
@pytest.mark.parametrize('average', [True, False], ids=['AVE', 'MAX'])
@pytest.mark.parametrize(('kernel', 'stride', 'pad', 'apart'), [
    (2, 1, 0, 2), (3, 1, 0, 4), (3, 1, 2, 2), (3, 1, 4, 4), (2, 2, 1, 3), (3, 2, 1, 2)])
def test_windows_with_holes(kernel: int, stride: int, pad: int, apart: int, average: bool,
                            up: bool) -> None:
    """A pad as large as the kernel is among them: ONNX Runtime wants it smaller."""
    param = PoolingParameter(
        pool=PoolingParameter.AVE if average else PoolingParameter.MAX,
        round_mode=PoolingParameter.CEIL if up else PoolingParameter.FLOOR)
    run, reach = session(param, kernel, stride, pad, apart), (kernel - 1) * apart + 1
    random = np.random.RandomState(4)
    for height in range(reach, reach + 4):
        for width in (reach, 13):
            x = random.standard_normal((2, 2, height, width)).astype('f')
            wanted = plain(x, average, kernel, stride, pad, up, apart)
            found = run.run(None, {'x': x})[0]
            assert found.shape == wanted.shape, x.shape
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


def test_plain_pooling_needs_no_extra_node() -> None:
    for pool in (PoolingParameter.MAX, PoolingParameter.AVE):
        g = Graph()
        g.layer, g.shapes = 'pool', {'x': ('n', 2, 'h', 'w')}
        add_pool(g, PoolingParameter(pool=pool), PoolWindow((2, 2), (2, 2), (0, 0)), 'x', ['y'])
        assert len(g.ops) == 1 and not g.constants
