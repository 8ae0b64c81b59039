"""Solver states on disk: what Caffe wrote, what ours carry besides, foreign files."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from netspec.schema import parse_net
from netspec.schema.messages import TRAIN
from port.engine.net import Net
from port.training.snapshot import State, extras, read_state, restore_extras, write_state

HISTORY = [np.arange(6, dtype='f').reshape(2, 3), np.float32([7, 8])]


@pytest.mark.parametrize('name', ['s.solverstate', 's.solverstate.h5'])
def test_round_trip(name: str, tmp_path: Path) -> None:
    write_state(tmp_path / name, State(12, 'a/w.caffemodel', 3, HISTORY, {'layers': {'x': [1]}}))
    state = read_state(tmp_path / name)
    assert (state.iteration, state.learned_net, state.current_step) == (12, 'a/w.caffemodel', 3)
    assert state.extra == {'layers': {'x': [1]}}
    assert all(np.array_equal(a, b) for a, b in zip(state.history, HISTORY, strict=True))
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_what_caffe_wrote(golden: Path) -> None:
    state = read_state(golden / 'solvers' / 'adam_iter_5.solverstate')
    assert state.iteration == 5 and state.learned_net.endswith('adam_iter_5.caffemodel')
    assert len(state.history) % 2 == 0 and state.extra == {}


def test_random_numbers_go_on() -> None:
    net = Net(parse_net('layer { name: "x" type: "Input" top: "x" }'), TRAIN)
    torch.manual_seed(1)
    torch.rand(3)
    extra = extras(net)
    expected = torch.rand(4)
    torch.manual_seed(2)
    restore_extras(net, extra)
    assert torch.equal(torch.rand(4), expected)


def test_a_state_of_caffe_leaves_random_numbers_alone() -> None:
    net = Net(parse_net('layer { name: "x" type: "Input" top: "x" }'), TRAIN)
    before = torch.get_rng_state()
    restore_extras(net, {})
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize('name, content, words', [
    ('s.solverstate', b'\x08\x02\x1a\xff\x7f', 'cut off'),
    ('s.solverstate', b'net: "x"\n', 'expected a .solverstate'),
    ('s.solverstate.h5', b'no HDF5', 'not a solver state in HDF5')])
def test_foreign_files(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f'^{re.escape(str(tmp_path / name))}: .*{words}'):
        read_state(tmp_path / name)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='x.solverstate: no such solver state'):
        read_state(tmp_path / 'x.solverstate')
