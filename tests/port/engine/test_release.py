"""Nets, engines and solvers free their weights when they are let go of, not at some collection."""

import gc
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch

import port
from netspec.families.fcn import fcn
from netspec.schema import parse_net
from netspec.schema.messages import TEST, SolverParameter
from port.engine.net import Net
from port.fast.inference import FastNet
from port.fast.speed_up import train_by
from port.training.solver import Solver

TRAINED = '''
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "l" type: "Input" top: "l" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "s" type: "Convolution" bottom: "x" top: "s" convolution_param { num_output: 4
        kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "s" bottom: "l" top: "loss" }'''
IMAGE = np.zeros((1, 3, 20, 20), 'f')


def narrow() -> Net:
    return Net(fcn('voc-fcn8s', 'deploy', width=.03), TEST)


def a_net() -> list:
    net = narrow()
    net.forward(data=IMAGE)
    return [net]


def an_engine() -> list:
    net = narrow()
    fast = FastNet(net)
    fast(data=IMAGE)
    return [fast, net]


def a_predictor() -> list:
    predict = port.predictor(narrow())
    predict(IMAGE)
    return [predict, predict.net]


def a_solver(fast: bool = False) -> list:
    param = SolverParameter(base_lr=.1, lr_policy='fixed', momentum=.9, max_iter=2)
    param.net_param.CopyFrom(parse_net(TRAINED))
    solver = Solver(param, torch.device('cpu'))
    if fast:
        assert train_by(solver, True) == ''
    solver.step(2)
    return [solver, solver.net]


def a_fast_solver() -> list:
    return a_solver(True)


@pytest.mark.parametrize('make', [a_net, an_engine, a_predictor, a_solver, a_fast_solver])
def test_no_cycle_keeps_the_weights(make: Callable[[], list]) -> None:
    gc.collect()
    gc.disable()
    try:
        kept = [weakref.ref(thing) for thing in make()]
        assert [ref() for ref in kept] == [None] * len(kept)
    finally:
        gc.enable()
