"""Fast training passes give the plain engine's loss, gradients and trajectories."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch

from netspec.families.fcn import fcn
from netspec.schema import parse_net
from netspec.schema.messages import TEST, TRAIN, NetParameter, SolverParameter
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast import cuda_graphs as graphs
from port.fast import speed_up, upsampling
from port.fast.kernels import calls, winograd
from port.fast.reach import blank_values
from port.fast.training import FastTraining
from port.fast.unsuited import Unsuited
from port.training.solver import NonFiniteLoss, Solver

from .small import conv, layer, source

EXACT = 1e-11                # of a gradient's largest value, in double precision
ROUNDING = 1e-3              # in float32, where a ReLU that rounding decides moves a whole term
NETS = ('voc-fcn32s', 'voc-fcn8s', 'voc-fcn8s-atonce', 'voc-fcn-alexnet', 'siftflow-fcn16s',
        'nyud-fcn32s-color-d', 'nyud-fcn32s-color-hha', 'camvid-fcn8s')
SIZES = ((60, 71, 1), (33, 20, 2), (1, 1, 1))


def training_param(name: str, width: float, height: int, across: int, batch: int) -> NetParameter:
    """The published training net, inputs in place of its data layer."""
    row, net = VARIANTS[name], NetParameter()
    source = fcn(name, row.splits[0].file, width=width)
    channels = {image.top: image.channels for image in row.inputs}
    for top in source.layer[0].top:
        layer = net.layer.add(name=top, type='Input', top=[top])
        layer.input_param.shape.add(dim=[batch, channels.get(top, 1), height, across])
    net.layer.extend(source.layer[1:])
    return net


def feed(net: Net, name: str) -> None:
    generator = torch.Generator().manual_seed(4)
    labels = {head.label: head.classes for head in VARIANTS[name].heads}
    for blob in net.inputs:
        shape = net.blobs[blob].shape
        image = 50 * torch.randn(shape, generator=generator, dtype=torch.float64)
        if blob in labels:
            image = torch.randint(0, labels[blob], shape, generator=generator).double()
            image[..., :1] = VARIANTS[name].ignore_label
        net.feed(**{blob: image})


def make(name: str, width: float, size: tuple[int, int, int], dtype: torch.dtype) -> Net:
    net = Net(training_param(name, width, *size), TRAIN)
    random_weights(net, 1)
    net.to(dtype)
    feed(net, name)
    return net


def gradients(net: Net, run) -> tuple[float, dict]:
    torch.manual_seed(7)                       # Dropout draws the same positions
    net.clear_param_diffs()
    loss = float(run())
    return loss, {(layer, i): blob.diff.clone() for layer, blobs in net.params.items()
                  for i, blob in enumerate(blobs)}


def plain(net: Net) -> torch.Tensor:
    loss = net.run_forward()
    net.backward()
    return loss


def hold(net: Net, tolerance: float) -> None:
    loss, want = gradients(net, lambda: plain(net))
    fast = FastTraining(net)
    found_loss, found = gradients(net, fast)
    assert found_loss == pytest.approx(loss, rel=tolerance)
    for key, gradient in want.items():
        peak = gradient.abs().max()
        assert (found[key] - gradient).abs().max() <= tolerance * peak, key


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('name', NETS)
def test_exact_in_double_precision(name: str, size: tuple[int, int, int]) -> None:
    hold(make(name, 0.03, size, torch.float64), EXACT)


@pytest.mark.parametrize('height', range(40, 72, 5))
def test_every_alignment_with_the_pools(height: int) -> None:
    hold(make('voc-fcn16s', 0.02, (height, 90 - height, 1), torch.float64), EXACT)


def test_kernels_in_single_precision() -> None:
    if not calls.available():
        pytest.skip('no C compiler here')
    # Of a size at which no ReLU or maximum lies so close to its edge that rounding decides it.
    hold(make('voc-fcn32s', 0.5, (48, 60, 1), torch.float32), ROUNDING)


def test_gradients_add_up() -> None:
    net = make('voc-fcn32s', 0.03, (20, 20, 1), torch.float64)
    fast = FastTraining(net)
    _, once = gradients(net, fast)
    _, twice = gradients(net, lambda: (torch.manual_seed(7), fast(), torch.manual_seed(7),
                                       fast())[1])
    for key, gradient in once.items():
        assert torch.allclose(twice[key], 2 * gradient, rtol=1e-9, atol=0), key


def by_hand(work: graphs.Work) -> tuple[graphs.Tensors, Callable[[], None]]:
    """Stand for a GPU: results keep their memory, and repeating fills it anew."""
    with torch.random.fork_rng(devices=[]):
        results = work()
    return results, lambda: [a.copy_(b) for a, b in zip(results, work(), strict=True)]


@pytest.mark.parametrize('name', ['voc-fcn32s', 'siftflow-fcn16s'])
def test_passes_that_recur_are_recorded(name: str) -> None:
    net = make(name, 0.03, (30, 25, 1), torch.float64)
    eager, fast = FastTraining(net), FastTraining(net)
    fast.capture = by_hand
    for turn in range(graphs.WARM_UP + 3):
        net.blobs['data'].data = (turn + 1) * torch.ones_like(net.blobs['data'].data)
        loss, want = gradients(net, eager)
        found_loss, found = gradients(net, fast)
        assert found_loss == pytest.approx(loss, rel=EXACT)
        for key, gradient in want.items():
            assert torch.allclose(found[key], gradient, rtol=EXACT, atol=0), key
    assert [r is not None for r in fast.recordings.values()] == [True]
    _, twice = gradients(net, lambda: [torch.manual_seed(7), fast(), torch.manual_seed(7),
                                       fast()][1])
    for key, gradient in want.items():
        assert torch.allclose(twice[key], 2 * gradient, rtol=EXACT, atol=0), key


def test_a_recording_keeps_what_the_caches_let_go(monkeypatch) -> None:
    """After many other sizes its upsampling matrices and indices are still its own."""
    seen: list[weakref.ref] = []

    def watching(work: graphs.Work) -> tuple[graphs.Tensors, Callable[[], None]]:
        found = by_hand(work)
        seen.extend(weakref.ref(t) for t in graphs._kept[-1])
        return found
    net = make('voc-fcn8s', 0.03, (30, 25, 1), torch.float64)
    fast = FastTraining(net)
    fast.capture = watching
    for _ in range(graphs.WARM_UP + 1):
        gradients(net, fast)
    fast.capture = None
    for size in range(26, 26 + upsampling.MATRICES):
        net.blobs['data'].data = torch.ones(1, 3, size, 25, dtype=torch.float64)
        net.blobs['label'].data = torch.zeros(1, 1, size, 25, dtype=torch.float64)
        gradients(net, fast)
    blank_values._index.cache_clear()
    gc.collect()
    assert len(seen) > 6 and all(t() is not None for t in seen)
    fast.recordings.clear()
    gc.collect()
    assert any(t() is None for t in seen)


def test_goes_on_where_nothing_can_be_recorded() -> None:
    net = make('voc-fcn32s', 0.03, (30, 25, 1), torch.float64)
    fast = FastTraining(net)
    _, want = gradients(net, fast)

    def refuse(work: graphs.Work) -> tuple[graphs.Tensors, Callable[[], None]]:
        work()
        raise RuntimeError('operation not permitted when stream is capturing')
    fast.capture = refuse
    for _ in range(graphs.WARM_UP + 2):
        _, found = gradients(net, fast)
    assert [*fast.recordings.values()] == [None]
    assert all(torch.equal(found[key], gradient) for key, gradient in want.items())


def solver_for(fast: bool, dtype: torch.dtype = torch.float32, **options) -> Solver:
    param = SolverParameter(net_param=training_param('voc-fcn16s', 0.04, 50, 40, 1),
                            base_lr=1e-7, lr_policy='fixed', momentum=0.9, weight_decay=0.0005,
                            random_seed=3)
    for key, value in options.items():
        setattr(param, key, value)
    solver = Solver(param, finite=True)
    random_weights(solver.net, 1)
    solver.net.to(dtype)
    solver.history = [h.to(dtype) for h in solver.history]
    feed(solver.net, 'voc-fcn16s')
    if fast:
        assert speed_up.train_by(solver, True) == ''
    return solver


@pytest.mark.parametrize('options', [{}, dict(type='Nesterov'), dict(type='Adam', momentum2=0.99),
                                     dict(clip_gradients=10.), dict(iter_size=2),
                                     dict(regularization_type='L1'),
                                     dict(lr_policy='step', gamma=0.5, stepsize=2)],
                         ids=lambda o: ','.join(o) or 'sgd')
def test_trajectory(options: dict) -> None:
    one, other = (solver_for(fast, torch.float64, **options) for fast in (False, True))
    for solver in (one, other):
        torch.manual_seed(9)
        solver.step(5)
    assert other.losses == pytest.approx(one.losses, rel=1e-9)
    assert one.iteration == other.iteration == 5
    for a, b in zip(one.net.learnable, other.net.learnable, strict=True):
        assert torch.allclose(a.blob.data, b.blob.data, rtol=1e-7, atol=1e-10)
        assert torch.allclose(a.blob.diff, b.blob.diff, rtol=1e-6, atol=1e-12)


def test_trajectory_in_single_precision() -> None:
    one, other = (solver_for(fast) for fast in (False, True))
    for solver in (one, other):
        torch.manual_seed(9)
        solver.step(5)
    assert other.losses == pytest.approx(one.losses, rel=ROUNDING)


def test_early_updates_free_the_gradients() -> None:
    solver = solver_for(True)
    solver.step(1)
    fc6 = solver.net.params['fc6'][0]
    assert torch.equal(fc6.diff, solver.history[[r.blob for r in solver.net.learnable].index(fc6)])


def test_an_infinite_loss_changes_no_weights() -> None:
    solver = solver_for(True)
    solver.net.params['conv1_1'][1].data.fill_(float('inf'))
    before = [row.blob.data.clone() for row in solver.net.learnable]
    with pytest.raises(NonFiniteLoss):
        solver.step(1)
    for row, was in zip(solver.net.learnable, before, strict=True):
        assert torch.equal(row.blob.data, was)


def test_debugging_takes_the_plain_engine(caplog) -> None:
    solver, seen = solver_for(True), []
    solver.net.before_forward.append(seen.append)
    solver.step(1)
    assert len(seen) == len(solver.net.nodes)


DATA = ('layer { name: "data" type: "Input" top: "data" top: "label" input_param { shape { dim: 1 '
        'dim: 3 dim: 9 dim: 9 } shape { dim: 1 dim: 1 dim: 9 dim: 9 } } }')
LOSS = 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "%s" bottom: "label" }'
CONV = ('layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { '
        'num_output: 4 kernel_size: 1 } }')


SHARED = 'param { name: "w" } param { name: "b" }'
SCALES = (source('x', 1, 32, 17, 12) + source('label', 1, 1, 17, 12)
          + layer('Interp', 'x', 'x2', 'interp_param { zoom_factor: 2 }')
          + layer('Interp', 'x', 'x3', 'interp_param { shrink_factor: 2 }')
          + ''.join(conv(f'x{i}', f'first{i}', 32, 3, 'pad: 1', SHARED)
                    + conv(f'first{i}', f'y{i}', 32, 3, 'pad: 1', SHARED)
                    + layer('Interp', f'y{i}', f'z{i}', 'interp_param { height: 17 width: 12 }')
                    for i in (2, 3))
          + layer('Eltwise', ['z2', 'z3'], 'z') + layer('SoftmaxWithLoss', ['z', 'label'], 'loss'))


@pytest.mark.skipif(not calls.available(), reason='no C compiler here')
def test_shared_weights_are_packed_once_a_pass(monkeypatch) -> None:
    """Forward for all scales and layers, and once more for the way back."""
    packed, pack = [], winograd.pack_winograd
    monkeypatch.setattr(winograd, 'pack_winograd', lambda weight, turned=False: (
        packed.append(turned) or pack(weight, turned)))
    net = Net(parse_net(SCALES), TRAIN)
    random_weights(net, 1)
    net.feed(x=torch.randn(1, 32, 17, 12), label=torch.randint(0, 32, (1, 1, 17, 12)).float())
    fast = FastTraining(net)
    for _ in range(3):
        loss, want = gradients(net, lambda: plain(net))
        packed.clear()
        found_loss, found = gradients(net, fast)
        assert sorted(packed) == [False, True]
        assert found_loss == pytest.approx(loss, rel=ROUNDING)
        for key, gradient in want.items():
            assert (found[key] - gradient).abs().max() <= ROUNDING * gradient.abs().max(), key
        for blobs in net.params.values():
            blobs[0].data.mul_(1.1)


@pytest.mark.parametrize('text,reason', [
    (DATA + CONV, 'no loss'),
    (DATA + 'layer { name: "m" type: "MVN" bottom: "data" top: "m" }' + LOSS % 'm', "'m'"),
    (DATA + LOSS % 'data', "'l': SoftmaxWithLoss")])
def test_refuses(text: str, reason: str) -> None:
    with pytest.raises(Unsuited, match=reason):
        FastTraining(Net(parse_net(text), TRAIN))


def test_refuses_the_test_phase() -> None:
    with pytest.raises(Unsuited, match='TRAIN'):
        FastTraining(Net(parse_net(DATA + CONV + LOSS % 'c'), TEST))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('name', NETS)
def test_on_a_gpu(name: str) -> None:
    net = make(name, 0.03, (60, 71, 1), torch.float64).to('cuda')
    hold(net, EXACT)
    loss, want = gradients(net, lambda: plain(net))
    fast = FastTraining(net)
    for _ in range(graphs.WARM_UP + 2):
        found_loss, found = gradients(net, fast)
        assert found_loss == pytest.approx(loss, rel=EXACT)
        for key, gradient in want.items():
            assert (found[key] - gradient).abs().max() <= EXACT * gradient.abs().max(), key
    assert [r is not None for r in fast.recordings.values()] == [True]
