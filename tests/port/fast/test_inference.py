"""The fast engine gives the plain engine's scores: every net, odd sizes, batches."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from netspec.families import make_net
from netspec.families.fcn import fcn
from netspec.schema import parse_net
from netspec.schema.messages import TEST, TRAIN
from netspec.variants import VARIANTS
from netspec.variants.deeplab_rows import DeepLab
from port.engine import random_weights as drawing
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast import cuda_graphs as graphs
from port.fast.convolutions import by_kernels
from port.fast.convolutions.algorithms import ByTorch
from port.fast.inference import FastNet
from port.fast.kernels import calls, fourier
from port.fast.unsuited import Unsuited

NARROW, SOME, KERNELS = 0.04, 0.25, 0.5  # the C kernels take no, some, all layers of these widths
TOLERANCE = 1e-5                         # of the largest score
NETS = [name for name, row in VARIANTS.items()
        if row.stride in (4, 8, 16, 32) and not isinstance(row, DeepLab)]
# Trunks that are not padded by 100 take no image smaller than their poolings.
PADDED, SMALLEST = ('vgg16', 'alexnet'), 40
# With drawn weights plain float32 of ResNet-34 is off from float64 by 1e-5 and of SqueezeNet by
# 6e-6, and so are the fast engine's.
ROOM = {'voc-fcn8s-resnet34': 2, **{f'{data}-fcn16s-squeezenet': 1.5 for data in ('voc', 'camvid')}}


def arrays_for(net: Net, batch: int, height: int, width: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(batch * height + width)
    return {name: 60 * torch.randn(batch, net.blobs[name].shape[1], height, width,
                                   generator=generator) for name in net.inputs}


def plain(net: Net, arrays: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the plain engine's outputs."""
    return {name: y.clone() for name, y in net.forward(**arrays).items()}


def exact(net: Net, arrays: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the plain engine's outputs in double precision."""
    net.to(torch.float64)
    found = plain(net, {name: x.double() for name, x in arrays.items()})
    net.to(torch.float32)
    return found


def hold(net: Net, fast: FastNet, arrays: dict[str, torch.Tensor],
         tolerance: float = TOLERANCE, reference: Callable = plain) -> None:
    wanted = reference(net, arrays)
    found = fast(**arrays)
    assert found.keys() == wanted.keys()
    for name, y in wanted.items():
        assert found[name].shape == y.shape and found[name].is_contiguous()
        off = (found[name] - y).abs().max() / y.abs().max()
        assert off <= tolerance, f'{name}: off by {off:.2g} of the largest score'


def draw_chaotic(net: Net, seed: int) -> None:
    """Draw filters of sum 0, which grow a rounding error twentyfold: two plain float32 sums of
    different orders come to differ by 1e-5 too (docs/padding.md).
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, 'KEPT', 0)
        random_weights(net, seed)


@pytest.fixture(scope='module')
def nets() -> dict[tuple[str, float], Net]:
    return {}


def net_of(nets: dict, name: str, width: float = NARROW) -> Net:
    if (name, width) not in nets:
        nets[name, width] = net = Net(make_net(name, 'deploy', width=width), TEST)
        random_weights(net, 3)
    return nets[name, width]


def enough(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return batch, height and width, as large as the net needs them."""
    least = 1 if VARIANTS[name].trunk in PADDED else SMALLEST
    return (shape[0], *(max(side, least) for side in shape[1:]))


@pytest.mark.parametrize('name', NETS)
def test_every_net(nets, name: str) -> None:
    net = net_of(nets, name)
    try:
        fast = FastNet(net)
    except Unsuited as reason:
        assert 'segnet' in name, reason
        return
    for shape in ((1, 70, 101), (2, 37, 33), (1, 1, 1)):
        hold(net, fast, arrays_for(net, *enough(name, shape)), TOLERANCE * ROOM.get(name, 1))


@pytest.mark.parametrize('height', range(64, 96, 3))
def test_every_alignment_with_the_pools(nets, height: int) -> None:
    net = net_of(nets, 'voc-fcn8s')
    hold(net, FastNet(net), arrays_for(net, 1, height, 159 - height))


def hold_at(name: str, width: float, shapes: tuple[tuple[int, ...], ...]) -> None:
    """Hold to the exact result where errors grow, and to the plain engine's where they do not."""
    net = Net(fcn(name, 'deploy', width=width), TEST)
    ways = [(random_weights, plain, 1), (draw_chaotic, exact, 2)]   # plain float32: 1.0e-5 off too
    if VARIANTS[name].trunk not in PADDED:
        ways.pop()                # of twice as many layers, in which errors grow twice as far
    for draw, reference, room in ways:
        draw(net, 3)
        for shape in shapes:
            arrays = arrays_for(net, *enough(name, shape))
            hold(net, FastNet(net), arrays, TOLERANCE * ROOM.get(name, room), reference)


@pytest.mark.parametrize('name', NETS)
def test_some_kernels(name: str) -> None:
    hold_at(name, SOME, ((1, 45, 70), (2, 20, 9)))


@pytest.mark.parametrize('least', [0, 12, 13])
def test_large_kernels_by_transforms_of_tiles(monkeypatch, least: int) -> None:
    """From so many tiles on: the second stage has 12 of 10 x 10 pixels. The first has 35, but
    three channels.
    """
    monkeypatch.setattr(by_kernels, 'FORWARD_TILES', least)
    ran, run = [], fourier.transform

    def spy(x, pad, kernel, spectrum, partner=None):
        ran.append(tuple(x.shape[2:]))
        return run(x, pad, kernel, spectrum, partner)
    monkeypatch.setattr(fourier, 'transform', spy)
    net = Net(fcn('camvid-fcn-basic', 'deploy', width=SOME), TEST)
    random_weights(net, 3)
    hold(net, FastNet(net), arrays_for(net, 1, 45, 70))
    if calls.available():
        assert len(ran) == {0: 3, 12: 1, 13: 0}[least]


def test_kernels() -> None:
    hold_at('voc-fcn8s', KERNELS, ((1, 45, 70), (3, 20, 9)))


@pytest.mark.slow
@pytest.mark.parametrize('name', NETS)
def test_all_kernels(name: str) -> None:
    hold_at(name, KERNELS, ((1, 45, 70), (2, 100, 120), (1, 1, 1)))


@pytest.mark.slow
def test_full_width() -> None:
    hold_at('voc-fcn32s', 1, ((1, 150, 200),))


def test_several_threads(nets) -> None:
    net, before = net_of(nets, 'voc-fcn8s', KERNELS), torch.get_num_threads()
    arrays = arrays_for(net, 1, 60, 80)
    alone = FastNet(net)(**arrays)['score']
    torch.set_num_threads(3)
    try:
        shared = FastNet(net)(**arrays)['score']
    finally:
        torch.set_num_threads(before)
    assert (alone - shared).abs().max() <= TOLERANCE * alone.abs().max()


@pytest.mark.parametrize('channels', [1, 2, 4])
@pytest.mark.parametrize('pad', [0, 1, 100])
def test_images_of_other_channels_are_refused(channels: int, pad: int) -> None:
    net = Net(parse_net('layer { name: "data" type: "Input" top: "data" input_param { shape { '
                        'dim: 1 dim: 3 dim: 9 dim: 9 } } } layer { name: "conv" bottom: "data" '
                        'type: "Convolution" top: "score" convolution_param { num_output: 64 '
                        f'kernel_size: 3 pad: {pad} weight_filler {{ type: "msra" }} }} }}'), TEST)
    fast = FastNet(net)
    hold(net, fast, {'data': torch.randn(1, 3, 20, 20)})
    with pytest.raises(ValueError, match=f"layer 'conv': its bottom has {channels} channels"):
        fast(data=torch.randn(1, channels, 20, 20))
    hold(net, fast, {'data': torch.randn(1, 3, 20, 20)})


def test_switches(nets) -> None:
    net = net_of(nets, 'voc-fcn8s')
    arrays = arrays_for(net, 1, 50, 60)
    fast, whole = FastNet(net), FastNet(net, skip=False, kernels=False)
    hold(net, whole, arrays)
    assert whole.plan({'data': (50, 60)}).share > 4 * fast.plan({'data': (50, 60)}).share


def test_share_of_the_work_at_the_published_size(nets) -> None:
    """The issue's count is 191 of 293 GFLOP at 375 x 500, at full width, where ours is 184."""
    net = Net(fcn('voc-fcn8s', 'deploy', width=0.2), TEST)
    assert FastNet(net, kernels=False).plan({'data': (375, 500)}).share < 0.66


def test_calls_do_not_disturb_one_another(nets) -> None:
    net = net_of(nets, 'voc-fcn8s')
    fast = FastNet(net)
    one, two = arrays_for(net, 1, 50, 60), arrays_for(net, 1, 50, 61)
    first = fast(**one)['score']
    kept = first.clone()
    fast(data=-one['data'])
    fast(**two)
    fast(data=torch.zeros(1, 3, 20, 20))
    assert torch.equal(first, kept) and torch.equal(fast(**one)['score'], kept)


def test_blank_values_serve_sizes_that_differ_by_the_stride(nets) -> None:
    net = net_of(nets, 'voc-fcn8s')
    fast = FastNet(net)
    for height, width in ((90, 100), (122, 100), (90, 132)):
        hold(net, fast, arrays_for(net, 1, height, width))
    assert len(fast._blanks) == 1
    hold(net, fast, arrays_for(net, 1, 91, 100))
    assert len(fast._blanks) == 2


def test_new_weights_are_seen(nets) -> None:
    net = Net(fcn('voc-fcn32s', 'deploy', width=NARROW), TEST)
    random_weights(net, 1)
    fast, arrays = FastNet(net), arrays_for(net, 1, 40, 40)
    fast(**arrays)
    net.params['conv1_1'][0].data.mul_(0.5)
    hold(net, fast, arrays)
    net.params['fc6'][1].data = net.params['fc6'][1].data + 1
    hold(net, fast, arrays)
    net.params['conv2_1'][0].arrays('data')[...] *= 2
    hold(net, fast, arrays)


def by_hand(work: graphs.Work) -> tuple[graphs.Tensors, Callable[[], None]]:
    """Stand for a GPU: results keep their memory, and repeating fills it anew."""
    results = work()
    return results, lambda: [a.copy_(b) for a, b in zip(results, work(), strict=True)]


def test_sizes_that_recur_are_recorded(nets) -> None:
    net = net_of(nets, 'voc-fcn8s')
    fast = FastNet(net)
    fast.capture = by_hand
    one, two = arrays_for(net, 1, 40, 50), arrays_for(net, 2, 33, 20)
    for _ in range(graphs.WARM_UP + 1):
        hold(net, fast, one)
        hold(net, fast, two)
    assert [sized.repeat is not None for sized in fast._sizes.values()] == [True, True]
    hold(net, fast, {'data': -one['data']})
    hold(net, fast, two)
    net.params['conv1_1'][0].data.mul_(0.5)                 # recordings hold the old weights
    hold(net, fast, one)
    net.params['conv1_1'][0].data.mul_(2)


@pytest.mark.parametrize('dtype,tolerance', [(torch.float32, TOLERANCE), (torch.bfloat16, 0.2),
                                             (torch.float16, 0.03)])
def test_the_way_of_a_gpu(nets, dtype: torch.dtype, tolerance: float) -> None:
    net = net_of(nets, 'voc-fcn16s')
    fast = FastNet(net, dtype=dtype, kernels=False)
    fast.capture = by_hand
    fast.refresh()
    for operator in fast.operators.values():
        if operator.operation.kind == 'Convolution':
            operator.convolution.forward_ways = [ByTorch(operator.convolution.task)]
    for i in range(graphs.WARM_UP + 2):
        arrays = arrays_for(net, 1, 40, 50)
        hold(net, fast, {'data': (i + 1) * arrays['data']}, tolerance)
    assert [sized.repeat is not None for sized in fast._sizes.values()] == [True]


def test_inner_outputs(nets) -> None:
    net = net_of(nets, 'voc-fcn8s')
    arrays = arrays_for(net, 1, 60, 50)
    found = FastNet(net, ['pool3', 'score_fr', 'score_pool4c'])(**arrays)
    net.forward(**arrays)
    for name, y in found.items():
        plain = net.blobs[name].data
        assert (y - plain).abs().max() <= TOLERANCE * plain.abs().max(), name


@pytest.mark.parametrize('width', [KERNELS, 0.125, NARROW])     # all, some, none by the kernels
def test_bfloat16_finds_the_same_classes(nets, width: float) -> None:
    net = net_of(nets, 'voc-fcn8s', width)
    arrays = arrays_for(net, 1, 80, 90)
    plain = net.forward(**arrays)['score'].argmax(1)
    found = FastNet(net, dtype=torch.bfloat16)(**arrays)['score']
    assert found.dtype == torch.float32
    assert (found.argmax(1) == plain).double().mean() > 0.9      # random weights: close calls


def layer(text: str) -> str:
    return f'layer {{ {text} }}'


DATA = layer('name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 '
             'dim: 20 dim: 24 } }')
CONV = ('name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 3 '
        'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 } %s }')
BODIES = {
    'strided': [CONV % 'kernel_size: 5 stride: 3 pad: 30'],
    'dilated': [CONV % 'kernel_size: 3 dilation: 2 pad: 9'],
    'rectangular': [CONV % 'kernel_h: 3 kernel_w: 2 pad_h: 40 pad_w: 3 stride_h: 2 stride_w: 1'],
    'average': [CONV % 'kernel_size: 3 pad: 21',
                'name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { pool: AVE '
                'kernel_size: 3 stride: 2 pad: 1 }'],
    'maximum': [CONV % 'kernel_size: 3 pad: 21',
                'name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { pool: MAX '
                'kernel_size: 3 stride: 2 pad: 1 }',
                'name: "q" type: "Pooling" bottom: "p" top: "q" pooling_param { pool: MAX '
                'kernel_size: 3 stride: 3 round_mode: FLOOR }'],
    'normalised': [CONV % 'kernel_size: 3 pad: 20',
                   'name: "r" type: "ReLU" bottom: "c" top: "c" relu_param { negative_slope: .1 }',
                   'name: "n" type: "LRN" bottom: "c" top: "n"',
                   'name: "s" type: "Scale" bottom: "n" top: "s" scale_param { bias_term: true }',
                   'name: "o" type: "Convolution" bottom: "s" top: "o" convolution_param { '
                   'num_output: 2 kernel_size: 3 pad: 2 weight_filler { type: "xavier" } }'],
    'joined': [CONV % 'kernel_size: 3 pad: 20',
               'name: "d" type: "Convolution" bottom: "data" top: "d" convolution_param { '
               'num_output: 3 kernel_size: 7 pad: 22 weight_filler { type: "xavier" } }',
               'name: "e" type: "Eltwise" bottom: "c" bottom: "d" top: "e"',
               'name: "f" type: "Concat" bottom: "e" bottom: "c" top: "f"',
               'name: "g" type: "Deconvolution" bottom: "f" top: "g" convolution_param { '
               'num_output: 2 kernel_size: 4 stride: 3 pad: 1 weight_filler { type: "xavier" } '
               'bias_filler { type: "constant" value: 1 } }',
               'name: "h" type: "Crop" bottom: "g" bottom: "data" top: "h" crop_param { axis: 2 '
               'offset: 50 offset: 41 }'],
}


@pytest.mark.parametrize('name', BODIES)
def test_other_nets(name: str) -> None:
    torch.manual_seed(5)
    net = Net(parse_net(DATA + ''.join(map(layer, BODIES[name]))), TEST)
    hold(net, FastNet(net), arrays_for(net, 2, 20, 24))
    hold(net, FastNet(net), arrays_for(net, 1, 7, 31))


REFUSED = {
    'InnerProduct': 'inner_product_param { num_output: 2 weight_filler { type: "xavier" } }',
    'MVN': '', 'Softmax': 'softmax_param { axis: 2 }',
    'LRN': 'lrn_param { norm_region: WITHIN_CHANNEL }',
    'Pooling': 'pooling_param { global_pooling: true }'}


@pytest.mark.parametrize('kind', REFUSED)
def test_refuses_what_it_does_not_know(kind: str) -> None:
    text = DATA + layer(f'name: "x" type: "{kind}" bottom: "data" top: "x" {REFUSED[kind]}')
    with pytest.raises(Unsuited, match="'x'"):
        FastNet(Net(parse_net(text), TEST))


def test_refuses_the_training_phase() -> None:
    with pytest.raises(Unsuited, match='TEST'):
        FastNet(Net(parse_net(DATA), TRAIN))


def test_names_a_missing_input(nets) -> None:
    with pytest.raises(KeyError, match='data'):
        FastNet(net_of(nets, 'voc-fcn8s'))(image=np.zeros((1, 3, 4, 4)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('name', NETS)
def test_on_a_gpu(name: str) -> None:
    net = Net(make_net(name, 'deploy', width=NARROW), TEST, device='cuda')
    random_weights(net, 3)
    net.to('cuda')
    try:
        fast = FastNet(net)
    except Unsuited:
        return
    for i in range(graphs.WARM_UP + 2):
        hold(net, fast, {k: (i + 1) * x for k, x in arrays_for(net, 2, 70, 101).items()},
             10 * TOLERANCE)
    assert [sized.repeat is not None for sized in fast._sizes.values()] == [True]
