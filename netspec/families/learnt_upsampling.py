"""FCNs on trunks with batch normalisation, whose upsampling starts bilinear and learns.

FCN-ResNet34 adds scores at three strides, as the FCN-8s does; the CamVid net on VGG16 with batch
normalisation adds features, and scores once, at the finest. Both were written for PyTorch: to
upsample by f a kernel of 2 f is padded by f / 2, so that sizes grow exactly f times. Above VGG's
poolings of 2 x 2 the result lies where it should; above ResNet's windows of odd size it lies half a
pixel off. Our row keeps that, as published; an `aligned` row takes kernels of odd size instead, and
the offsets that follow from them.
"""

from netspec.blocks import LEARNT, MSRA, WEIGHT_AND_BIAS, Style
from netspec.coord_map import crop
from netspec.families.a_trous_trunk import a_trous_trunk
from netspec.spec import NetSpec, Top
from netspec.spec import layers as L
from netspec.spec import params as P
from netspec.trunks.resnet34 import resnet34
from netspec.trunks.vgg16_bn import vgg16_bn
from netspec.variants.row import Variant


def fcn_resnet34(n: NetSpec, row: Variant, style: Style) -> Top:
    """Add FCN-8s on ResNet-34: scores at strides 32, 16 and 8, summed from coarse to fine."""
    ends = resnet34(n, n[row.inputs[0].top], style)
    ends = dict(zip(ends, a_trous_trunk(n, style, list(ends.values())), strict=True))
    stages = {stride: _score(n, name, ends[stride], row.classes) for stride, name in
              ((32, 'score_res5'), (16, 'score_res4'), (8, 'score_res3'))}
    top = stages[32]
    for stride in (16, 8):
        name = f'upscore{2 * stride}'
        factor = style.end_stride(2 * stride) // style.end_stride(stride)
        up = _upsampled(n, name, top, row.classes, factor, stages[stride], row.aligned)
        n[f'fuse{stride}'] = L.Eltwise(stages[stride], up, operation=P.Eltwise.SUM)
        top = n[f'fuse{stride}']
    return _finish(n, top, row, style.end_stride(8), row.aligned)


def fcn_vgg16_bn(n: NetSpec, row: Variant, style: Style) -> Top:
    """Add the CamVid net: pool5 upsampled and added to pool4, that to pool3, then the scores.

    Kernels of the upsampled features join all channels: 512 x 512 and 256 x 256 of 4 x 4.
    """
    pools = a_trous_trunk(n, style, [pool[0] for pool in vgg16_bn(n, n[row.inputs[0].top],
                                                                  style)])
    factors = [style.end_stride(2 * fine) // style.end_stride(fine) for fine in (16, 8)]
    wide, narrow = style.channels(512), style.channels(256)
    up = _upsampled(n, 'up_pool5', pools[4], wide, factors[0], pools[3])
    n['fuse_pool4'] = L.Eltwise(pools[3], up, operation=P.Eltwise.SUM)
    n['reduce_pool4'] = _one_by_one(n['fuse_pool4'], narrow, style)
    up = _upsampled(n, 'up_pool4', n['reduce_pool4'], narrow, factors[1], pools[2])
    n['fuse_pool3'] = L.Eltwise(pools[2], up, operation=P.Eltwise.SUM)
    return _finish(n, _score(n, 'score_pool3', n['fuse_pool3'], row.classes), row,
                   style.end_stride(8))


def _upsampled(n: NetSpec, name: str, bottom: Top, channels: int, factor: int, like: Top,
               odd: bool = False, cropped: str = '') -> Top:
    """Add a deconvolution that learns, and the Crop to the size of `like`.

    odd: with an odd kernel and the offset that follows; else from offset 0 on. Of factor 1, only
    the Crop, where the two do not coincide.
    """
    if factor == 1:
        way = crop(bottom, like)
        if not any(way.fn.params['crop_param']['offset']):
            return bottom
        n[cropped or f'{name}c'] = way
        return way
    kernel, pad = (2 * factor - 1, 0) if odd else (2 * factor, factor // 2)
    n[name] = L.Deconvolution(bottom, param=LEARNT, convolution_param=dict(
        num_output=channels, kernel_size=kernel, stride=factor, pad=pad, bias_term=False))
    cropped = cropped or f'{name}c'
    n[cropped] = crop(n[name], like) if odd else L.Crop(
        n[name], like, crop_param=dict(axis=2, offset=[0]))
    return n[cropped]


def _finish(n: NetSpec, top: Top, row: Variant, factor: int, odd: bool = False) -> Top:
    """Add the last upsampling, to the size of the image."""
    return _upsampled(n, f'upscore{factor}', top, row.classes, factor, n[row.inputs[0].top],
                      odd, cropped='score')


def _score(n: NetSpec, name: str, bottom: Top, classes: int) -> Top:
    """Add the 1 x 1 convolution to class scores, which starts at zero (FCN, section 4.2)."""
    n[name] = L.Convolution(bottom, num_output=classes, kernel_size=1, param=WEIGHT_AND_BIAS)
    return n[name]


def _one_by_one(bottom: Top, channels: int, style: Style) -> Top:
    """Return the 1 x 1 convolution to fewer features."""
    return L.Convolution(bottom, num_output=channels, kernel_size=1, param=WEIGHT_AND_BIAS,
                         **(style.fill() or MSRA))
