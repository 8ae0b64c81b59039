"""BatchNorm and Scale folded into what comes before: same numbers, fewer nodes."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from netspec.schema import parse_net
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.export.onnx_file import export, random_weights

SAME = 2e-5         # of the largest value: float32 products in another order
DATA = ('layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 3 dim: 9 '
        'dim: 9 } } }')
CONV = ('layer { name: "c" type: "Convolution" bottom: "d" top: "c" convolution_param { '
        'num_output: 5 kernel_size: 3 bias_term: %s weight_filler { type: "xavier" } } }')
NORM = 'layer { name: "n" type: "BatchNorm" bottom: "%s" top: "%s" }'
SCALE = ('layer { name: "s" type: "Scale" bottom: "%s" top: "%s" scale_param { bias_term: true '
         'filler { type: "uniform" min: 0.5 max: 2 } bias_filler { type: "uniform" max: 3 } } }')
RELU = 'layer { name: "r" type: "ReLU" bottom: "%s" top: "%s" }'


@pytest.mark.parametrize(('text', 'kinds'), [
    (CONV % 'true' + NORM % ('c', 'c') + SCALE % ('c', 'c') + RELU % ('c', 'c'),
     {'Conv': 1, 'Relu': 1}),
    (CONV % 'false' + NORM % ('c', 'n') + SCALE % ('n', 's'), {'Conv': 1}),
    (CONV % 'false' + SCALE % ('c', 's') + RELU % ('s', 's') + NORM % ('s', 'n'),
     {'Conv': 1, 'Relu': 1, 'BatchNormalization': 1}),
    (NORM % ('d', 'n') + SCALE % ('n', 's'), {'BatchNormalization': 1}),
    # a value that is read twice, or given out, stays
    (CONV % 'true' + NORM % ('c', 'n') + RELU % ('c', 'r'),
     {'Conv': 1, 'BatchNormalization': 1, 'Relu': 1}),
    (CONV % 'true' + 'layer { name: "x" type: "Bias" bottom: "c" top: "x" bias_param { axis: 3 '
     'filler { type: "uniform" max: 3 } } }', {'Conv': 1, 'Add': 1})],
    ids=['in place', 'conv', 'scale first', 'no conv', 'two readers', 'along the columns'])
def test_fewer_nodes_same_numbers(text: str, kinds: dict[str, int], tmp_path: Path) -> None:
    net = Net(parse_net(DATA + text), TEST)
    random_weights(net, 3)
    path = export(net, tmp_path / 'm.onnx')
    assert Counter(n.op_type for n in onnx.load(path).graph.node) == kinds
    x = np.random.RandomState(1).uniform(-2, 2, (2, 3, 9, 9)).astype('f')
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    found = session.run(None, {'d': x})
    for name, value in zip(net.outputs, found, strict=True):
        wanted = net.forward(d=x)[name].numpy()
        assert np.abs(value - wanted).max() <= SAME * np.abs(wanted).max()


def test_shared_weights_are_not_changed_for_others(tmp_path: Path) -> None:
    conv = ('layer { name: "%s" type: "Convolution" bottom: "d" top: "%s" param { name: "w" } '
            'param { name: "b" } convolution_param { num_output: 5 kernel_size: 3 } }')
    net = Net(parse_net(DATA + conv % ('c', 'c') + conv % ('e', 'e') + SCALE % ('c', 's')), TEST)
    random_weights(net, 3)
    path = export(net, tmp_path / 'm.onnx')
    x = np.random.RandomState(1).uniform(-2, 2, (1, 3, 9, 9)).astype('f')
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    wanted = net.forward(d=x)
    for name, value in zip(net.outputs, session.run(None, {'d': x}), strict=True):
        np.testing.assert_allclose(value, wanted[name], rtol=0, atol=1e-4)
