"""BatchNorm by the batch, with Scale and ReLU: by kernels, and by the layers' own code."""

import pytest
import torch

from netspec.schema.messages import TRAIN
from port.engine.net import Net
from port.fast.inference import FastNet
from port.fast.kernels import batch_norm, calls
from port.fast.training import FastTraining

from .small import conv, labels, layer, loss, make, source

ROUNDING = 1e-4         # of the largest value, in float32
NOTHING = 2e-5          # the gradient of a bias that BatchNorm takes away is all rounding
NORM, RELU = layer('BatchNorm', 'a', 'a'), layer('ReLU', 'a', 'a')
SCALE = layer('Scale', 'a', 'a', 'scale_param { bias_term: true }')
BEHIND = {
    'alone': '', 'scaled': SCALE, 'scaled, positive': SCALE + RELU, 'positive': RELU,
    'no shift': layer('Scale', 'a', 'a') + RELU,
    'fixed': layer('Scale', 'a', 'a', 'param { lr_mult: 0 } param { lr_mult: 0 } '
                   'scale_param { bias_term: true }') + RELU,
    'shift alone': layer('Scale', 'a', 'a', 'param { lr_mult: 0 } scale_param { bias_term: true }'),
    'one number': layer('Scale', 'a', 'a', 'scale_param { num_axes: 0 }'),
    'leaky': SCALE + layer('ReLU', 'a', 'a', 'relu_param { negative_slope: 0.1 }')}


def net_of(behind: str, shape: tuple[int, ...] = (4, 3, 8, 8), phase: int = TRAIN,
           dtype: torch.dtype = torch.float32, norm: str = NORM) -> Net:
    n, _, h, w = shape
    net = make(source('x', *shape) + source('l', n, 1, h, w) + conv('x', 'a', 16, 3, 'pad: 1')
               + norm + behind + conv('a', 's', 4, 1) + loss('s', 'l', 'one'), phase)
    net.to(dtype)
    for node in net.nodes:
        for i, blob in enumerate(node.layer.blobs if node.layer.type == 'Scale' else []):
            blob.data = blob.data + 0.3 * torch.randn_like(blob.data) - i / 2
    torch.manual_seed(2)
    net.feed(x=torch.randn(shape), l=labels(n, 1, h, w))
    return net


def after(net: Net, run, passes: int = 1) -> dict[str, torch.Tensor]:
    """Return the loss, the gradients and the statistics after some passes."""
    net.clear_param_diffs()
    for _ in range(passes):
        run()
    found = {'loss': torch.as_tensor(float(net.loss))}
    for name, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            found[f'{name} {i}'] = (blob.data if 'BatchNorm' in name else blob.diff).clone()
    return found


def plainly(net: Net):
    def run() -> None:
        net.run_forward()
        net.backward()
    return run


def same(found: dict, wanted: dict, tolerance: float) -> None:
    for key, value in wanted.items():
        off = (found[key].double() - value.double()).abs().max()
        assert off <= tolerance * value.abs().max() + NOTHING * tolerance / ROUNDING, key


@pytest.fixture
def moments(monkeypatch) -> list[tuple]:
    """The shapes of what the kernels have normalised."""
    shapes, run = [], batch_norm.normalise
    monkeypatch.setattr(batch_norm, 'normalise', lambda z, *rest: (
        shapes.append(tuple(z.shape)), run(z, *rest))[1])
    return shapes


@pytest.mark.parametrize('dtype,tolerance', [(torch.float32, ROUNDING), (torch.float64, 1e-11)])
@pytest.mark.parametrize('name', BEHIND)
def test_a_pass(moments, name: str, dtype: torch.dtype, tolerance: float) -> None:
    one, other = (net_of(BEHIND[name], dtype=dtype) for _ in range(2))
    fast = FastTraining(other)
    assert len(fast.trained.part.rest) == 1
    same(after(other, fast), after(one, plainly(one)), tolerance)
    assert bool(moments) == (dtype == torch.float32 and calls.available())


def test_a_scale_of_each_position_is_the_plain_engines() -> None:
    scale = layer('Scale', 'a', 'a', 'scale_param { num_axes: -1 }')
    one, other = (net_of(scale, dtype=torch.float64) for _ in range(2))
    same(after(other, FastTraining(other)), after(one, plainly(one)), 1e-11)


@pytest.mark.parametrize('shape', [(1, 3, 1, 1), (1, 3, 3, 5), (3, 3, 1, 1)])
def test_few_pixels(shape: tuple[int, ...]) -> None:
    one, other = (net_of(BEHIND['scaled, positive'], shape) for _ in range(2))
    same(after(other, FastTraining(other)), after(one, plainly(one)), 10 * ROUNDING)


@pytest.mark.parametrize('batch', [1, 2])
@pytest.mark.parametrize('norm', [NORM, ''])
def test_passes_add_up_unless_the_batch_is_one_image(norm: str, batch: int) -> None:
    """Of one image Caffe's Scale forgets the earlier gradients of what it multiplies by."""
    one, other = (net_of(SCALE, (batch, 3, 8, 8), norm=norm) for _ in range(2))
    same(after(other, FastTraining(other), 2), after(one, plainly(one), 2), ROUNDING)


def test_without_kernels(monkeypatch, moments) -> None:
    monkeypatch.setattr(calls, 'libraries', dict)
    one, other = (net_of(BEHIND['scaled, positive']) for _ in range(2))
    same(after(other, FastTraining(other)), after(one, plainly(one)), ROUNDING)
    assert not moments


def test_statistics_over_several_ranks_are_the_layers_own(moments) -> None:
    one, other = (net_of(BEHIND['scaled, positive']) for _ in range(2))
    for net in (one, other):
        for node in net.nodes:
            if node.layer.type == 'BatchNorm':
                node.layer.over_ranks = lambda sums: 2 * sums        # two ranks of the same batch
    same(after(other, FastTraining(other)), after(one, plainly(one)), ROUNDING)
    assert not moments


def test_by_the_batch_in_testing() -> None:
    """use_global_stats: false; the batch is counted there, too."""
    norm = layer('BatchNorm', 'a', 'a', 'batch_norm_param { use_global_stats: false }')
    text = source('x', 4, 3, 8, 8) + conv('x', 'a', 16, 3, 'pad: 9') + norm + SCALE + RELU
    plain, net = make(text), make(text)
    x = torch.randn(4, 3, 8, 8)
    for fast in (FastNet(net), FastNet(net, kernels=False), FastNet(net, skip=False)):
        wanted, found = plain.forward(x=x)['a'], fast(x=x)['a']
        assert (found - wanted).abs().max() <= ROUNDING * wanted.abs().max()
        for mine, theirs in zip(net.params['to_a_BatchNorm'], plain.params['to_a_BatchNorm'],
                                strict=True):
            assert torch.allclose(mine.data, theirs.data, rtol=1e-4, atol=1e-4)
