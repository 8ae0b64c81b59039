"""port.reproduce.pace: a few steps, measured, that leave nothing behind."""

from pathlib import Path

import pytest

from port.reproduce import pace

NET = '''layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 2 dim: 3 } shape { dim: 2 dim: 1 } data_filler { value: 1 } data_filler { value: 2 }
} }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param {
  num_output: 1 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "label" top: "loss" }
'''


def test_a_step_is_measured(tmp_path: Path) -> None:
    (tmp_path / 'net.prototxt').write_text(NET)
    (tmp_path / 'solver.prototxt').write_text(
        'net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 9 snapshot: 1 '
        'snapshot_prefix: "s"')
    assert 0 < pace.seconds_a_step(tmp_path / 'solver.prototxt') < 1
    assert {path.name for path in tmp_path.iterdir()} == {'net.prototxt', 'solver.prototxt'}


def test_scorings_count() -> None:
    assert pace.training_seconds(2.0, 100, 4, 30) == pytest.approx(2 * (100 + 4 * 30 / 3))
