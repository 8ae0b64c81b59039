"""Nets that undo pooling: ties between maxima move by rounding and are seen as such, no other."""

from pathlib import Path

import numpy as np
import pytest

from netspec.schema.messages import TEST
from port.engine.net import Net
from port.export import agreement as onnx_compare
from port.export.onnx_file import compare, export, holds
from port.export.unpooling import Unpooling, masks

ROOT = Path(__file__).resolve().parents[3]
NET = '''name: "undo" layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 1 dim: 4 dim: 6 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" top: "mask"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "score"
  upsample_param { scale: 2 } }'''


@pytest.fixture
def undo(tmp_path: Path) -> Net:
    (tmp_path / 'undo.prototxt').write_text(NET)
    return Net(tmp_path / 'undo.prototxt', TEST)


@pytest.mark.parametrize(('gap', 'counts'), [(0, (0, 0)), (1e-6, (3, 0)), (1e-2, (0, 3))])
def test_ties_move_and_others_are_astray(undo: Net, tmp_path: Path, gap: float,
                                         counts: tuple[int, int],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime is given three pictures in which another value of one window is the largest."""
    def pictures(net, given, batch, size, rng) -> tuple[dict, dict]:
        ours = rng.uniform(0, 1, (batch, 1, *size)).astype('f')
        ours[:, :, 0, 0] = 2
        ours[:, :, 1, 1] = 2 - gap / 2
        theirs = ours.copy()
        theirs[:, :, 1, 1] = 2 + gap / 2 if gap else 0
        return {'data': ours}, {'data': theirs}
    monkeypatch.setattr(onnx_compare, '_pictures', pictures)
    (row,) = compare(undo, export(undo, tmp_path / 'm.onnx'), [(4, 6)])
    assert (row.moved, row.astray) == counts
    assert holds([row]) == (gap < 1e-2)
    assert undo.after_forward == []


def test_masks_that_name_no_place_are_astray(undo: Net) -> None:
    unpooling = Unpooling(undo, 1e-5)
    data = np.arange(24, dtype='f').reshape(1, 1, 4, 6)
    unpooling.forward({'data': data}, [np.full((1, 1, 2, 3), 99, 'f')])
    assert (unpooling.moved, unpooling.astray) == (0, 6)


def trained() -> Net:
    """Return the trained camvid-segnet-basic."""
    name = 'camvid-segnet-basic'
    return Net(ROOT / 'prototxt' / name / 'deploy.prototxt', TEST,
               weights=ROOT / 'weights' / name / f'{name}.caffemodel')


def test_rounding_in_segnet_is_no_disagreement(tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain areas that differ by a millionth between the two: nearly all maxima there move."""
    def pictures(net, given, batch, size, rng) -> tuple[dict, dict]:
        plain = np.full((batch, 3, *size), 60, 'f')
        plain[..., size[1] // 2:] = -40
        ours, theirs = (plain + rng.uniform(0, 5e-5, plain.shape).astype('f') for _ in 'ab')
        return {'data': ours}, {'data': theirs}
    monkeypatch.setattr(onnx_compare, '_pictures', pictures)
    net = trained()
    assert list(masks(net).values()) == [f'pool{i}_mask' for i in range(1, 5)]
    path = export(net, tmp_path / 'm.onnx', 'camvid-segnet-basic')
    (row,) = compare(net, path, [(24, 32)])
    assert holds([row]) and row.moved > 1000
    with monkeypatch.context() as patch:             # each with the maxima of its own
        patch.setattr(onnx_compare, 'with_masks', lambda net, path: str(path))
        patch.setattr('port.export.unpooling.masks', lambda net: {})
        (row,) = compare(net, path, [(24, 32)])
    assert row.relative > 1e-2 and not holds([row])


@pytest.mark.slow
def test_the_trained_segnet_agrees(tmp_path: Path) -> None:
    """With its own masks in either the scores differ by 2e-3 of the largest, at 21 maxima."""
    net = trained()
    rows = compare(net, export(net, tmp_path / 'm.onnx', 'camvid-segnet-basic'), [(360, 480)], 1337)
    assert holds(rows) and rows[0].relative < 1e-5
