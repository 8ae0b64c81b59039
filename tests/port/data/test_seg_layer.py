"""port.data.seg_layer: the face that the published data layers share, on a toy dataset."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.seg_layer import SegDataLayer, read_mean, read_params
from port.data.voc import VOCSegDataLayer
from port.engine.blob import Blob

COUNT = 5


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Five pairs in VOC layout, each of its own size and grey value; lists train and val."""
    for folder in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        (tmp_path / folder).mkdir(parents=True)
    for i in range(COUNT):
        Image.new('RGB', (10 + i, 8), (10 * i,) * 3).save(tmp_path / 'JPEGImages' / f'im{i}.jpg')
        Image.new('L', (10 + i, 8), i).save(tmp_path / 'SegmentationClass' / f'im{i}.png')
    for split in ('train', 'val'):
        (tmp_path / 'ImageSets/Segmentation' / f'{split}.txt').write_text(
            ''.join(f'im{i}\n' for i in range(COUNT)))
    return tmp_path


def build(root: Path, split: str = 'train', tops: int = 2, **more: object) -> tuple:
    """Set a VOC layer up as a net does: setup, then the reshape of the building."""
    layer = VOCSegDataLayer()
    layer.param_str = repr({'voc_dir': str(root), 'split': split, 'mean': (0., 0., 0.),
                            'seed': 1337, **more})
    top = [Blob(f'top{i}').face() for i in range(tops)]
    layer.setup([], top)
    layer.reshape([], top)
    return layer, top


def run(layer: SegDataLayer, top: list, passes: int) -> list[int]:
    """Run forward passes; tell from the pixels which image each gave."""
    seen = []
    for _ in range(passes):
        layer.reshape([], top)
        layer.forward([], top)
        width = top[0].data.shape[3]
        assert top[0].data.shape == (1, 3, 8, width) and top[1].data.shape == (1, 1, 8, width)
        assert (top[1].data == width - 10).all() and (top[0].data == 10 * (width - 10)).all()
        seen.append(width - 10)
    return seen


def published_order(passes: int) -> list[int]:
    return [int(d * COUNT) for d in np.random.RandomState([1337]).random_sample(passes)]


@pytest.mark.parametrize('prefetch', [0, 1, 4, 16])
def test_training_follows_the_published_random_order(voc: Path, prefetch: int) -> None:
    layer, top = build(voc, prefetch=prefetch)
    assert run(layer, top, 30) == published_order(30)


def test_a_split_without_train_in_its_name_is_read_in_order(voc: Path) -> None:
    assert run(*build(voc, 'val'), 7) == [0, 1, 2, 3, 4, 0, 1]
    assert run(*build(voc, 'train', randomize=False), 7) == [0, 1, 2, 3, 4, 0, 1]


def test_idx_tells_the_pair_that_is_due(voc: Path) -> None:
    layer, top = build(voc)
    assert layer.idx == published_order(1)[0]
    run(layer, top, 1)
    assert layer.idx == published_order(2)[1]


@pytest.mark.parametrize('prefetch', [0, 3])
@pytest.mark.parametrize('split', ['train', 'val'])
def test_restore_continues_the_order(voc: Path, split: str, prefetch: int) -> None:
    layer, top = build(voc, split, prefetch=prefetch)
    run(layer, top, 13)
    state = json.loads(json.dumps(layer.state()))
    expected = run(layer, top, 12)
    again, top = build(voc, split, seed=99 if split == 'train' else None)
    again.restore(state)
    assert run(again, top, 12) == expected


def test_without_a_seed_the_order_can_still_be_continued(voc: Path) -> None:
    layer, top = build(voc, seed=None)
    run(layer, top, 3)
    state = layer.state()
    again, other = build(voc, seed=None)
    again.restore(state)
    assert run(again, other, 20) == run(layer, top, 20)


def test_restore_refuses_another_list_and_a_damaged_state(voc: Path) -> None:
    layer, _ = build(voc)
    state = layer.state()
    with pytest.raises(ValueError, match=r"with 6 names, but .*train\.txt has 5"):
        layer.restore({**state, 'count': 6})
    with pytest.raises(ValueError, match='damaged snapshot'):
        layer.restore({**state, 'index': state['index'] + 1})


def test_param_str_is_read_not_evaluated(tmp_path: Path) -> None:
    for text in ("dict(split='train')", "{'a': open('x')}", '[1]', "{'a': ", '', '(' * 500):
        with pytest.raises(ValueError, match='param_str must be a dict'):
            read_params(text, 'layer')
    assert read_params(" {'tops': ['color'], 'mean': (1.5, -2)}\n", '') == {
        'tops': ['color'], 'mean': (1.5, -2)}


def test_wrong_keys_are_named(voc: Path, caplog: pytest.LogCaptureFixture) -> None:
    layer = VOCSegDataLayer()
    layer.name, layer.param_str = 'data', "{'voc_dirs': 'x', 'split': 'train', 'mean': (0, 0, 0)}"
    with pytest.raises(KeyError, match=r"layer 'data' \(VOCSegDataLayer\): param_str lacks "
                                       r"'voc_dir'; 'voc_dirs' is no key"):
        layer.setup([], [None, None])
    with pytest.raises(ValueError, match="param_str 'seed' is 'x', of type str"):
        build(voc, seed='x')
    with caplog.at_level(logging.WARNING):
        build(voc, randomise=False)
    assert "param_str key 'randomise' is not used" in caplog.text


def test_means_and_classes_are_checked() -> None:
    with pytest.raises(ValueError, match='mean must be 3 numbers'):
        read_mean((1, 2), 'layer')


def test_classes_can_be_set_for_other_data(voc: Path) -> None:
    layer, _ = build(voc, 'val', classes=3)
    assert (layer.load(2)[1] == 2).all()
    with pytest.raises(ValueError, match=r'im3\.png: label 3 at x=0, y=0 .*expected 0\.\.2'):
        layer.load(3)
    with pytest.raises(ValueError, match='classes must be 1..255'):
        build(voc, classes=0)


def test_tops_and_bottoms_are_counted(voc: Path) -> None:
    with pytest.raises(ValueError, match=r'needs 2 tops \(data, label\), got 1'):
        build(voc, tops=1)
    layer, top = build(voc)
    with pytest.raises(ValueError, match='takes no bottom, got 1'):
        layer.setup([Blob('b').face()], top)


@pytest.mark.parametrize('folder', ['JPEGImages', 'SegmentationClass'])
def test_a_missing_file_is_named_with_the_line_of_the_list(voc: Path, folder: str) -> None:
    next((voc / folder).glob('im3.*')).unlink()
    layer, top = build(voc, 'val')
    run(layer, top, 3)
    with pytest.raises(FileNotFoundError, match=rf'{folder}/im3\.\w+: no such .*listed in .*'
                                                r'Segmentation/val\.txt:4'):
        run(layer, top, 1)


def test_sizes_that_differ_name_both_files(voc: Path) -> None:
    Image.new('L', (9, 8)).save(voc / 'SegmentationClass/im0.png')
    with pytest.raises(ValueError, match=r'SegmentationClass/im0\.png is 9x8 but .*JPEGImages/'
                                         r'im0\.jpg is 10x8 .*val\.txt:1'):
        build(voc, 'val')


def test_a_label_outside_the_classes_names_file_value_place_and_line(voc: Path) -> None:
    label = np.zeros((8, 10), np.uint8)
    label[6, 7] = 21
    Image.fromarray(label).save(voc / 'SegmentationClass/im0.png')
    with pytest.raises(ValueError, match=r'im0\.png: label 21 at x=7, y=6 .*expected 0\.\.20, or '
                                         r'255 for void .*val\.txt:1'):
        build(voc, 'val')


@pytest.fixture
def even(voc: Path) -> Path:
    """The same five pairs in one size."""
    for i in range(COUNT):
        Image.new('RGB', (10, 8), (10 * i,) * 3).save(voc / 'JPEGImages' / f'im{i}.jpg')
        Image.new('L', (10, 8), i).save(voc / 'SegmentationClass' / f'im{i}.png')
    return voc


def batches(layer: SegDataLayer, top: list, passes: int) -> list[list[int]]:
    """Run forward passes; tell from the labels which images each batch held."""
    seen = []
    for _ in range(passes):
        layer.reshape([], top)
        layer.forward([], top)
        assert (top[0].data[:, 0, 0, 0] // 10 == top[1].data[:, 0, 0, 0]).all()
        seen.append(top[1].data[:, 0, 0, 0].astype(int).tolist())
    return seen


@pytest.mark.parametrize('prefetch', [0, 3])
@pytest.mark.parametrize('split', ['train', 'val'])
def test_batches_hold_the_pairs_of_as_many_passes(even, split, prefetch):
    singles = [i for (i,) in batches(*build(even, split), 12)]
    layer, top = build(even, split, batch=3, prefetch=prefetch)
    assert batches(layer, top, 4) == [singles[i:i + 3] for i in range(0, 12, 3)]
    assert top[0].data.shape == (3, 3, 8, 10) and top[1].data.shape == (3, 1, 8, 10)


def test_batches_are_continued(even):
    layer, top = build(even, batch=2)
    batches(layer, top, 3)
    state = json.loads(json.dumps(layer.state()))
    expected = batches(layer, top, 4)
    other, top = build(even, batch=2)
    other.restore(state)
    assert batches(other, top, 4) == expected
    with pytest.raises(ValueError, match='taken with batch 2, this net asks for 3'):
        build(even, batch=3)[0].restore(state)


def test_batches_need_one_size(voc):
    with pytest.raises(ValueError, match='images of one size.*train with batch 1'):
        build(voc, 'val', batch=2)
    with pytest.raises(ValueError, match="'batch' is 0"):
        build(voc, batch=0)


def test_passes_that_no_training_makes(voc: Path) -> None:
    layer, _ = build(voc)
    with pytest.raises(ValueError, match='after 9000000000000000000 passes, .* damaged snapshot'):
        layer.restore({**layer.state(), 'passes': 9 * 10 ** 18})


@pytest.mark.parametrize('option', ['batch', 'prefetch'])
def test_batches_beyond_all_use(voc: Path, option: str) -> None:
    with pytest.raises(ValueError, match=rf"'{option}' .*1000000000.*expected 1 to 65536 pairs"):
        build(voc, **{option: 10 ** 9})
