"""Placeholders: filled from arguments or from around, and one line for those that are not."""

import pytest

from netspec.schema import (
    PrototxtError,
    parse_net,
    parse_solver,
    placeholders,
    read_net,
    read_net_with_lines,
    read_solver,
)
from netspec.schema.placeholders import fill

TEXT = '''# ${WHO} wrote this # "${AGAIN}"
name: "${NET}"
layer { name: "fc8_${EXP}" type: 'Convolution'  # ${MORE}
        convolution_param { num_output: ${LABELS} } }
'''
VALUES = dict(NET='n', EXP='voc12', LABELS='21')


def test_every_place_is_filled_but_comments_need_not_be():
    net = parse_net(TEXT, defines=VALUES)
    assert (net.name, net.layer[0].name) == ('n', 'fc8_voc12')
    assert net.layer[0].convolution_param.num_output == 21


def test_files_are_filled_and_keep_their_lines(tmp_path):
    (tmp_path / 'net').write_text(TEXT)
    (tmp_path / 'solver').write_text('train_net: "${EXP}/train.prototxt" max_iter: ${N}')
    assert read_net(tmp_path / 'net', defines=VALUES) == parse_net(TEXT, defines=VALUES)
    assert read_net_with_lines(tmp_path / 'net', defines=VALUES)[1] == {0: 3}
    solver = read_solver(tmp_path / 'solver', defines=dict(EXP='e', N='7'))
    assert (solver.train_net, solver.max_iter) == ('e/train.prototxt', 7)


def test_values_from_around_reach_every_reader_inside():
    with placeholders(dict(NET='outer', EXP='e')):
        with placeholders(dict(NET='inner', LABELS=3)):
            net = parse_net(TEXT)
            assert (net.name, net.layer[0].name) == ('inner', 'fc8_e')
        assert parse_solver('net: "${NET}"').net == 'outer'
        assert parse_solver('net: "${NET}"', defines=dict(NET='given')).net == 'given'
    with pytest.raises(PrototxtError):
        parse_solver('net: "${NET}"')


def test_unfilled_ones_are_one_line_with_the_options_to_give():
    with pytest.raises(PrototxtError) as error:
        parse_net(TEXT, 'a.prototxt', defines=dict(NET='n'))
    assert str(error.value) == (
        'a.prototxt:3:20: not filled: ${EXP} (line 3), ${LABELS} (line 4); expected a value for '
        'each: --define EXP=VALUE --define LABELS=VALUE')


def test_a_hash_in_a_string_begins_no_comment():
    with pytest.raises(PrototxtError, match=r'\$\{B\} \(line 1\)'):
        fill('name: "a # ${B}"', 'x')
    assert fill("name: 'a \\' # \"'  # ${B}", 'x') == "name: 'a \\' # \"'  # ${B}"


def test_a_text_without_any_is_as_it_was():
    text = 'name: "$5 {x} $NAME"'
    assert fill(text, 'x', dict(NAME='y')) is text
