"""WindowData: which windows a batch holds, and their pixels against the plain case."""

import numpy as np
import pytest
from PIL import Image

from port.images.caffe_images import resize


@pytest.fixture
def source(tmp_path):
    """Two images 20 x 30, of one object and one background window each."""
    random = np.random.RandomState(0)
    lines = []
    for i in range(2):
        pixels = random.randint(0, 256, (20, 30, 3)).astype('u1')
        Image.fromarray(pixels).save(tmp_path / f'{i}.png')
        lines += [f'# {i}', f'{i}.png', '3', '20', '30', '3', f'{i + 5} 0.9 4 5 13 12',
                  '3 0.1 0 0 7 7', '3 0.5 1 1 2 2']
    (tmp_path / 'windows').write_text('\n'.join(lines))
    return tmp_path


def text(folder, extra='', transform='crop_size: 8'):
    return (f'type: "WindowData" top: "data" top: "label" window_data_param {{ source: '
            f'"{folder}/windows" root_folder: "{folder}/" batch_size: 8 fg_threshold: 0.6 '
            f'bg_threshold: 0.4 {extra} }} transform_param {{ {transform} }}')


def image(folder, i):
    return np.array(Image.open(folder / f'{i}.png'))[:, :, ::-1].transpose(2, 0, 1)


@pytest.mark.parametrize('fraction, objects', [(0.25, 2), (0.5, 4), (0.3, 2)])
def test_background_first_then_objects(drive, source, fraction, objects):
    driven = drive(text(source, f'fg_fraction: {fraction} scale: 0.5', 'crop_size: 8 '
                        'mean_value: 10'), [])
    data, labels = driven.forward()
    assert data.shape == (8, 3, 8, 8)
    assert not labels[:-objects].any() and set(labels[-objects:]) <= {5, 6}
    want = [(image(source, i)[:, :8, :8] - 10.0) / 2 for i in range(2)]
    assert all(any(np.allclose(d, w) for w in want) for d in data[:-objects])
    want = (resize(image(source, int(labels[-1]) - 5)[:, 5:13, 4:14], 8, 8) - 10.0) / 2
    np.testing.assert_allclose(data[-1], want)


def test_mirror_takes_both_sides(drive, source):
    driven = drive(text(source, transform='crop_size: 8 mirror: true'), [])
    data, _ = driven.forward()
    want = [image(source, i)[:, :8, :8] for i in range(2)]
    kinds = {(i, d) for part in data[:6] for i, w in enumerate(want) for d in (1, -1)
             if np.array_equal(part, w[:, :, ::d])}
    assert {d for _, d in kinds} == {1, -1}


def test_state_continues(drive, source):
    driven, other = drive(text(source), []), drive(text(source), [])
    driven.forward()
    other.layer.restore(driven.layer.state())
    np.testing.assert_array_equal(driven.forward()[0], other.forward()[0])


def test_refusals(drive, source):
    for spec, said in [(text(source, transform=''), 'crop_size } is the side'),
                       (text(source, 'context_pad: 4'), 'context_pad 4 on both sides leaves'),
                       (text(source, 'crop_mode: "round"'), "crop_mode is 'round'; expected"),
                       (text(source).replace('fg_threshold: 0.6', 'fg_threshold: 1'),
                        '0 object and 2 background windows')]:
        with pytest.raises(ValueError, match=said):
            drive(spec, [])
    (source / 'windows').write_text('# 0 0.png 3 20 30 2 1 0.9 0 0 40 7 3 0 0 0 2 2')
    with pytest.raises(ValueError, match='does not lie in the image of 30 x 20'):
        drive(text(source), [])
