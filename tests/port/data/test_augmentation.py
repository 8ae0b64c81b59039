"""port.data.augmentation: pairs varied alike, by random numbers that belong to the draw."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.augmentation import Augmentation, read_augmentation
from port.data.camvid import CamVidSegDataLayer
from port.engine.blob import Blob

HIGH, WIDE, VOID = 12, 20, 11


def pair() -> tuple[np.ndarray, np.ndarray]:
    """An image whose pixels tell their place, and labels that tell it too."""
    y, x = np.mgrid[:HIGH, :WIDE]
    label = (y * WIDE + x).astype(np.uint8)[None]
    return np.stack([y + 1, x + 1, y * WIDE + x]).astype(np.float32), label


def places(label: np.ndarray, void: int) -> dict[tuple[int, int], int]:
    """The labels that are there, by where they lie."""
    return {(y, x): int(v) for (y, x), v in np.ndenumerate(label[0]) if v != void}


def test_what_is_not_asked_for_changes_nothing() -> None:
    assert not Augmentation() and Augmentation(mirror=True) and Augmentation(jitter=1)
    for array, same in zip(pair(), Augmentation().apply(pair(), 255, '1 1'), strict=True):
        assert np.array_equal(array, same)


def test_half_of_the_pairs_are_mirrored() -> None:
    image, label = pair()
    mirrored = 0
    for draw in range(200):
        shown, labels = Augmentation(mirror=True).apply((image, label), 255, f'7 {draw}')
        assert np.array_equal(shown[2], labels[0])
        mirrored += np.array_equal(shown, image[:, :, ::-1])
        assert np.array_equal(shown, image) or np.array_equal(shown, image[:, :, ::-1])
    assert 70 < mirrored < 130


def test_jitter_moves_by_up_to_so_many_pixels_and_leaves_mean_and_void() -> None:
    image, label = pair()
    moves = set()
    for draw in range(300):
        shown, labels = Augmentation(jitter=3).apply((image, label), 255, f'7 {draw}')
        assert shown.shape == image.shape and labels.shape == label.shape
        found = places(labels, 255)
        move = {(y - v // WIDE, x - v % WIDE) for (y, x), v in found.items()}
        assert len(move) == 1
        (dy, dx), = move
        moves.add((dy, dx))
        assert len(found) == (HIGH - abs(dy)) * (WIDE - abs(dx))
        assert (shown[:, labels[0] == 255] == 0).all()
        assert (shown[2][labels[0] != 255] == labels[0][labels[0] != 255]).all()
    assert {dy for dy, _ in moves} == {dx for _, dx in moves} == set(range(-3, 4))


def test_a_crop_lies_anywhere_and_a_small_image_anywhere_in_it() -> None:
    image, label = pair()
    corners = set()
    for draw in range(300):
        shown, labels = Augmentation(random_crop=(5, 18)).apply((image, label), 255, f'1 {draw}')
        assert shown.shape == (3, 5, 18) and labels.shape == (1, 5, 18)
        y, x = divmod(int(labels[0, 0, 0]), WIDE)
        assert np.array_equal(labels[0], label[0, y:y + 5, x:x + 18])
        corners.add((y, x))
    assert {y for y, _ in corners} == set(range(8)) and {x for _, x in corners} == {0, 1, 2}
    seen = set()
    for draw in range(100):
        _, labels = Augmentation(random_crop=(14, 20)).apply((image, label), 255, f'1 {draw}')
        rows = [int(y) for y in np.flatnonzero((labels[0] != 255).any(1))]
        assert len(rows) == HIGH and np.array_equal(labels[0, rows], label[0])
        seen.add(rows[0])
    assert seen == {0, 1, 2}


def test_scales_resize_images_smoothly_and_labels_by_the_nearest() -> None:
    flat = np.full((3, HIGH, WIDE), 7, np.float32), np.full((1, HIGH, WIDE), 3, np.uint8)
    sizes = set()
    for draw in range(60):
        shown, labels = Augmentation(scales=(0.5, 2)).apply(flat, 255, f'1 {draw}')
        assert shown.dtype == np.float32 and labels.dtype == np.uint8
        assert (shown == 7).all() and (labels == 3).all() and shown.shape[1:] == labels.shape[1:]
        sizes.add(shown.shape[1])
    assert min(sizes) < 8 and max(sizes) > 20 and 6 <= min(sizes) and max(sizes) <= 24


@pytest.mark.parametrize('key, value', [('jitter', -1), ('scales', (0.0, 1.0)), ('scales', (2, 1)),
                                        ('scales', (1,)), ('random_crop', (0, 4)),
                                        ('random_crop', (4.5, 4))])
def test_wrong_values_are_named(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"layer 'data': param_str '{key}' is"):
        read_augmentation({key: value}, "layer 'data'")


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    for folder in ('train', 'trainannot'):
        (tmp_path / folder).mkdir()
    names = [f'n{i}' for i in range(5)]
    for i, name in enumerate(names):
        Image.fromarray(np.full((HIGH, WIDE, 3), 10 * i, np.uint8)).save(
            tmp_path / 'train' / f'{name}.png')
        Image.fromarray(np.full((HIGH, WIDE), i, np.uint8)).save(
            tmp_path / 'trainannot' / f'{name}.png')
    (tmp_path / 'train.txt').write_text('\n'.join(names))
    return tmp_path


def layer_of(root: Path, **options: object) -> tuple[CamVidSegDataLayer, list]:
    layer = CamVidSegDataLayer()
    layer.param_str = repr({'camvid_dir': str(root), 'split': 'train', 'seed': 5,
                            'mean': (0.0, 0.0, 0.0), **options})
    top = [Blob('data').face(), Blob('label').face()]
    layer.setup([], top)
    layer.reshape([], top)
    return layer, top


def run(layer: CamVidSegDataLayer, top: list, passes: int) -> list[np.ndarray]:
    found = []
    for _ in range(passes):
        layer.reshape([], top)
        layer.forward([], top)
        found.append(np.array(top[1].data))
    return found


@pytest.mark.parametrize('prefetch', [0, 3])
def test_a_resumed_layer_meets_the_same_variations(camvid: Path, prefetch: int) -> None:
    options = dict(prefetch=prefetch, batch=2, jitter=4, mirror=True, random_crop=(8, 9),
                   shuffle=True)
    layer, top = layer_of(camvid, **options)
    run(layer, top, 7)
    state = json.loads(json.dumps(layer.state()))
    expected = run(layer, top, 6)
    again, top = layer_of(camvid, **options)
    again.restore(state)
    for mine, theirs in zip(run(again, top, 6), expected, strict=True):
        assert np.array_equal(mine, theirs)
    assert any((labels == VOID).any() for labels in expected)       # what jitter uncovers


def test_shuffled_lists_give_each_image_once_a_turn(camvid: Path) -> None:
    seen = [int(labels.flat[0]) for labels in run(*layer_of(camvid, shuffle=True), 25)]
    turns = [seen[i:i + 5] for i in range(0, 25, 5)]
    assert all(sorted(turn) == [0, 1, 2, 3, 4] for turn in turns)
    assert len({tuple(turn) for turn in turns}) > 1
