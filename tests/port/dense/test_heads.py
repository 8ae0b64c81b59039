"""Scores on convolutional classifiers: the paper's offsets, and a score of every pixel."""

import numpy as np
import pytest

from netspec.schema.messages import TEST
from netspec.written import as_spec
from port.dense.convolutional import convolutionalize
from port.dense.heads import with_scores
from port.engine.net import Net
from port.engine.starting_weights import prepare

# classifier, skips: padding, upsampling kernels, offsets of the Crops
HEADS = [
    ('alexnet', (), 100, [63], [18]), ('vgg16', (), 100, [64], [19]),
    ('vgg16', ('pool4',), 100, [4, 32], [5, 27]),
    ('vgg16', ('pool4', 'pool3'), 100, [4, 4, 16], [5, 9, 31]),
    ('squeezenet', ('fire8/concat', 'fire4/concat'), 0, [3, 3, 7], [0, 0, 1]),
    ('lenet', ('pool1',), 100, [4, 4], [4, 91])]


@pytest.mark.parametrize(('name', 'skips', 'pad', 'kernels', 'offsets'), HEADS)
def test_kernels_and_offsets(classifiers, name, skips, pad, kernels, offsets) -> None:
    """Those of VGG16 and AlexNet are the published nets'."""
    net, padded = with_scores(convolutionalize(classifiers[name]()), 21, skips)
    assert padded == pad
    assert [x.convolution_param.kernel_size[0] for x in net.layer
            if x.type == 'Deconvolution'] == kernels
    assert [x.crop_param.offset[0] for x in net.layer if x.type == 'Crop'] == offsets


@pytest.mark.parametrize('drop', [False, True])
@pytest.mark.parametrize(('name', 'skips'), [
    ('googlenet', ()), ('resnet', ('res4f', 'res3d')), ('squeezenet', ('fire8/concat',))])
def test_scores_of_any_image(classifiers, name: str, skips: tuple[str, ...], drop: bool) -> None:
    done = convolutionalize(classifiers[name](1 / 32), drop_pool=drop)
    net = Net(with_scores(done, 4, skips)[0], TEST)
    prepare(net)
    for size in ((64, 90), (77, 101)):
        scores = net.forward(data=np.zeros((1, 3, *size), 'f'))['score']
        assert scores.shape == (1, 4, *size)


def test_a_net_through_netspec_is_the_same_net(classifiers) -> None:
    for make in classifiers.values():
        net = make()
        assert list(as_spec(net)[0].to_proto().layer) == list(net.layer)


def test_skips_must_be_there_and_go_from_coarse_to_fine(classifiers) -> None:
    done = convolutionalize(classifiers['vgg16']())
    with pytest.raises(KeyError, match="'pol4'; did you mean 'pool4'"):
        with_scores(done, 21, ['pol4'])
    with pytest.raises(ValueError, match='from coarse to fine'):
        with_scores(done, 21, ['pool3', 'pool4'])
