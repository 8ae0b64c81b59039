"""port.fast.speed_up: which engine runs and trains a net, and what the log says of it."""

from types import SimpleNamespace

import pytest
import torch

from netspec.schema import parse_net
from netspec.schema.messages import TEST, TRAIN, SolverParameter
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast import speed_up
from port.fast.training import FastTraining
from port.training.solver import Solver

DATA = ('layer { name: "data" type: "Input" top: "data" top: "label" input_param { shape { dim: 1 '
        'dim: 3 dim: 9 dim: 9 } shape { dim: 1 dim: 1 dim: 9 dim: 9 } } }')
CONV = ('layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { '
        'num_output: 4 kernel_size: 1 } }')
NORM = 'layer { name: "m" type: "MVN" bottom: "%s" top: "m" }'
LOSS = 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "%s" bottom: "label" top: "l" }'
KNOWN, PART = DATA + CONV + LOSS % 'c', DATA + CONV + NORM % 'c' + LOSS % 'm'
UNKNOWN = DATA + NORM % 'data' + LOSS % 'm'
UPDATE = 1e-5        # of a weight after a step, float32


def solver_of(text: str, test: str = '') -> Solver:
    param = SolverParameter(net_param=parse_net(f'name: "n" {text}'), base_lr=0.1, momentum=0.9,
                            lr_policy='fixed', max_iter=3, random_seed=2)
    if test:
        param.test_net_param.add().CopyFrom(parse_net(f'name: "n" {test}'))
        param.test_iter.append(2)
        param.test_interval = 100
    solver = Solver(param)
    random_weights(solver.net, 1)
    for net in (solver.net, *solver.test_nets):
        net.feed(data=torch.randn(1, 3, 9, 9, generator=torch.Generator().manual_seed(1)),
                 label=torch.arange(81.).view(1, 1, 9, 9) % 3)
    return solver


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == 'port.fast']


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level('INFO')


FAST, PLAIN = 'the training net n: by the fast engine', 'the training net n: by the plain engine, '
MVN = "layer 'm': MVN is not known to the fast path"


@pytest.mark.parametrize('text,asked,sentence', [
    (KNOWN, None, FAST), (KNOWN, True, FAST), (KNOWN, False, f'{PLAIN}as asked for'),
    (PART, None, f"{FAST}, but for 1 of 4 layers, from 'm' on: {MVN}"),
    (UNKNOWN, None, f'{PLAIN}as the fast one does not know it: {MVN}')])
def test_one_sentence_says_which_engine_and_why(text: str, asked: bool | None, sentence: str,
                                                caplog) -> None:
    solver = solver_of(text)
    speed_up.train_by(solver, asked)
    solver.step(3)
    assert said(caplog) == [sentence]
    assert (solver.one_pass is not None) == ('by the fast' in sentence)


@pytest.mark.parametrize('text', [KNOWN, PART, UNKNOWN])
def test_both_engines_train_and_test_alike(text: str) -> None:
    one, other = (solver_of(text, text) for _ in range(2))
    assert speed_up.train_by(one, False) == '' and one.one_pass is None
    speed_up.train_by(other)
    for solver in (one, other):
        solver.step(3)
    assert other.losses == pytest.approx(one.losses, rel=UPDATE)
    for a, b in zip(one.net.learnable, other.net.learnable, strict=True):
        assert torch.allclose(a.blob.data, b.blob.data, rtol=UPDATE, atol=UPDATE)
    (mine,), (theirs,) = (solver.test().values() for solver in (other, one))
    assert float(mine) == pytest.approx(float(theirs), rel=UPDATE)
    assert float(other.train_pass()) == pytest.approx(float(one.train_pass()), rel=UPDATE)


def test_a_test_net_is_run_by_the_fast_engine_too(caplog, monkeypatch) -> None:
    solver = solver_of(KNOWN, KNOWN)
    speed_up.train_by(solver)
    assert said(caplog) == ['the testing net n: by the fast engine', FAST]
    monkeypatch.setattr(Net, 'run_forward', lambda self, start=0, end=None: pytest.fail(
        'the plain engine') if end is None else 0.0)
    solver.test()


def test_on_a_gpu_it_has_to_be_asked_for(caplog) -> None:
    net = Net(parse_net(KNOWN), TEST)
    net.device = SimpleNamespace(type='cuda')
    assert speed_up.forward_by(net) == net.run_forward
    assert said(caplog) == ['the testing net: by the plain engine, as on a GPU where --fast is '
                            'not asked for']


def test_who_asks_for_fast_passes_is_warned_that_they_have_no_use(caplog) -> None:
    assert "'m'" in speed_up.train_by(solver_of(UNKNOWN), True)
    (record,) = [r for r in caplog.records if r.levelname == 'WARNING']
    assert "the fast one does not know it: layer 'm'" in record.getMessage()


@pytest.mark.parametrize('asked', [None, False])
def test_both_ways_leave_the_gradients(asked: bool | None) -> None:
    nets = []
    for how in (asked, False):
        nets.append(solver_of(PART).net)
        speed_up.both_ways_by(nets[-1], how)()
    for a, b in zip(nets[0].learnable, nets[1].learnable, strict=True):
        assert torch.allclose(a.blob.diff, b.blob.diff, rtol=UPDATE, atol=UPDATE)
        assert b.blob.diff.any()


def test_a_size_that_the_plain_engine_takes_is_told_once(caplog, monkeypatch) -> None:
    from port.fast.unsuited import Unsuited
    solver = solver_of(KNOWN)
    speed_up.train_by(solver)

    def refuse(self, early, look, in_parts):
        raise Unsuited('this size')
    monkeypatch.setattr(FastTraining, '_run', refuse)
    solver.step(3)
    assert said(caplog)[1:] == ['passes by the plain engine: this size']
    assert solver.net.phase == TRAIN
