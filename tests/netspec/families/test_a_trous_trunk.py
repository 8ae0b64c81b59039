"""Rows whose trunk is a trous: their scores lie as many pixels apart as asked, cover images of
any size, and keep the parameters of the row.
"""

import pytest

from netspec.families import make_net
from netspec.schema.messages import TEST
from port.describe.net_shapes import shaped_net
from port.describe.places import places_of
from surgery import param_shapes

ROWS = [('voc-fcn32s', 'dilated'), ('voc-fcn8s', 'stride1'), ('voc-fcn-alexnet', 'dilated'),
        ('voc-fcn-googlenet', 'dilated'), ('voc-fcn8s-resnet34', 'dilated'),
        ('camvid-fcn4s-squeezenet', 'dilated'), ('camvid-fcn4s-squeezenet', 'stride1'),
        ('camvid-fcn8s-vggbn', 'stride1'), ('nyud-fcn32s-color-hha', 'dilated')]
LAST = {'voc-fcn8s-resnet34': 'res5c_relu', 'camvid-fcn4s-squeezenet': 'fire9/concat',
        'camvid-fcn8s-vggbn': 'pool5', 'nyud-fcn32s-color-hha': 'score_fused'}


def weighed(net) -> dict:
    """Parameters of the trunk and the scores; upsampling has kernels of its own."""
    return {name: shapes for name, shapes in param_shapes(net).items() if 'up' not in name}


@pytest.mark.parametrize('stride', [8, 4])
@pytest.mark.parametrize(('name', 'pooling'), ROWS)
def test_scores_lie_as_asked_on_any_image(name: str, pooling: str, stride: int) -> None:
    net = make_net(name, 'deploy', width=1 / 64, output_stride=stride, pooling=pooling)
    for size in (100, 113, 127):
        shaped = shaped_net(net, TEST, (size, size + 2))
        assert shaped.layers[-1].top_shapes[0][2:] == (size, size + 2)
    places = {layer.name: place for layer, (_, place) in
              zip(shaped.layers, places_of(shaped), strict=True)}
    last = places[LAST.get(name, 'score_fr')]
    assert last is not None and last.stride == (stride, stride)
    assert weighed(net) == weighed(make_net(name, 'deploy', width=1 / 64))
    holed = any(layer.pooling_param.dilation for layer in net.layer)
    # No pooling stands behind what lost its stride.
    bare = 'resnet34' in name or ('squeezenet' in name and stride == 8)
    assert holed == (pooling == 'dilated' and not bare)


def test_train_and_deploy_are_padded_alike() -> None:
    pads = []
    for split in ('train', 'deploy'):
        net = make_net('voc-fcn32s', split, output_stride=8)
        first = next(layer for layer in net.layer if layer.name == 'conv1_1')
        pads += first.convolution_param.pad
    assert pads == [108, 108]              # the least beyond 100 that keeps the 32s' places


@pytest.mark.parametrize(('name', 'options', 'said'), [
    ('voc-fcn8s', {}, 'offset.*take the pooling stride1'),
    ('camvid-fcn8s-vggbn', {}, "of 'pool5' .*take the pooling stride1"),
    ('camvid-segnet', {}, r"layer 'pool4' \(Pooling\): strides cannot be removed here"),
    ('camvid-fcn-basic', {}, r"layer 'upscore4' \(Deconvolution\): strides cannot"),
    ('voc-fcn32s', dict(pad=100, pooling='dilated'), 'negative offset'),
    ('deeplab-largefov', {}, 'is a trous already')])
def test_rows_that_cannot_be_are_told_why(name: str, options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_net(name, 'deploy', output_stride=8, **options)
