"""FCNs on other trunks: parameters as counted elsewhere, offsets, and sizes that Crop leaves."""

from math import prod

import pytest

from netspec.families.fcn import fcn
from netspec.variants import VARIANTS
from surgery import param_shapes


def count(name: str, *without: str) -> int:
    """Count a net's parameters, but BatchNorm's statistics and the layers named."""
    net = fcn(name, 'deploy')
    kinds = {layer.name: layer.type for layer in net.layer}
    return sum(prod(shape) for layer, shapes in param_shapes(net).items()
               if kinds[layer] != 'BatchNorm' and layer not in without for shape in shapes)


@pytest.mark.parametrize(('name', 'without', 'wanted'), [
    # 5,973,552 of bvlc_googlenet without its classifier, and 21 x 1,025 of the scores
    ('voc-fcn-googlenet', ['upscore'], 5_995_077),
    # torchvision's resnet34 without fc, three scores, two 4 x 4 and one 16 x 16 that learn
    ('voc-fcn8s-resnet34', [], 21_284_672 + 10_773 + 5_397 + 2_709 + 2 * 7_056 + 112_896),
    # SqueezeNet's 1,248,424 less its classifier of 1,000, and 11 scores
    ('camvid-fcn16s-squeezenet', ['upscore'], 1_248_424 - 513 * 1000 + 513 * 11),
])
def test_parameters(name: str, without: list[str], wanted: int) -> None:
    assert count(name, *without) == wanted


@pytest.mark.parametrize(('name', 'offsets'), [
    ('voc-fcn-googlenet', [1]), ('camvid-fcn16s-squeezenet', [1]),
    ('camvid-fcn8s-squeezenet', [0, 1]), ('voc-fcn4s-squeezenet', [0, 0, 1]),
    ('voc-fcn8s-resnet34', [0, 0, 0]), ('camvid-fcn8s-vggbn', [0, 0, 0])])
def test_crop_offsets(name: str, offsets: list[int]) -> None:
    for width in 1.0, 0.1:
        crops = [x for x in fcn(name, 'train', width=width).layer if x.type == 'Crop']
        assert [x.crop_param.offset[0] for x in crops] == offsets


def test_aligned_upsampling_has_odd_kernels_and_the_offsets_that_follow() -> None:
    net = fcn('voc-fcn8s-resnet34', 'train', aligned=True)
    kernels = [x.convolution_param.kernel_size[0] for x in net.layer if x.type == 'Deconvolution']
    offsets = [x.crop_param.offset[0] for x in net.layer if x.type == 'Crop']
    assert (kernels, offsets) == ([3, 3, 15], [1, 1, 7])


@pytest.mark.parametrize('size', range(33, 65))
def test_scores_cover_an_image_of_any_size(size: int) -> None:
    """Every Crop finds enough, at each remainder of the stride."""
    for name, row in VARIANTS.items():
        if row.trunk in ('googlenet', 'squeezenet', 'resnet34', 'vgg16_bn'):
            for aligned in {False, row.trunk == 'resnet34'}:
                net = fcn(name, 'deploy', width=0.05, aligned=aligned)
                net.layer[0].input_param.shape[0].dim[2:] = [size, size + 40]
                param_shapes(net)       # ValueError where a Crop reaches past its bottom
