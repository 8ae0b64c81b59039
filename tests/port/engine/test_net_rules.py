"""State rules and automatic splits, against what Caffe's test_net.cpp and test_split expect."""

import pytest

from netspec.schema import parse_net
from netspec.schema.messages import TEST, TRAIN
from port.engine.net_rules import Entry, filter_layers, insert_splits


def entries(text: str) -> tuple:
    net = parse_net(text)
    return net, [Entry(layer, f'net.prototxt:{i + 1}') for i, layer in enumerate(net.layer)]


def names(text: str, phase: int = TRAIN, level: int = 0, stages: tuple = ()) -> list[str]:
    net, found = entries(text)
    net.state.phase, net.state.level = phase, level
    net.state.stage.extend(stages)
    return [e.param.name for e in filter_layers(net, found)]


RULES = '''
layer { name: "always" type: "Silence" }
layer { name: "train" type: "Silence" include { phase: TRAIN } }
layer { name: "not_test" type: "Silence" exclude { phase: TEST } }
layer { name: "level" type: "Silence" include { min_level: 1 max_level: 2 } }
layer { name: "ab" type: "Silence" include { stage: "a" stage: "b" } }
layer { name: "a_not_b" type: "Silence" include { stage: "a" not_stage: "b" } }
layer { name: "either" type: "Silence" include { stage: "a" } include { phase: TEST } }
'''


@pytest.mark.parametrize(('options', 'expected'), [
    ({}, ['always', 'train', 'not_test']),
    ({'phase': TEST}, ['always', 'either']),
    ({'level': 2}, ['always', 'train', 'not_test', 'level']),
    ({'level': 3}, ['always', 'train', 'not_test']),
    ({'stages': ('a',)}, ['always', 'train', 'not_test', 'a_not_b', 'either']),
    ({'stages': ('a', 'b')}, ['always', 'train', 'not_test', 'ab', 'either']),
])
def test_rules(options: dict, expected: list[str]) -> None:
    assert names(RULES, **options) == expected


def test_both_kinds_of_rules_are_refused() -> None:
    with pytest.raises(ValueError, match=r"net.prototxt:1: layer 'x' .* both include and exclude"):
        names('layer { name: "x" type: "Silence" include { } exclude { } }')


TWO_READERS = '''
layer { name: "d" type: "Input" top: "data" }
layer { name: "r" type: "ReLU" bottom: "data" top: "data" }
layer { name: "a" type: "Silence" bottom: "data" }
layer { name: "b" type: "Silence" bottom: "data" }
'''


def test_split_stands_behind_the_last_maker() -> None:
    """An in-place ReLU is the last maker of its blob; names are Caffe's."""
    layers = [e.param for e in insert_splits(entries(TWO_READERS)[1])]
    assert [p.name for p in layers] == ['d', 'r', 'data_r_0_split', 'a', 'b']
    assert list(layers[2].top) == ['data_r_0_split_0', 'data_r_0_split_1']
    assert [p.bottom[0] for p in layers[3:]] == ['data_r_0_split_0', 'data_r_0_split_1']
    assert list(layers[1].bottom) == ['data']


def test_one_reader_needs_no_split() -> None:
    text = TWO_READERS.rsplit('\n', 2)[0]
    assert len(insert_splits(entries(text)[1])) == 3


def test_a_loss_counts_as_a_reader() -> None:
    """A weighted top that is read on goes through a split that carries the weight."""
    layers = [e.param for e in insert_splits(entries('''
        layer { name: "d" type: "Input" top: "x" }
        layer { name: "l" type: "Reduction" bottom: "x" top: "y" loss_weight: 2 }
        layer { name: "s" type: "Silence" bottom: "y" }''')[1])]
    split = layers[2]
    assert (split.type, list(split.loss_weight)) == ('Split', [2, 0])
    assert not layers[1].loss_weight
    assert layers[3].bottom[0] == 'y_l_0_split_1'


@pytest.mark.parametrize(('text', 'message'), [
    ('layer { name: "a" type: "Silence" bottom: "dat" }', "Unknown bottom blob 'dat'"),
    ('layer { name: "d" type: "Input" top: "data" } '
     'layer { name: "a" type: "Silence" bottom: "dat" }', "did you mean 'data'"),
    ('layer { name: "a" type: "ReLU" bottom: "y" top: "x" } '
     'layer { name: "b" type: "ReLU" bottom: "x" top: "y" }',
     r"made later, by net.prototxt:2: layer 'b' .* a loop"),
    ('layer { name: "a" type: "Input" top: "x" } layer { name: "b" type: "Input" top: "x" }',
     "Top blob 'x' produced by multiple sources"),
    ('layer { name: "a" type: "Input" top: "x" } layer { name: "b" type: "AbsVal" bottom: "x" '
     'top: "y" } layer { name: "c" type: "ReLU" bottom: "x" top: "x" }',
     "layer 'c' .* works in place on 'x'"),
])
def test_broken_graphs(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        insert_splits(entries(text)[1])
