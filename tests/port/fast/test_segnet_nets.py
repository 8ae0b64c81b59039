"""Nets with batch normalisation and unpooling: the plain engine's numbers, in both phases."""

from dataclasses import replace

import pytest
import torch

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST, TRAIN, NetParameter
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.starting_weights import prepare
from port.fast.convolutions import by_kernels
from port.fast.kernels import calls, fourier
from port.fast.labelled_scoring import FastScoring
from port.fast.normalisation import BatchNormOperator
from port.fast.put_back import MaximaOperator, UnpoolingOperator
from port.fast.training import FastTraining

pytestmark = pytest.mark.skipif(not calls.available(), reason='no C compiler here')
FRAME, BATCH = (28, 36), 4      # 28 x 36 pixels of 4 images fill vectors at every stage
ROUNDING = 2e-3                 # of a gradient's largest value: a ReLU at zero moves a whole term
NAMES = ('camvid-segnet-basic', 'camvid-fcn-basic', 'camvid-segnet-basic-balanced')


@pytest.fixture(autouse=True)
def transforms(monkeypatch) -> None:
    """Take Fourier transforms for the small images here, too."""
    monkeypatch.setattr(by_kernels, 'FORWARD_TILES', 0)
    monkeypatch.setattr(by_kernels, 'BACKWARD_TILES', 0)


def param(name: str, split: str, batch: int = BATCH) -> NetParameter:
    """A net a quarter wide, inputs in place of its data layer."""
    row = replace(VARIANTS[name], frame=FRAME if 'segnet' in name else None)
    source, net = fcn(row, split, width=0.25), NetParameter()
    for top, channels in (('data', 3), ('label', 1)):
        layer = net.layer.add(name=top, type='Input', top=[top])
        layer.input_param.shape.add(dim=[batch, channels, *FRAME])
    net.layer.extend(source.layer[1:])
    return net


def make(name: str, phase: int = TRAIN, dtype: torch.dtype = torch.float32) -> Net:
    torch.manual_seed(3)
    net = Net(param(name, 'train' if phase == TRAIN else 'val'), phase)
    prepare(net)
    net.to(dtype)
    random = torch.Generator().manual_seed(4)
    net.feed(data=255 * torch.rand(BATCH, 3, *FRAME, generator=random),
             label=torch.randint(0, 12, (BATCH, 1, *FRAME), generator=random))
    return net


def passed(net: Net, run) -> tuple[float, dict[str, torch.Tensor]]:
    net.clear_param_diffs()
    loss = float(run())
    return loss, {f'{name}[{i}]': blob.diff.double() for name, blobs in net.params.items()
                  for i, blob in enumerate(blobs)}


def plainly(net: Net):
    loss = net.run_forward()
    net.backward()
    return loss


@pytest.mark.parametrize('name', NAMES)
def test_training_pass(name: str) -> None:
    exact, fast = make(name, dtype=torch.float64), make(name)
    loss, gradients = passed(exact, lambda: plainly(exact))
    found, mine = passed(fast, FastTraining(fast))
    assert abs(found - loss) <= 1e-5 * loss
    largest = max(g.abs().max() for g in gradients.values())
    for key, gradient in gradients.items():
        bound = ROUNDING * gradient.abs().max() + 1e-5 * largest
        assert (mine[key] - gradient).abs().max() <= bound, key
    for key, blobs in exact.params.items():      # BatchNorm has counted the batch
        for mine_, theirs in zip(fast.params[key], blobs, strict=True):
            assert torch.allclose(mine_.data.double(), theirs.data, rtol=1e-4, atol=1e-4), key


@pytest.mark.parametrize('forward,backward', [(0, 99), (99, 0), (30, 99), (99, 99)])
def test_layers_of_few_tiles_go_by_torch(monkeypatch, forward: int, backward: int) -> None:
    """The first stage has 48 tiles of 10 x 10, the second 16: 4 images of 3 x 4 and 2 x 2."""
    monkeypatch.setattr(by_kernels, 'FORWARD_TILES', forward)
    monkeypatch.setattr(by_kernels, 'BACKWARD_TILES', backward)
    ran, run = [], fourier.transform

    def spy(x, pad, kernel, spectrum, partner=None):
        ran.append((partner is not None, x.shape[2]))
        return run(x, pad, kernel, spectrum, partner)
    monkeypatch.setattr(fourier, 'transform', spy)
    net = make('camvid-segnet-basic')
    _, gradients = passed(net, FastTraining(net))
    _, plain = passed(net, lambda: plainly(net))
    assert {height for back, height in ran if not back} == (
        {28, 14, 7, 4} if not forward else {28} if forward == 30 else set())
    assert any(back for back, _ in ran) == (not backward)
    largest = max(g.abs().max() for g in plain.values())
    assert all((gradients[key] - g).abs().max() <= 2 * ROUNDING * g.abs().max() + 1e-5 * largest
               for key, g in plain.items())


@pytest.mark.parametrize('name', NAMES)
def test_two_passes_add_up(name: str) -> None:
    net = make(name)
    run = FastTraining(net)
    _, once = passed(net, run)

    def twice():
        run()
        return run()
    _, both = passed(net, twice)
    for key in once:
        assert torch.allclose(both[key], 2 * once[key], rtol=1e-4, atol=1e-6), key


@pytest.mark.parametrize('name', NAMES)
def test_testing_pass(name: str) -> None:
    trained = make(name)
    trained.run_forward()
    plain, fast = make(name, TEST), make(name, TEST)
    for net in (plain, fast):
        net.share_from(trained)
    plain.run_forward()
    FastScoring(fast)()
    scores = plain.blobs['score'].data
    assert (fast.blobs['score'].data - scores).abs().max() <= 1e-5 * scores.abs().max()


def test_forward_passes_count_statistics(monkeypatch) -> None:
    """As recounting needs it: a forward pass of the training net, without a way back."""
    net, plain = make('camvid-segnet-basic'), make('camvid-segnet-basic')
    found, loss = FastTraining(net).forward(), plain.run_forward()
    assert float(found) == float(net.loss) == pytest.approx(float(loss), rel=1e-5)
    for key, blobs in plain.params.items():
        for mine, theirs in zip(net.params[key], blobs, strict=True):
            assert torch.allclose(mine.data, theirs.data, rtol=1e-4, atol=1e-4), key


def test_every_layer_is_known() -> None:
    for name, norms, pools in (('camvid-segnet-basic', 8, 4), ('camvid-fcn-basic', 13, 0)):
        fast = FastTraining(make(name)).trained
        kinds = [type(operator) for operator in fast.operators.values()]
        assert kinds.count(BatchNormOperator) == norms
        assert kinds.count(MaximaOperator) == 4 and kinds.count(UnpoolingOperator) == pools
        assert [fast.net.nodes[place].layer.type for place in fast.part.rest] == [
            'SoftmaxWithLoss']


@pytest.mark.parametrize('size', [(40, 48), (33, 27), (5, 3)])
def test_other_sizes_of_image(size) -> None:
    net, plain = make('camvid-fcn-basic'), make('camvid-fcn-basic')
    run = FastTraining(net)
    image, label = torch.rand(2, 3, *size), torch.zeros(2, 1, *size)
    for one in (net, plain):
        one.feed(data=image, label=label)
    found, loss = float(run()), float(plainly(plain))
    assert abs(found - loss) <= 1e-4 * loss
    assert all(torch.isfinite(blob.diff).all() for row in net.params.values() for blob in row)
