"""port.data.datasets: the rows agree with the nets' rows and with their data layers."""

from pathlib import Path

import pytest

from netspec.variants import VARIANTS
from netspec.variants.deeplab_rows import DeepLab
from netspec.variants.row import Head
from port.data.datasets import (
    DATASETS,
    class_lists,
    class_names,
    find_dataset,
    layout,
    palette,
)
from port.data.label_pictures import make_palette


def test_every_head_has_its_class_list() -> None:
    for row in VARIANTS.values():
        for head in row.heads:
            assert len(class_names(head)) == head.classes, row.name


def test_every_split_of_the_nets_has_a_published_count() -> None:
    counts = {(d.layer.__name__, split): n for d in DATASETS.values() if d.name != 'voc2012'
              for split, n in d.counts.items()}
    for row in VARIANTS.values():
        if isinstance(row, DeepLab):               # its lists are of no dataset's layout
            continue
        train, test = row.splits
        assert (train.layer.type, train.name) in counts
        assert counts[test.layer.type, test.name] == (row.schedule.test_iter,)


@pytest.mark.parametrize('name', DATASETS)
def test_the_layout_names_files_counts_and_origin(name: str) -> None:
    text = layout(name)
    lists = 'There are no lists' if name == 'cityscapes' else '.txt'
    assert lists in text and 'Images: ' in text and 'Origin: ' in text
    assert 'http' not in text and max(map(len, text.splitlines())) < 300


@pytest.mark.parametrize('name', DATASETS)
def test_params_suit_the_layer(name: str, tmp_path: Path) -> None:
    row = DATASETS[name]
    params = {**row.params(tmp_path), 'split': 'train'}
    assert set(row.layer.required) <= set(params) <= {*row.layer.required, *row.layer.optional}


def test_a_dataset_is_found_below_the_data_root_or_as_it_is(tmp_path: Path) -> None:
    row = find_dataset('voc2011')
    assert row.root(tmp_path) == tmp_path
    (tmp_path / 'pascal/VOC2011').mkdir(parents=True)
    assert row.root(tmp_path) == tmp_path / 'pascal/VOC2011'


def test_an_unknown_dataset_names_the_closest() -> None:
    with pytest.raises(KeyError, match="is named 'voc2013'; did you mean 'voc201"):
        find_dataset('voc2013')


def test_own_classes_begin_with_a_colour_unless_the_first_is_background() -> None:
    colours = make_palette(256)
    for names, first in ((('road', 'car'), 1), (('Background', 'car'), 0)):
        found = palette(Head(2, 'own', names=names))
        assert found[:2].tolist() == colours[first:first + 2].tolist()
        assert found[255].tolist() == colours[255].tolist()
    assert palette(Head(2, 'own', names=('road',), palette=((1, 2, 3),)))[0].tolist() == [1, 2, 3]


def test_palettes() -> None:
    assert palette('voc')[15].tolist() == [192, 128, 128]
    assert palette('camvid')[3].tolist() == [128, 64, 128]  # CamVid's road
    assert palette('cityscapes')[:20].tolist()[10:] == [
        [70, 130, 180], [220, 20, 60], [255, 0, 0], [0, 0, 142], [0, 0, 70], [0, 60, 100],
        [0, 80, 100], [0, 0, 230], [119, 11, 32], palette('voc')[19].tolist()]


def test_a_layers_class_lists_are_its_own_and_its_datasets() -> None:
    layer = DATASETS['siftflow'].layer()
    assert {len(names) for names in class_lists(layer)} == {33, 3}
    assert {len(names) for names in class_lists(DATASETS['voc2012'].layer())} == {21}
    assert class_lists(None) == []
