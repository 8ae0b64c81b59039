"""netspec.changed_nets: the nets of the papers' experiments, run on drawn labels."""

import numpy as np
import pytest
import torch

from netspec.changed_nets import sampled, sigmoid, truncated
from netspec.schema.messages import TEST, TRAIN, NetParameter
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.scoring.evaluate import heads

CAMVID = VARIANTS['camvid-fcn16s-squeezenet']
HIGH, WIDE, VOID = 64, 96, 11


def fed(source: NetParameter, phase: int) -> Net:
    """The net with drawn data in the place of its data layer, and weights that are not zero."""
    net = NetParameter()
    for top, channels in (('data', 3), ('label', 1)):
        layer = net.layer.add(name=top, type='Input', top=[top])
        layer.input_param.shape.add(dim=[1, channels, HIGH, WIDE])
    net.layer.extend(source.layer[1:])
    torch.manual_seed(3)
    built = Net(net, phase)
    for name, blobs in built.params.items():
        for blob in blobs:
            few = 0 if 'up' in name or blob.data.ndim < 4 else (2 / blob.data[0].numel()) ** 0.5
            blob.data = torch.randn(blob.shape) * few
            if 'up' in name:
                side = torch.as_tensor(1 - np.abs(np.arange(31) - 15) / 16).float()
                for c in range(blob.shape[0]):
                    blob.data[c, 0] = side[:, None] * side
    rng = np.random.default_rng(2)
    patches = np.kron(rng.integers(0, 12, (8, 12)), np.ones((8, 8), int))
    built.blobs['label'].data = torch.as_tensor(patches[None, None]).float()
    built.blobs['data'].data = torch.randn(1, 3, HIGH, WIDE) * 50
    return built


@pytest.mark.parametrize('null', [False, True])
def test_the_sigmoid_loss_is_of_each_class_by_itself(null: bool) -> None:
    net = fed(sigmoid(null)(CAMVID, 'train', width=0.1), TRAIN)
    loss = float(net.run_forward())
    scores = net.blobs['score_foreground' if null else 'score'].data[0].double().numpy()
    label = net.blobs['label'].data[0, 0].numpy()
    expected = 0.0
    for channel, cls in enumerate(range(int(null), 11)):
        target, z = (label == cls)[label != VOID], scores[channel][label != VOID]
        expected += (np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - z * target).sum()
    assert len(scores) == 11 - null and loss == pytest.approx(expected, rel=1e-4)


def test_the_null_background_scores_zero_in_testing() -> None:
    net = fed(sigmoid(True)(CAMVID, 'val', width=0.1), TEST)
    net.run_forward()
    score, foreground = (net.blobs[name].data for name in ('score', 'score_foreground'))
    assert score.shape[1] == 11 and not score[:, 0].any()
    assert torch.equal(score[:, 1:], foreground) and heads(net) == [('score', 'label')]
    deploy = sigmoid(True)(CAMVID, 'deploy', width=0.1)
    assert deploy.layer[-1].top[0] == 'score' and 'label' not in {
        bottom for layer in deploy.layer for bottom in layer.bottom}


@pytest.mark.parametrize('keep', [0.5, 0.25])
def test_cells_are_left_out_at_random(keep: float) -> None:
    net = fed(sampled(keep)(CAMVID, 'train', width=0.1), TRAIN)
    truth = net.blobs['label'].data[0, 0].numpy()
    shares, pictures = [], set()
    for _ in range(24):
        net.run_forward()
        label = net.blobs['label_sampled'].data[0, 0].numpy()
        dropped = label != truth
        assert (label[dropped] == VOID).all()
        pictures.add(dropped.tobytes())
        cells = net.blobs['drops'].data[0, 0].numpy()
        centres = label[14::16, 14::16] == VOID        # where SqueezeNet's cells are centred
        void = truth[14::16, 14::16] == VOID
        high, wide = centres.shape
        assert np.array_equal(centres | void, (cells[:high, :wide] > 0) | void)
        shares.append((cells > 0).mean())
    assert len(pictures) > 20 and np.mean(shares) == pytest.approx(1 - keep, abs=0.1)
    net.clear_param_diffs()
    net.backward()
    assert float(net.params['conv1'][0].diff.abs().sum()) > 0
    assert not any(layer.name == 'cells' for layer in sampled(keep)(CAMVID, 'val').layer)


def test_cells_are_sampled_in_nets_without_skips_only() -> None:
    with pytest.raises(ValueError, match='upsamples 2 times'):
        sampled(0.5)(VARIANTS['camvid-fcn8s-squeezenet'], 'train')


def test_a_truncated_net_tells_its_data_layer_of_other_classes() -> None:
    net = truncated(4)(VARIANTS['camvid-fcn32s'], 'train', classes=5)
    assert "'classes': 5" in net.layer[0].python_param.param_str
