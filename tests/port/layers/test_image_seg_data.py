"""ImageSegData: what each label_type reads, sizes, order, resuming, and what is refused; no
gradient. What is cut and padded is held in tests/port/images/test_pair_transformer.py.
"""

import numpy as np
import pytest
import torch
from PIL import Image

from port.data.label_pictures import make_palette
from port.engine.net import Net

SIZES = [(6, 8), (5, 9), (9, 5), (6, 8)]                       # height, width of four images


@pytest.fixture
def pairs(tmp_path):
    """Four images whose blue is 10 i, with labels i + 1 and a corner of 255; their list."""
    (tmp_path / 'images').mkdir()
    (tmp_path / 'labels').mkdir()
    for i, size in enumerate(SIZES):
        Image.fromarray(np.full((*size, 3), (3, 2, 10 * i), 'u1')).save(
            tmp_path / 'images' / f'{i}.png')
        labels = np.full(size, i + 1, 'u1')
        labels[0, 0] = 255
        Image.fromarray(labels).save(tmp_path / 'labels' / f'{i}.png')
    (tmp_path / 'list').write_text(''.join(
        f'/images/{i}.png /labels/{i}.png and more\n' for i in range(4)) + '\n')
    return tmp_path


def text(folder, extra: str = 'label_type: PIXEL', transform: str = 'crop_size: 12',
         prefetch: int = 2, source: str = 'list') -> str:
    return (f'type: "ImageSegData" top: "data" top: "label" top: "dim" image_data_param {{ '
            f'source: "{folder}/{source}" root_folder: "{folder}" batch_size: 2 {extra} }} '
            f'transform_param {{ {transform} }} data_param {{ prefetch: {prefetch} }}')


@pytest.mark.parametrize('prefetch', [0, 3])
def test_images_labels_and_sizes(drive, pairs, prefetch):
    driven = drive(text(pairs, prefetch=prefetch), [], 1)
    for turn in range(3):
        data, label, dim = driven.forward()
        assert data.shape == (2, 3, 12, 12) and label.shape == (2, 1, 12, 12)
        assert dim.shape == (2, 1, 1, 2)
        for k, i in enumerate([(2 * turn) % 4, (2 * turn + 1) % 4]):
            height, width = dim[k].ravel().astype(int)
            assert (height, width) == SIZES[i]
            assert data[k, :, height - 1, width - 1].tolist() == [10 * i, 2, 3]
            inside = label[k, 0, :height, :width]
            assert inside[0, 0] == 255 and set(inside.ravel()[1:]) == {i + 1}
            assert (label[k, 0].sum() - inside.sum()) == 255 * (144 - height * width)


def test_data_dim_is_at_most_the_crop(drive, pairs):
    _, _, dim = drive(text(pairs, transform='crop_height: 4 crop_width: 7'), [], 1).forward()
    assert dim.reshape(2, 2).tolist() == [[4, 7], [4, 7]]


def test_without_a_crop_an_image_keeps_its_size(drive, pairs):
    options = text(pairs, transform='').replace('batch_size: 2', 'batch_size: 1')
    driven = drive(options, [], 1)
    for size in SIZES:
        data, label, dim = driven.forward()
        assert data.shape[2:] == label.shape[2:] == size == tuple(dim.ravel())


@pytest.mark.parametrize('options, want', [
    ('label_type: IMAGE', 7), ('', 7), ('label_type: NONE', 255),
    ('label_type: NONE ignore_label: 9', 9), ('has_label: false', 255)])
def test_one_label_for_all_pixels(drive, pairs, options, want):
    """IMAGE is the default; without labels the list may name images alone."""
    line = '/images/0.png' + (' 7' if want == 7 else '')
    (pairs / 'plain').write_text(f'{line}\n{line}\n')
    _, label, _ = drive(text(pairs, options, source='plain'), [], 1).forward()
    assert set(label[0, 0, :6, :8].ravel()) == {want}
    assert label[0, 0, 11, 11] == (9 if want == 9 else 255)


def test_a_palette_is_read_as_its_indices(drive, pairs):
    picture = Image.fromarray(np.full(SIZES[0], 15, 'u1'))
    picture.putpalette(make_palette(256).ravel().tolist())
    picture.save(pairs / 'labels' / '0.png')
    _, label, _ = drive(text(pairs), [], 1).forward()
    assert set(label[0, 0, :6, :8].ravel()) == {15}


def test_new_height_and_width_keep_labels_whole(drive, pairs):
    """Labels are resized to the nearest, so that none is made up."""
    options = 'label_type: PIXEL new_height: 11 new_width: 7'
    data, label, dim = drive(text(pairs, options, ''), [], 1).forward()
    assert data.shape == (2, 3, 11, 7) and dim[0].ravel().tolist() == [11, 7]
    assert set(label[0].ravel()) == {1, 255}


def test_grey_images(drive, pairs):
    data, _, _ = drive(text(pairs, 'label_type: PIXEL is_color: false'), [], 1).forward()
    assert data.shape == (2, 1, 12, 12)


def test_two_tops_in_the_file_are_enough(pairs, tmp_path):
    spec = text(pairs).replace('top: "dim"', 'name: "data"')
    (tmp_path / 'net.prototxt').write_text(f'layer {{ {spec} }}')
    net = Net(str(tmp_path / 'net.prototxt'), 1)
    net.run_forward()
    assert set(net.blobs) == {'data', 'label'} and net.blobs['label'].shape == (2, 1, 12, 12)


def test_shuffle_shows_each_once_a_turn(drive, pairs):
    torch.manual_seed(1)
    driven = drive(text(pairs, 'label_type: PIXEL shuffle: true'), [], 1)
    seen = [int(v[0, 1, 1]) for _ in range(8) for v in driven.forward()[1]]
    turns = [tuple(seen[i:i + 4]) for i in range(0, 16, 4)]
    assert all(sorted(turn) == [1, 2, 3, 4] for turn in turns) and len(set(turns)) > 1


def test_state_continues_order_scales_and_crops(drive, pairs):
    spec = text(pairs, 'label_type: PIXEL shuffle: true',
                'crop_size: 4 mirror: true scale_factors: [0.8, 1, 1.5]')
    driven = drive(spec, [])
    driven.forward()
    state = driven.layer.state()
    want = [driven.forward() for _ in range(4)]
    other = drive(spec, [])
    other.layer.restore(state)
    for ours, theirs in zip([other.forward() for _ in range(4)], want, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize('line, options, words', [
    ('/images/0.png', 'label_type: PIXEL', 'list:1: expected `image label`, got'),
    ('/images/0.png', 'label_type: IMAGE', 'with a label from 0 to 255'),
    ('/images/0.png dog', 'label_type: IMAGE', 'with a label from 0 to 255'),
    ('/images/0.png 300', 'label_type: IMAGE', 'with a label from 0 to 255'),
    ('/images/0.png /labels/1.png', 'label_type: PIXEL',
     r'1.png \(listed in .*list:1\) is 9 x 5 but its image 8 x 6'),
    ('', 'label_type: PIXEL', 'the list of images is empty'),
    ('/images/0.png 1', 'ignore_label: -1', 'ignore_label is -1; expected 0 to 255')])
def test_lines_that_are_refused(drive, pairs, line, options, words):
    (pairs / 'list').write_text(line)
    with pytest.raises(ValueError, match=words):
        drive(text(pairs, options), [], 1)


def test_files_that_are_missing_and_no_gradient(drive, pairs):
    driven = drive(text(pairs), [], 1)
    assert driven.layer.backward(driven.top, [], []) is None        # nothing below
    with pytest.raises(ValueError, match='the items of a batch must have one size'):
        drive(text(pairs, transform=''), [], 1)
    (pairs / 'labels' / '0.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'no such label image \(listed in .*list:1\)'):
        drive(text(pairs), [], 1)
    with pytest.raises(FileNotFoundError, match='no such list of images'):
        drive(text(pairs, source='none'), [], 1)
