"""Models opened by a specification: our executor, ONNX Runtime and OpenCV give the same scores."""

from pathlib import Path

import numpy as np
import pytest

from netspec.families import make_net
from netspec.schema import print_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.export.onnx_file import export, random_weights
from port.scoring.executors import Executor, choose, mean_of, open_executor, planes_of

WIDTH = 1 / 16
SINGLE = [name for name, row in VARIANTS.items()
          if len(row.inputs) == 1 and 'segnet' not in name       # OpenCV has no Upsample,
          and row.trunk != 'resnet34'                            # and no pooling that rounds down
          and row.grid == 1]
# OpenCV's convolutions (Winograd's) are coarser than float32 sums in another order.
COARSE = 1e-4
RGB = np.random.RandomState(2).randint(0, 256, (40, 51, 3)).astype(np.uint8)


def write(folder: Path, name: str) -> tuple[str, str]:
    """Write a narrow net and drawn weights; return prototxt and caffemodel."""
    param = make_net(name, 'deploy', width=WIDTH)
    net = Net(param, TEST)
    random_weights(net, 5)
    (folder / 'net.prototxt').write_text(print_net(param))
    net.save(folder / 'net.caffemodel')
    return str(folder / 'net.prototxt'), str(folder / 'net.caffemodel')


def outputs(*executors: Executor, rgb: np.ndarray = RGB) -> list[np.ndarray]:
    data = planes_of(rgb, np.array([100., 110., 120.]))
    return [e.run(rgb, data) for e in executors]


@pytest.mark.parametrize('name', SINGLE)
def test_opencv_loads_what_we_write_and_agrees(name: str, tmp_path: Path) -> None:
    pytest.importorskip('cv2')
    model, weights = write(tmp_path, name)
    one, other = (open_executor(s) for s in (f'{model}:{weights}', f'opencv:{model}:{weights}'))
    frame = VARIANTS[name].frame
    large = frame or ((72, 83) if VARIANTS[name].trunk == 'googlenet' else None)
    rgb = np.resize(RGB, (*large, 3)) if large else RGB
    mine, theirs = outputs(one, other, rgb=rgb)
    assert mine.shape == theirs.shape == (VARIANTS[name].classes, *rgb.shape[:2])
    assert np.abs(mine - theirs).max() <= COARSE * np.abs(mine).max()


def test_name_file_and_onnx_agree(tmp_path: Path) -> None:
    model, weights = write(tmp_path, 'siftflow-fcn16s')
    net = Net(model, TEST, weights=weights)
    path = export(net, tmp_path / 'm.onnx', 'siftflow-fcn16s')
    by_name = open_executor(f'siftflow-fcn16s:{weights}', WIDTH)
    by_file, onnx = open_executor(f'{model}:{weights}'), open_executor(str(path))
    a, b, c = outputs(by_name, by_file, onnx)
    assert a.shape == (33, 40, 51) and np.array_equal(a, b)
    assert np.abs(a - c).max() <= 2e-5 * np.abs(a).max()
    assert by_name.mean == onnx.mean == VARIANTS['siftflow-fcn16s'].mean and by_file.mean is None
    assert by_name.names == onnx.names and len(onnx.names) == 33
    geometric = open_executor(str(path), output='score_geo')
    assert outputs(geometric)[0].shape == (3, 40, 51) and len(geometric.names) == 3


def test_onnx_with_preprocessing_takes_pixels(tmp_path: Path) -> None:
    model, weights = write(tmp_path, 'camvid-fcn32s')
    net = Net(model, TEST, weights=weights)
    path = export(net, tmp_path / 'm.onnx', 'camvid-fcn32s', preprocess=True, argmax=True)
    pixels, ours = open_executor(str(path)), open_executor(f'{model}:{weights}')
    data = planes_of(RGB, np.array(VARIANTS['camvid-fcn32s'].mean))
    labels, scores = pixels.run(RGB, data), ours.run(RGB, data)
    assert (labels == scores.argmax(0)).mean() >= .9999


def test_planes_are_bgr_less_the_mean() -> None:
    planes = planes_of(np.array([[[10, 20, 30]]], np.uint8), np.array([1., 2., 3.]))
    assert planes.shape == (1, 3, 1, 1) and planes.ravel().tolist() == [29, 18, 7]


def test_which_mean() -> None:
    one, other, none = (Executor(n, None, m) for n, m in (('a', (1., 2., 3.)), ('b', (4., 5., 6.)),
                                                          ('c', None)))
    assert mean_of([one, none], None).tolist() == [1, 2, 3]
    assert mean_of([one, other], (7., 8., 9.)).tolist() == [7, 8, 9]
    with pytest.raises(ValueError, match='different means'):
        mean_of([one, other], None)
    with pytest.raises(ValueError, match='give --mean'):
        mean_of([none, none], None)


def test_which_output() -> None:
    assert choose('m', ['score_geo', 'score_sem'], None) == 'score_sem'
    assert choose('m', ['aux', 'score'], None) == 'score'
    assert choose('m', ['label'], 'score') == 'label'
    assert choose('m', ['prob'], None) == 'prob'
    with pytest.raises(ValueError, match="m: has no output 'x'; its outputs are prob"):
        choose('m', ['prob'], 'x')


def test_refusals(tmp_path: Path) -> None:
    for spec in (':w', 'opencv:net.prototxt'):
        with pytest.raises(ValueError, match='is no model; expected NET:WEIGHTS'):
            open_executor(spec)
    with pytest.raises(ValueError, match="'voc-fcn8s' names no weights; expected NET:WEIGHTS"):
        open_executor('voc-fcn8s')
    with pytest.raises(KeyError, match='did you mean'):
        open_executor('voc-fcn8:w.caffemodel')
    with pytest.raises(FileNotFoundError, match='none.onnx'):
        open_executor(str(tmp_path / 'none.onnx'))
    (tmp_path / 'bad.onnx').write_bytes(b'no model')
    with pytest.raises(ValueError, match='ONNX Runtime does not load it'):
        open_executor(str(tmp_path / 'bad.onnx'))
    model, weights = write(tmp_path, 'nyud-fcn32s-color-hha')
    with pytest.raises(ValueError, match=r'takes 2 inputs \(color, hha\)'):
        open_executor(f'{model}:{weights}')
