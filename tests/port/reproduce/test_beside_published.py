"""Figures are laid beside ours with the list that they were scored on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from port.reproduce import beside_published as compare
from port.reproduce import report_pages as pages
from port.reproduce.recipe import Settings, chain
from port.scoring.evaluate import Evaluation
from port.scoring.metrics import Scores


def lines(name: str, **more: object) -> tuple[list[dict], list[str]]:
    """The comparison and the caveats of a net whose every pixel is right."""
    settings = Settings(name, '.', width=0.5, **more)
    stages = chain(settings, Path('o'))
    classes = stages[-1].row.classes
    result = Evaluation(0, {'score': Scores(np.eye(classes))}, {'a': 1.0})
    found = compare.comparison(stages[-1], result, settings)
    told = compare.caveats(stages, replace(settings, width=1.0))
    return found, [line for line in told if line.startswith('scored on')]


def by_source(found: list[dict], source: str) -> dict:
    return next(x for x in found if x['source'] == source and x['metric'] == 'mean IU')


@pytest.mark.parametrize('name', ['camvid-fcn-basic', 'camvid-segnet-basic-balanced'])
def test_the_published_split_has_no_caveat_and_the_default_has_one(name):
    found, told = lines(name, split='test')
    assert told == [] and by_source(found, 'SegNet paper Table 1')['note'] == ''
    found, told = lines(name)
    assert told == ["scored on 'val' in place of 'test'"]
    line = by_source(found, 'SegNet paper Table 1')
    assert line['target'] and line['split'] == 'test' and line['note'] == 'published on test'


@pytest.mark.parametrize(('name', 'split', 'expected'), [
    ('voc-fcn8s', '', []), ('voc-fcn8s', 'seg11valid', []),
    ('voc-fcn8s', 'val', ["scored on 'val' in place of 'seg11valid'"]),
    ('voc-only-alexnet', 'val', []), ('camvid-fcn16s', '', []), ('siftflow-fcn32s', '', []),
    ('camvid-fcn8s', 'train', ["scored on 'train' in place of 'test' or 'val'"])])
def test_the_caveat_names_the_lists_of_the_figures(name, split, expected):
    assert lines(name, split=split)[1] == expected


def test_an_experiment_with_another_net_is_held_to_that_nets_list():
    assert lines('online', net='camvid-fcn32s')[1] == []
    found, told = lines('online', net='camvid-fcn32s', split='test')
    assert told == ["scored on 'test' in place of 'val'"]
    assert found[0]['note'] == ('published for PASCAL VOC; here with camvid-fcn32s; published on '
                                'seg11valid')


def test_remarks_tell_recipe_and_list():
    found, _ = lines('voc-fcn8s')
    server = next(x for x in found if x['published'] == 67.5)
    assert server['note'] == 'the PASCAL VOC test server; published on VOC 2011 test'
    assert not server['target']
    assert by_source(found, 'pysemseg')['note'] == 'recipe not stated; split not stated'
    camvid, _ = lines('camvid-fcn8s')
    theirs = by_source(camvid, 'adri-romsor README')
    assert theirs['note'] == 'another recipe; published on test'
    row = {'comparison': camvid, 'measured': {}}
    assert any(line[-1] == 'another recipe; published on test'
               for line in pages.comparison(row, False))


@pytest.mark.parametrize(('images', 'more', 'words'), [
    (736, {}, []), (None, {}, []), (12, {'split': 'held'}, ["scored on 'held' in place of"]),
    (12, {}, ["scored on 12 images, where 'seg11valid' has 736: other data"]),
    (10, {'images': 10}, ['scored on the first 10 images of the split only'])])
def test_other_data_than_the_published_are_told_by_their_number(images, more, words):
    settings = Settings('voc-fcn8s', 'data', weights='w', **more)
    stages = chain(settings, Path('o'))
    found = [line for line in compare.caveats(stages, settings, images) if 'scored' in line]
    assert len(found) == len(words) and all(map(str.startswith, found, words))


def test_the_command_of_a_run_is_one_to_paste():
    settings = Settings('voc-fcn8s', 'my data', weights='w', width=0.5, images=3, released=True,
                        options={'base_lr': 1e-9}, donors={'voc-fcn32s': 'd'},
                        train_data={'mirror': True})
    assert compare.command_line(settings) == (
        "fcn reproduce voc-fcn8s --data 'my data' --weights w --width 0.5 --limit 3 --released "
        '--set base_lr=1e-09 --donor voc-fcn32s=d --train-data mirror=true')
    engines = {fast: compare.command_line(Settings('voc-fcn8s', 'd', fast=fast))
               for fast in (None, True, False)}
    assert [engines[fast].split()[5:] for fast in engines] == [[], ['--fast'], ['--exact']]
