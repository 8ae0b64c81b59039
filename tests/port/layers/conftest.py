"""Fixtures for the layer tests: close comparison, element-wise layers against plain functions,
and recorded nets of several layers.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from netspec.schema.messages import TRAIN
from port.engine.net import Net

TOL = {torch.float32: 2e-5, torch.float64: 1e-12}   # of the largest magnitude: rounding
Function = Callable[[np.ndarray], np.ndarray]


def assert_close(ours: np.ndarray, theirs: np.ndarray, tol: float = 1e-5) -> None:
    """Fail unless two arrays have one shape and differ by at most tol of the largest value."""
    ours, theirs = np.asarray(ours, 'd'), np.asarray(theirs, 'd')
    assert ours.shape == theirs.shape
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    off = np.abs(np.nan_to_num(ours) - np.nan_to_num(theirs)).max(initial=0)
    reach = np.abs(np.nan_to_num(theirs)).max(initial=1e-6)
    assert off <= tol * reach, f'off by {off:.3g} where it should reach {reach:.3g}'


@pytest.fixture(scope='session')
def close() -> Callable[..., None]:
    """close(ours, theirs, tol=1e-5): one shape, equal within tol of the largest magnitude."""
    return assert_close


def spread(shape: tuple[int, ...], seed: int, low: float, high: float,
           kinks: tuple[float, ...]) -> np.ndarray:
    """Return uniform values at least 0.01 from every kink."""
    x = np.random.RandomState(seed).uniform(low, high, shape)
    for kink in kinks:
        near = np.abs(x - kink) < 0.01
        x[near] = kink + 0.02
    return x


@pytest.fixture(scope='session')
def check_neuron(drive, check_gradient) -> Callable[..., None]:
    """check_neuron(layer_text, f, df, low=-3, high=3, kinks=(), in_place='as read').

    f(x): the function. df(x, y, dy): its backward pass; in place Caffe's sees y in x's place.
    in_place: 'as read', or 'squared' where the derivative also takes the place of dy, or ''.
    Checks values, backward and in-place use in both precisions, and central differences.
    """
    def run(driven, f: Function, df, x: np.ndarray, in_place: str) -> None:
        tol = TOL[driven.dtype]
        dy = np.random.RandomState(8).uniform(-1, 1, x.shape)
        assert_close(driven.forward()[0], f(x), tol)
        y = f(x)
        seen = y if in_place else x
        if in_place == 'squared':
            expected = df(seen, y, df(seen, y, np.ones_like(y)))
        else:
            expected = df(seen, y, dy)
        memory = driven.bottom[0].data.data_ptr()
        driven.backward([dy])
        assert_close(driven.bottom[0].diff.numpy(), expected, tol * 10)
        assert driven.bottom[0].data.data_ptr() == memory

    def check(text: str, f: Function, df, low: float = -3, high: float = 3,
              kinks: tuple[float, ...] = (), in_place: str = 'as read') -> None:
        for seed, shape in enumerate([(7,), (2, 3), (2, 3, 4, 5)]):
            x = spread(shape, seed, low, high, kinks)
            for dtype in TOL:
                driven = drive(text, [x], TRAIN, dtype)
                run(driven, f, df, x, '')
                if in_place:
                    run(drive(text, [x], TRAIN, dtype, True), f, df, x, in_place)
        check_gradient(text, [spread((2, 3, 4), 9, low, high, kinks)])
    return check


@pytest.fixture(scope='session')
def overwrites(drive) -> Callable[..., None]:
    """overwrites(layer_text, phase=TRAIN): in place, both passes stay in the bottom's memory."""
    def check(text: str, phase: int = TRAIN) -> None:
        driven = drive(text, [np.ones((2, 3))], phase, torch.float32, True)
        blob = driven.bottom[0]
        driven.fill()
        data, diff = blob.data, blob.diff
        driven.layer.reshape(driven.bottom, driven.top)
        driven.layer.forward(driven.bottom, driven.top)
        driven.layer.backward(driven.top, [True], driven.bottom)
        assert blob.data.data_ptr() == data.data_ptr()
        assert blob.diff.data_ptr() == diff.data_ptr()
    return check


@pytest.fixture(scope='session')
def recorded_net(golden: Path) -> Callable[[str], Net]:
    """recorded_net(name): run a case of tests/golden/layers as a net and compare all it recorded.

    Several repetitions of the input are passes that follow one another.
    """
    def feed(net: Net, case: dict[str, np.ndarray], suffix: str) -> None:
        for key, array in case.items():
            parts = key.split(':')
            if parts[0] == 'in' and parts[2:] == ([suffix] if suffix else []):
                net.blobs[parts[1]].data = torch.tensor(array)

    def check(name: str) -> Net:
        net = Net(golden / 'layers' / f'{name}.prototxt')
        with np.load(golden / 'layers' / f'{name}.npz') as arrays:
            case = dict(arrays)
        for key in [k for k in case if k.startswith('param:')]:
            net.params[key.split(':')[1]][int(key[-1])].data = torch.tensor(case[key])
        for suffix in sorted({k.split(':')[2] for k in case
                              if k.startswith('in:') and k.count(':') == 2}) or ['']:
            feed(net, case, suffix)
            net.run_forward()
        for key in [k for k in case if k.startswith('topdiff:')]:
            net.blobs[key[8:]].diff = torch.tensor(case[key])
        net.backward()
        for key, array in case.items():
            kind, blob, *rest = key.split(':')
            if kind in ('out', 'diff'):
                found = net.blobs[blob].data if kind == 'out' else net.blobs[blob].diff
                assert_close(found.numpy(), array, 2e-4)
            elif kind in ('param_after', 'pdiff'):
                row = net.params[blob][int(rest[0])]
                assert_close((row.data if kind == 'param_after' else row.diff).numpy(), array, 2e-4)
        return net
    return check
