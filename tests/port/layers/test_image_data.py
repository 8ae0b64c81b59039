"""ImageData: order, labels, resizing, shuffling, resuming, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from port.images.caffe_images import resize


@pytest.fixture
def images(tmp_path):
    """Five images 'image 0.png' ... of 4 x 6 whose blue is 10 i; their list with labels 100 + i."""
    for i in range(5):
        pixels = np.full((4, 6, 3), (3, 2, 10 * i), 'u1')
        pixels[0, 0, 0] = 99
        Image.fromarray(pixels).save(tmp_path / f'image {i}.png')
    names = tmp_path / 'list.txt'
    names.write_text(''.join(f'image {i}.png {100 + i}\n' for i in range(5)) + '\n')
    return tmp_path


def text(folder, extra='', transform='', prefetch=2):
    return (f'type: "ImageData" top: "data" top: "label" image_data_param {{ source: '
            f'"{folder}/list.txt" root_folder: "{folder}/" batch_size: 2 {extra} }} '
            f'transform_param {{ {transform} }} data_param {{ prefetch: {prefetch} }}')


def labels(driven, passes):
    return [int(v) - 100 for _ in range(passes) for v in driven.forward()[1]]


@pytest.mark.parametrize('prefetch', [0, 1, 4])
def test_batches_follow_the_list_around(drive, images, prefetch):
    driven = drive(text(images, prefetch=prefetch), [])
    assert driven.top[0].shape == (2, 3, 4, 6) and driven.top[1].shape == (2,)
    data, _ = driven.forward()
    assert data[1, :, 1, 1].tolist() == [10, 2, 3] and data[0, 2, 0, 0] == 99
    assert labels(driven, 4) == [2, 3, 4, 0, 1, 2, 3, 4]


def test_grey_resize_and_transform(drive, images):
    data, _ = drive(text(images, 'new_height: 8 new_width: 3', 'scale: 0.5 mean_value: 3'),
                    []).forward()
    want = resize(np.array(Image.open(images / 'image 0.png'))[:, :, ::-1].transpose(2, 0, 1), 8, 3)
    np.testing.assert_allclose(data[0], (want - 3.0) * 0.5)
    assert drive(text(images, 'is_color: false'), []).forward()[0].shape == (2, 1, 4, 6)


def test_shuffle_shows_each_once_a_turn_and_follows_the_seed(drive, images):
    def order(seed):
        torch.manual_seed(seed)
        return labels(drive(text(images, 'shuffle: true'), []), 10)
    first = order(1)
    assert sorted(first[:5]) == sorted(first[5:10]) == [0, 1, 2, 3, 4]
    assert first[:5] != first[5:10] or first[:5] != first[10:15]
    assert order(1) == first and order(2) != first


def test_rand_skip_starts_later(drive, images):
    starts = set()
    for seed in range(20):
        torch.manual_seed(seed)
        starts.add(labels(drive(text(images, 'rand_skip: 3'), []), 1)[0])
    assert starts == {0, 1, 2}


def test_state_continues_order_and_crops(drive, images):
    spec = text(images, 'shuffle: true', 'crop_size: 2 mirror: true')
    driven = drive(spec, [])
    labels(driven, 3)
    state = driven.layer.state()
    want = [driven.forward() for _ in range(4)]
    other = drive(spec, [])
    other.layer.restore(state)
    for ours, theirs in zip([other.forward() for _ in range(4)], want, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match='over 9 items but the source has 5'):
        other.layer.restore({**state, 'count': 9})


def test_refusals(drive, images):
    Image.new('RGB', (3, 3)).save(images / 'image 1.png')
    with pytest.raises(ValueError, match='the items of a batch must have one size'):
        drive(text(images), [])
    (images / 'image 0.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'no such image \(listed in .*list.txt:1\)'):
        drive(text(images), [])
    for line, said in [('a.png', 'list.txt:1: expected `path label`'),
                       ('a.png b', 'list.txt:1: expected `path label`'), ('', 'is empty')]:
        (images / 'list.txt').write_text(line)
        with pytest.raises(ValueError, match=said):
            drive(text(images), [])
    with pytest.raises(ValueError, match='expected both or neither'):
        drive(text(images, 'new_height: 3'), [])
    with pytest.raises(FileNotFoundError, match='no such list of images'):
        drive(text(images / 'absent'), [])
