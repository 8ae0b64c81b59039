"""Small nets for the tests of pycaffe's face."""

from pathlib import Path

import numpy as np
import pytest

import port.pycaffe as caffe

# x feeds two layers, so that an automatic split stands behind it.
FORKED = '''
name: "forked" force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "double" type: "Power" bottom: "x" top: "a" power_param { scale: 2 } }
layer { name: "triple" type: "Power" bottom: "x" top: "b" power_param { scale: 3 } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "y" }
layer { name: "fc" type: "InnerProduct" bottom: "y" top: "z"
        inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
'''

REGRESSION = '''
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
  shape { dim: 4 dim: 3 } shape { dim: 4 dim: 1 } data_filler { type: "constant" value: 1 }
  data_filler { type: "constant" value: 3 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "y"
        inner_product_param { num_output: 1 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }
'''


@pytest.fixture
def write(tmp_path: Path):
    """Write a prototxt; return its path as a string, as scripts give it."""
    def to_file(text: str, name: str = 'net.prototxt') -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)
    return to_file


@pytest.fixture
def forked(write) -> caffe.Net:
    """x -> 2 x and 3 x -> their sum y -> z, in TEST, with x = 0..5."""
    net = caffe.Net(write(FORKED), caffe.TEST)
    net.blobs['x'].data[...] = np.arange(6).reshape(2, 3)
    return net


@pytest.fixture
def solver_file(write, tmp_path: Path) -> str:
    """A solver for a net that learns to answer 3; its snapshots go to the test's folder."""
    net = write(REGRESSION)
    return write(f'net: "{net}" base_lr: 0.1 lr_policy: "fixed" max_iter: 10 momentum: 0.5 '
                 f'test_iter: 1 test_interval: 100 snapshot_prefix: "{tmp_path}/s"',
                 'solver.prototxt')
