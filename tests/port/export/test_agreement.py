"""Comparison of an exported model with our executor: it sees what differs, and only that."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.export.agreement import TIE, Agreement, _agreeing, draw
from port.export.onnx_file import compare, export, holds, random_weights


@pytest.fixture(scope='module')
def net() -> Net:
    net = Net(fcn('voc-fcn8s', 'deploy', width=1 / 16), TEST)
    random_weights(net, 5)
    return net


def test_agreement(net: Net, tmp_path: Path) -> None:
    rows = compare(net, export(net, tmp_path / 'm.onnx', 'voc-fcn8s'), [(33, 61), (1, 5)])
    assert [row.size for row in rows] == [(33, 61), (1, 5)]
    assert [row.pixels for row in rows] == [3 * 33 * 61, 15]
    assert holds(rows) and all(row.agreement == 1 for row in rows)


@pytest.mark.parametrize(('factor', 'relative'), [(1.01, 0.01), (1.0003, 0.0003)])
def test_a_changed_weight_is_seen(net: Net, tmp_path: Path, factor: float,
                                  relative: float) -> None:
    path = export(net, tmp_path / 'm.onnx', 'voc-fcn8s')
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name.startswith('upscore8'):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)
                                                    * np.float32(factor), tensor.name))
    onnx.save(model, path)
    (row,) = compare(net, path, [(33, 40)])
    assert not holds([row]) and row.relative == pytest.approx(relative, rel=.3)


def test_ties_are_counted_apart() -> None:
    scores = np.zeros((1, 3, 1, 4), np.float32)
    scores[0, 0] = 1
    scores[0, 1, 0] = [1 - TIE / 2, 1 - 3 * TIE, 0, 0]
    labels = np.array([[[1, 1, 0, 2]]])
    assert _agreeing(scores, labels) == (1, 1)


@pytest.mark.parametrize(('relative', 'agreement', 'fine'), [
    (1e-5, 1.0, True), (2e-4, 1.0, False), (1e-5, 0.9998, False), (None, 0.99995, True)])
def test_limits(relative: float | None, agreement: float, fine: bool) -> None:
    assert holds([Agreement((1, 1), relative, relative, agreement, 10, 0)]) is fine


def test_pictures_are_not_flat() -> None:
    picture = draw(np.random.default_rng(1), (33, 250), 3)
    assert picture.shape == (33, 250, 3) and picture.dtype == np.uint8 and picture.std() > 20
