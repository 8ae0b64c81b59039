"""Labels tile by tile: the files of fcn infer on the whole picture, and what that takes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.named_net import find_net
from netspec.schema import parse_net
from netspec.schema.messages import TEST
from port.data.label_pictures import make_palette
from port.data.legend import legend
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast.tiles import TiledNet
from port.predict.labelled import Predictor
from port.predict.predictor import predictor
from port.predict.tiled import TiledLabels, opened

MEAN = (104.0, 116.7, 122.7)
LARGEST = 1e-5               # of the largest score: float32 sums in another order


@pytest.fixture(scope='module')
def net() -> Net:
    found = Net(find_net('voc-fcn8s').deploy(0.03125, None), TEST)
    random_weights(found, 1)
    return found


@pytest.fixture(scope='module')
def rgb() -> np.ndarray:
    return np.random.RandomState(5).randint(0, 256, (70, 131, 3)).astype(np.uint8)


def test_the_predictor_joins_tiles(net: Net, rgb) -> None:
    whole, cut = predictor(net, mean=MEAN), predictor(net, mean=MEAN, tile=(40, 50))
    x = np.stack([whole.planes(rgb), whole.planes(rgb[::-1])])
    scores = whole(x)
    for found in (cut(x), predictor(net, mean=MEAN, tile='auto')(x)):
        assert found.shape == scores.shape
        assert float(abs(found - scores).max()) <= LARGEST * float(abs(scores).max())


@pytest.mark.parametrize('tile', [(0, 4), 'large', 5, (4,)])
def test_what_is_no_tile(net: Net, tile) -> None:
    with pytest.raises(ValueError, match=r"expected \(height, width\) or 'auto'"):
        predictor(net, tile=tile)


def test_a_net_that_sees_the_whole_image_is_refused_by_its_layer() -> None:
    glance = parse_net('layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 '
                       'dim: 3 dim: 40 dim: 40 } } } layer { name: "glance" type: "MVN" bottom: '
                       '"data" top: "z" }')
    with pytest.raises(ValueError, match="cannot be run in tiles: layer 'glance'"):
        predictor(Net(glance, TEST), tile='auto')


@pytest.mark.parametrize('kind', ['png', 'tif'])
def test_files_are_those_of_the_whole_picture(kind: str, net: Net, rgb, tmp_path: Path) -> None:
    path = tmp_path / f'a.{kind}'
    Image.fromarray(rgb).save(path)
    label = TiledLabels(TiledNet(net, 'score'), predictor(net, mean=MEAN).planes, (30, 64))
    with opened(path) as picture:
        plan = label.plan((picture.height, picture.width))
        label(picture, plan, tmp_path / 'l.png', tmp_path / 'o.png', make_palette(21))
    assert len(plan.tiles) == 9 and '9 tile(s) of up to 30x64' in str(plan)
    whole = Predictor(net, MEAN)(rgb)
    labels = np.asarray(Image.open(tmp_path / 'l.png'))
    assert np.array_equal(labels, whole) and len(np.unique(labels)) > 1
    overlay = np.asarray(Image.open(tmp_path / 'o.png'))
    picture = overlay[:70]
    assert np.array_equal(picture[labels == 0], rgb[labels == 0])
    assert np.array_equal(overlay[70:], np.asarray(legend(labels, (), make_palette(21), 131)))


def test_a_failure_leaves_no_file(net: Net, rgb, tmp_path: Path) -> None:
    path = tmp_path / 'a.png'
    Image.fromarray(rgb).save(path)
    label = TiledLabels(TiledNet(net, 'score'), predictor(net, mean=MEAN).planes, (30, 64))
    with opened(path) as picture, pytest.raises(ZeroDivisionError):
        plan = label.plan((picture.height, picture.width))
        read = picture.read
        picture.read = lambda top, *rest: read(top, *rest) if top < 40 else 1 / 0
        label(picture, plan, tmp_path / 'l.png', tmp_path / 'o.png', make_palette(21))
    assert [p.name for p in tmp_path.iterdir()] == ['a.png']


@pytest.mark.slow
def test_memory_stays_what_was_said(tmp_path: Path) -> None:
    """1200 x 1600 by a process that may take 480 MB, more than one tile's worth."""
    tifffile = pytest.importorskip('tifffile')
    path = tmp_path / 'large.tif'
    rows = np.random.RandomState(0).randint(0, 256, (1200, 1600, 3)).astype(np.uint8)
    tifffile.imwrite(path, rows, photometric='rgb', tile=(256, 256))
    named = Net(find_net('voc-fcn8s').deploy(0.125, None), TEST)
    random_weights(named, 1)
    named.save(tmp_path / 'w.caffemodel')
    status = Path('/proc/self/status')      # getrusage would count the memory of who started it
    if not status.exists():
        pytest.skip('only Linux tells the most memory that one process had')
    text = ('import sys; from port.cli import main\n'
            'try: main(sys.argv[1:])\n'
            f"finally: print(1024 * int(open('{status}').read().split('VmHWM:')[1].split()[0]))")
    done = subprocess.run(
        [sys.executable, '-c', text, 'infer', 'voc-fcn8s', '--width', '0.125', path, '--weights',
         tmp_path / 'w.caffemodel', '--out', tmp_path / 'out', '--memory', '480M'],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) <= 480e6, done.stdout
    assert np.asarray(Image.open(tmp_path / 'out' / 'large.png')).shape == (1200, 1600)


def test_a_net_that_takes_no_single_pixel(tmp_path: Path) -> None:
    """SqueezeNet's first poolings leave nothing of it."""
    found = Net(find_net('camvid-fcn16s-squeezenet').deploy(0.125, None), TEST)
    random_weights(found, 1)
    label = TiledLabels(TiledNet(found, 'score'), predictor(found, mean=MEAN).planes, (60, 60))
    rgb = np.random.RandomState(5).randint(0, 256, (90, 80, 3)).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / 'a.png')
    with opened(tmp_path / 'a.png') as picture:
        label(picture, label.plan((90, 80)), tmp_path / 'l.png', tmp_path / 'o.png',
              make_palette(11))
    assert np.array_equal(np.asarray(Image.open(tmp_path / 'l.png')), Predictor(found, MEAN)(rgb))
