"""Runs that repeat the first: the same numbers on other inputs, memory that stays, one call."""

import pytest
import torch

from port.fast.inference import FastNet
from port.fast.kernels import calls
from port.fast.recorded_execution import RecordedExecution
from port.native.jobs import Jobs

from .small import conv, layer, make, source

pytestmark = pytest.mark.usefixtures('vectors')
TOLERANCE = 2e-6
POOLS = ''.join(layer('Pooling', 'a', f'p{i}', 'pooling_param { kernel_size: 3 stride: 2 pad: 1 '
                      f'pool: {how} }}') for i, how in enumerate(('MAX', 'AVE')))
NET = (source('x', 1, 3, 23, 30) + conv('x', 'a', 21, 3, 'pad: 1') + layer('ReLU', 'a', 'a') + POOLS
       + layer('Eltwise', ['p0', 'p1'], 's', 'eltwise_param { coeff: 1 coeff: -2 }')
       + layer('Concat', ['s', 'p0'], 'c') + layer('BatchNorm', 'c', 'n')
       + layer('Scale', 'n', 'n', 'scale_param { bias_term: true }')
       + layer('Deconvolution', 'n', 'u', 'convolution_param { num_output: 42 group: 42 '
               'kernel_size: 4 stride: 2 bias_term: false weight_filler { type: "bilinear" } }')
       + layer('Interp', 's', 'i', 'interp_param { zoom_factor: 3 }') + conv('i', 'y', 5, 1))


def run(net, fast: FastNet, seed: int, size: tuple[int, int]) -> None:
    x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(seed))
    wanted = {name: y.clone() for name, y in net.forward(x=x).items()}
    for name, y in fast(x=x).items():
        off = (y - wanted[name]).abs().max() / wanted[name].abs().max()
        assert off <= TOLERANCE, (name, size, seed)


@pytest.mark.parametrize('kernels', [True, False])
def test_later_runs_are_the_first_on_other_inputs(kernels: bool) -> None:
    net = make(NET)
    fast = FastNet(net, ['u', 'y'], kernels=kernels)
    for size in ((23, 30), (16, 19), (23, 30)):
        for seed in range(3):
            run(net, fast, seed, size)
    for blob in net.params['to_a_Convolution']:
        blob.data = blob.data * 2                     # everything is noted anew
    run(net, fast, 4, (23, 30))


@pytest.mark.skipif(not calls.available(), reason='no C compiler here')
def test_kernels_alone_are_one_call() -> None:
    net = make(NET)
    fast = FastNet(net, ['u', 'y'])
    run(net, fast, 0, (23, 30))
    (sized,) = fast._sizes.values()
    assert isinstance(sized.execution, RecordedExecution)
    (step,) = sized.execution.steps
    assert isinstance(step.__self__, Jobs) and len(step.__self__.jobs) >= 9


def test_results_stay_while_somebody_holds_them() -> None:
    net = make(NET)
    fast, held = FastNet(net, ['u', 'y']), []
    for seed in range(4):
        x = torch.randn(1, 3, 23, 30, generator=torch.Generator().manual_seed(seed))
        found = fast(x=x)
        held.append((found, {name: y.clone() for name, y in found.items()}))
    for found, copies in held:
        assert all(torch.equal(found[name], copies[name]) for name in copies)


@pytest.mark.parametrize('order', [(0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 2, 1)])
def test_inputs_may_lie_in_any_order(order: tuple[int, ...]) -> None:
    """From one run to the next, too; float64 as well."""
    net = make(NET)
    fast = FastNet(net, ['u', 'y'])
    back = [order.index(axis) for axis in range(4)]
    for seed in range(4):
        x = torch.randn(1, 3, 23, 30, generator=torch.Generator().manual_seed(seed))
        wanted = {name: y.clone() for name, y in net.forward(x=x).items()}
        given = x.permute(*order).contiguous().permute(*back) if seed % 2 else x.double()
        for name, y in fast(x=given).items():
            assert (y - wanted[name]).abs().max() <= TOLERANCE * wanted[name].abs().max()
