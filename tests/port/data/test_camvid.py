"""port.data.camvid: SegNet's folders, .png or .jpg frames, void after the last class."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.camvid import CLASSES, MEAN, CamVidSegDataLayer, bare_name
from port.engine.blob import Blob


def build(root: Path, **params: object) -> tuple[CamVidSegDataLayer, list]:
    layer = CamVidSegDataLayer()
    layer.param_str = repr({'camvid_dir': str(root), 'split': 'val', **params})
    top = [Blob('data').face(), Blob('label').face()]
    layer.setup([], top)
    return layer, top


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Two frames, a .png and a .jpg, with labels that hold every class and void."""
    for folder in ('val', 'valannot'):
        (tmp_path / folder).mkdir()
    Image.new('RGB', (4, 3), (10, 20, 30)).save(tmp_path / 'val/a.png')
    Image.new('RGB', (4, 3), (90, 90, 90)).save(tmp_path / 'val/b.jpg')
    for name in 'ab':
        Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(
            tmp_path / f'valannot/{name}.png')
    (tmp_path / 'val.txt').write_text('a\nb\n')
    return tmp_path


def test_frames_of_both_kinds_and_void_11(camvid: Path) -> None:
    layer, top = build(camvid)
    for blue, red in ((30, 10), (90, 90)):
        layer.reshape([], top)
        layer.forward([], top)
        assert top[0].data[0, 0, 0, 0] == np.float32(blue - MEAN[0])
        assert top[0].data[0, 2, 0, 0] == np.float32(red - MEAN[2])
        assert top[1].data.reshape(-1).tolist() == list(range(12))


def test_label_12_is_outside(camvid: Path) -> None:
    Image.fromarray(np.full((3, 4), 12, np.uint8)).save(camvid / 'valannot/a.png')
    with pytest.raises(ValueError, match=r'valannot/a\.png: label 12 at x=0, y=0 .*expected 0\.\.'
                                         r'10, or 11 for void'):
        build(camvid)[0].load(0)


def test_void_follows_the_classes_unless_it_is_named(camvid: Path) -> None:
    with pytest.raises(ValueError, match=r'label 6 .*0\.\.4, or 5 for void'):
        build(camvid, classes=5)[0].load(0)
    Image.fromarray(np.full((3, 4), 255, np.uint8)).save(camvid / 'valannot/a.png')
    assert (build(camvid, ignore_label=255)[0].load(0)[1] == 255).all()


def test_a_frame_that_is_missing_is_named(camvid: Path) -> None:
    (camvid / 'val/b.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'val/b\.png: no such image.*val\.txt:2'):
        build(camvid)[0].load(1)


@pytest.mark.parametrize('line', ['0001TP_006690', '0001TP_006690.png', '0001TP_006690.jpg',
                                  '/SegNet/CamVid/val/0001TP_006690.png /SegNet/CamVid/'
                                  'valannot/0001TP_006690.png'])
def test_names_in_every_form_of_list(line: str) -> None:
    assert bare_name(line) == '0001TP_006690'
    assert bare_name('seq.01') == 'seq.01'


@pytest.mark.data
def test_the_shared_frames_are_read(shared: Path) -> None:
    root = shared / 'camvid'
    if not root.is_dir():
        pytest.skip(f'{root} does not exist')
    layer, top = build(root)
    assert len(layer.indices) == 101 and len(CLASSES) == 11
    layer.reshape([], top)
    layer.forward([], top)
    name = (root / 'val.txt').read_text().split()[0]
    annot = np.asarray(Image.open(root / 'valannot' / f'{name}.png'))
    assert top[0].data.shape == (1, 3, 360, 480) and np.array_equal(top[1].data[0, 0], annot)
