"""Nets with data and losses, scored by the fast engine: the plain engine's scores and losses."""

import numpy as np
import pytest
import torch

from netspec.families.fcn import fcn
from netspec.schema import parse_net
from netspec.schema.messages import TEST, TRAIN, NetParameter
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast.inference import FastNet
from port.fast.labelled_scoring import FastScoring
from port.fast.speed_up import forward_by
from port.fast.unsuited import Unsuited

WIDTH, TOLERANCE = 0.04, 1e-5
NETS = ('voc-fcn32s', 'voc-fcn8s', 'siftflow-fcn16s', 'nyud-fcn32s-color-hha', 'camvid-fcn8s')


def scoring_net(name: str, height: int = 45, across: int = 70) -> Net:
    """The published net of the test split, inputs in place of its data layer."""
    row, param = VARIANTS[name], NetParameter()
    source = fcn(name, row.splits[-1].file, width=WIDTH)
    channels = {image.top: image.channels for image in row.inputs}
    for top in source.layer[0].top:
        layer = param.layer.add(name=top, type='Input', top=[top])
        layer.input_param.shape.add(dim=[1, channels.get(top, 1), height, across])
    param.layer.extend(source.layer[1:])
    net = Net(param, TEST)
    random_weights(net, 3)
    feed(net, name)
    return net


def feed(net: Net, name: str) -> None:
    random = np.random.RandomState(2)
    classes = {head.label: head.classes for head in VARIANTS[name].heads}
    net.feed(**{blob: random.randint(0, classes[blob], net.blobs[blob].shape)
                if blob in classes else 60 * random.randn(*net.blobs[blob].shape)
                for blob in net.inputs})


def hold(net: Net, fast) -> None:
    """Hold what a net's heads are left with, and its loss, to a plain pass over the same data."""
    kept = {name: net.blobs[name] for name in net.blobs
            if name.startswith(('score', 'loss', 'accuracy')) and name in read(net)}
    assert len(kept) >= 2
    wanted_loss = float(net.run_forward())
    wanted = {name: blob.data.clone() for name, blob in kept.items()}
    for blob in kept.values():
        blob.data = torch.full_like(blob.data, 7)
    assert float(fast()) == pytest.approx(wanted_loss, rel=1e-5)
    assert float(net.loss) == pytest.approx(wanted_loss, rel=1e-5)
    for name, blob in kept.items():
        assert (blob.data - wanted[name]).abs().max() <= TOLERANCE * wanted[name].abs().max(), name


def read(net: Net) -> set[str]:
    """Return the blobs that remain: outputs, and the scores that losses take."""
    return {*net.outputs, *(e.param.bottom[0] for e in net.entries
                            if e.param.type in ('SoftmaxWithLoss', 'Accuracy'))}


@pytest.mark.parametrize('name', NETS)
def test_scores_and_losses_are_the_plain_engines(name: str) -> None:
    net = scoring_net(name)
    fast = FastScoring(net)
    assert len(fast.part.shown) == len(VARIANTS[name].heads)
    hold(net, fast)
    net.blobs[net.inputs[0]].data = -net.blobs[net.inputs[0]].data
    hold(net, fast)


def test_weights_that_change_between_passes_are_seen() -> None:
    net = scoring_net('voc-fcn32s')
    fast = FastScoring(net)
    hold(net, fast)
    net.params['conv3_1'][0].data.mul_(.5)
    hold(net, fast)


BRANCHED = '''
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "l" type: "Input" top: "l" input_param { shape { dim: 1 dim: 1 dim: 9 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
        convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "score" type: "Convolution" bottom: "conv" top: "score"
        convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "l" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "score" bottom: "l" top: "accuracy" }'''


def branched(more: str = '') -> Net:
    net = Net(parse_net(BRANCHED + more), TEST)
    random_weights(net, 1)
    net.feed(x=np.random.RandomState(0).randn(1, 3, 9, 9), l=np.arange(81).reshape(1, 1, 9, 9) % 4)
    return net


def test_a_score_that_a_loss_and_an_accuracy_share() -> None:
    net = branched()
    fast = FastScoring(net)
    assert [*fast.part.program.outputs] == ['score_score_0_split_0']
    hold(net, fast)


def test_late_scores_that_two_losses_share() -> None:
    net = branched("""
        layer { name: "late" type: "Convolution" bottom: "score" top: "score_late"
                convolution_param { num_output: 4 kernel_size: 1 } }
        layer { name: "one" type: "SoftmaxWithLoss" bottom: "score_late" bottom: "l" top: "one" }
        layer { name: "two" type: "SoftmaxWithLoss" bottom: "score_late" bottom: "l" top: "two" }
        """)
    fast = FastScoring(net)
    assert len(fast.part.program.outputs) == 2
    hold(net, fast)


def test_what_reads_a_blob_between() -> None:
    net = branched('layer { name: "size" type: "Reduction" bottom: "conv" top: "size" }')
    fast = FastScoring(net)
    hold(net, fast)
    assert len(fast.part.program.outputs) == 2
    assert float(net.blobs['size'].data) == pytest.approx(float(net.blobs['conv'].data.sum()))


def test_a_net_without_a_loss() -> None:
    net = branched()
    fast = FastScoring(Net(parse_net(BRANCHED[:BRANCHED.index('layer { name: "loss"')]), TEST))
    fast.net.share_from(net)
    fast.net.feed(x=net.blobs['x'].data)
    net.run_forward()
    assert fast() == 0
    assert torch.allclose(fast.net.blobs['score'].data, net.blobs['score'].data, atol=1e-5)


def test_other_nets_are_refused() -> None:
    with pytest.raises(Unsuited, match='not in the TEST phase'):
        FastScoring(Net(parse_net(BRANCHED), TRAIN))
    text = BRANCHED.replace('bottom: "x"', 'bottom: "m"').replace(
        'layer { name: "conv"', 'layer { name: "m" type: "MVN" bottom: "x" top: "m" } '
        'layer { name: "conv"')
    with pytest.raises(Unsuited, match="'m': MVN is not known"):
        FastScoring(Net(parse_net(text), TEST))


def test_a_size_that_the_engine_refuses_is_run_plainly(monkeypatch) -> None:
    net = branched()
    fast = FastScoring(net)

    def refuse(self, **arrays):
        raise Unsuited('this size')
    monkeypatch.setattr(FastNet, '__call__', refuse)
    hold(net, fast)


def test_a_net_that_is_watched_runs_every_layer() -> None:
    net = branched()
    fast, seen = forward_by(net), []
    fast()
    assert not seen
    net.after_forward.append(seen.append)
    fast()
    assert seen == list(range(len(net.nodes)))
