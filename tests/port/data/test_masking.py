"""port.data.masking: what is hidden, pixel by pixel; and through a data layer."""

from pathlib import Path

import numpy as np
import pytest

from port.data.masking import check_mask, hide
from port.data.scenes import draw_dataset
from port.data.voc import MEAN, VOCSegDataLayer
from port.engine.blob import Blob

IMAGE = np.arange(1, 13, dtype=np.float32).reshape(3, 2, 2)
LABEL = np.array([[[0, 5], [255, 20]]], np.uint8)      # background, two classes, void


@pytest.mark.parametrize(('mask', 'kept'), [
    ('foreground', [[1, 0], [0, 0]]), ('background', [[0, 1], [0, 1]])])
def test_hidden_pixels_are_the_mean(mask, kept) -> None:
    assert np.array_equal(hide(IMAGE, LABEL, mask, 21, np.zeros(3)), IMAGE * np.array(kept))


def test_of_both_only_the_shape_is_left() -> None:
    out = hide(IMAGE, LABEL, 'both', 21, np.array([100., 110., 120.]))
    assert np.array_equal(out[0], [[0, 155], [0, 155]])
    assert np.array_equal(out[2], [[0, 135], [0, 135]])


def test_a_data_layer_masks_as_it_is_told(tmp_path: Path) -> None:
    root = draw_dataset(tmp_path, 2, 1, (24, 32)) / 'pascal/VOC2011'
    found = {}
    for mask in ('', 'background'):
        layer = VOCSegDataLayer()
        layer.param_str = repr({'voc_dir': str(root), 'split': 'train', 'mean': MEAN, 'seed': 1,
                                **({'mask': mask} if mask else {})})
        top = [Blob('data').face(), Blob('label').face()]
        layer.setup([], top)
        layer.reshape([], top)
        layer.forward([], top)
        found[mask] = top[0].data.copy(), top[1].data.copy()
    (plain, label), (masked, same) = found.values()
    assert np.array_equal(label, same)
    background = np.broadcast_to(label == 0, plain.shape)
    assert not masked[background].any() and plain[background].any()
    fore = np.broadcast_to((label > 0) & (label < 21), plain.shape)
    assert fore.any() and np.array_equal(masked[fore], plain[fore])


def test_an_unknown_mask_is_named() -> None:
    layer = VOCSegDataLayer()
    layer.param_str = repr({'voc_dir': '.', 'split': 'val', 'mean': MEAN, 'mask': 'bg'})
    with pytest.raises(ValueError, match="'mask' is 'bg'; expected one of foreground"):
        layer.read_param_str()


@pytest.mark.parametrize('tops,classes', [
    (('data', 'label'), ('Sky', 'Road')), (('data', 'label'), ()),
    (('data', 'sem', 'geo'), ('background', 'sky'))])
def test_a_mask_needs_a_background(tops, classes) -> None:
    assert check_mask('', 'here', classes, tops) == ''
    with pytest.raises(ValueError, match="'mask' is 'background', but a mask needs one image"):
        check_mask('background', 'here', classes, tops)
