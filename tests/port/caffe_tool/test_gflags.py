"""port.caffe_tool.gflags: the forms in which gflags takes a flag."""

import pytest

from port.caffe_tool.gflags import parse

FLAGS = {'solver': '', 'iterations': 50, 'v': 0, 'quiet': False, 'loud': True}


@pytest.mark.parametrize(('words', 'expected'), [
    ('train -solver a', {'solver': 'a'}), ('--solver=a train', {'solver': 'a'}),
    ('train --solver a -iterations=3', {'solver': 'a', 'iterations': 3}),
    ('-iterations -3 train', {'iterations': -3}), ('train -solver=', {'solver': ''}),
    ('train -quiet -noloud', {'quiet': True, 'loud': False}),
    ('train -quiet=true --loud=0', {'quiet': True, 'loud': False}),
    ('train -v 0x10', {'v': 16})])
def test_forms(words, expected) -> None:
    values, others = parse(words.split(), FLAGS)
    assert values == {**FLAGS, **expected} and others == ['train']


def test_after_two_dashes_nothing_is_a_flag() -> None:
    assert parse(['a', '--', '-solver'], FLAGS) == (FLAGS, ['a', '-solver'])


@pytest.mark.parametrize(('words', 'message'), [
    ('-solvr a', "unknown command line flag 'solvr'; did you mean '-solver'"),
    ('-solver', "flag '-solver' is missing its argument"),
    ('-iterations x', "illegal value 'x' specified for int32 flag 'iterations'"),
    ('-quiet=7', "illegal value '7' specified for bool flag 'quiet'")])
def test_what_is_refused(words, message) -> None:
    with pytest.raises(ValueError, match=message):
        parse(words.split(), FLAGS)
