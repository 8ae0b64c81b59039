"""SegNet, SegNet-Basic and FCN-Basic (Badrinarayanan, Kendall and Cipolla, arXiv 1511.00561).

SegNet is VGG16's convolutions and their mirror image (section 3). The two small nets (section 3.2,
Table 1) are four encoders of 7 x 7 convolutions with 64 features, and two ways to decode; their
convolutions have no bias, their decoders no ReLU.
"""

from typing import Any

from netspec.blocks import LEARNT, MSRA, WEIGHT_AND_BIAS, Style, batch_norm
from netspec.coord_map import crop
from netspec.spec import NetSpec, Top
from netspec.spec import layers as L
from netspec.spec import params as P
from netspec.trunks.vgg16 import BLOCKS
from netspec.trunks.vgg16_bn import conv_bn, vgg16_bn
from netspec.variants import Variant

# BVLC's BatchNorm and Scale stand for the fork's BN, which needs a pass over the training set
# before it can test. The first layer, LRN, is that of SegNet-Tutorial's prototxt.
FEATURES, KERNEL, STAGES = 64, 7, 4
# Statistics over the last 20 batches or so: the paper's are the training set's at the end.
STATISTICS = 0.95
UP_KERNEL = 8


def segnet_basic(n: NetSpec, row: Variant, style: Style) -> Top:
    """Add SegNet-Basic: each decoder undoes a pooling at the places of its maxima, and convolves.

    The image size is part of the net: where a pooled map was odd, Upsample must be told.
    """
    masks = [pool[1] for _, pool in _encoders(n, row, style, masks=True)]
    sizes = _sizes(row, STAGES)
    top = n[f'pool{STAGES}']
    for i in range(STAGES, 0, -1):
        top = _unpooled(n, i, top, masks[i - 1], sizes)
        top = _conv_bn(n, f'conv_decode{i}', top, style)
    n['score'] = _reduce(top, row.classes)
    return n['score']


def segnet(n: NetSpec, row: Variant, style: Style) -> Top:
    """Add SegNet: each block of VGG16 has its mirror image, which first undoes the pooling.

    The last convolution of a mirrored block has the channels of the block below; that of the
    first gives the scores. The image size is part of the net, as in segnet_basic.
    """
    pools = vgg16_bn(n, n[row.inputs[0].top], style, masks=True)
    sizes = _sizes(row, len(BLOCKS))
    top = pools[-1][0]
    for block in range(len(BLOCKS), 0, -1):
        depth, channels = BLOCKS[block]
        top = _unpooled(n, block, top, pools[block - 1][1], sizes)
        for i in range(depth, 0, -1):
            if (block, i) == (1, 1):
                break
            last = BLOCKS[block - 1][1] if i == 1 else channels
            top = conv_bn(n, f'conv{block}_{i}_D', top, style, last)
    n['score'] = L.Convolution(top, num_output=row.classes, kernel_size=3, pad=1,
                               param=WEIGHT_AND_BIAS, **MSRA)
    return n['score']


def _unpooled(n: NetSpec, stage: int, top: Top, mask: Top, sizes: list[tuple[int, int]]) -> Top:
    """Add what undoes a stage's pooling; where its bottom was odd, Upsample must be told."""
    odd = {f'pad_out_{side}': True for side, size in zip('hw', sizes[stage - 1], strict=True)
           if size % 2}
    n[f'upsample{stage}'] = L.Upsample(top, mask, upsample_param=dict(scale=2, **odd))
    return n[f'upsample{stage}']


def fcn_basic(n: NetSpec, row: Variant, style: Style) -> Top:
    """Add FCN-Basic: the coarsest features are reduced to the classes; each decoder doubles the
    scores by a learnt 8 x 8 deconvolution and adds its encoder's features, reduced likewise.

    Without normalisation the deconvolutions diverge at the published rate.
    """
    encoders = [conv for conv, _ in _encoders(n, row, style, masks=False)]
    top = _reduce_bn(n, f'score_pool{STAGES}', n[f'pool{STAGES}'], row.classes)
    for i in range(STAGES, 0, -1):
        skip = _reduce_bn(n, f'score_conv{i}', encoders[i - 1], row.classes)
        n[f'upscore{i}'] = L.Deconvolution(
            top, param=LEARNT, convolution_param=dict(
                num_output=row.classes, kernel_size=UP_KERNEL, stride=2,
                pad=(UP_KERNEL - 2) // 2, bias_term=False))
        n[f'upscore{i}c'] = crop(_bn(n, f'upscore{i}'), skip)
        top = n['score' if i == 1 else f'fuse{i}'] = L.Eltwise(
            n[f'upscore{i}c'], skip, operation=P.Eltwise.SUM)
    return top


def _encoders(n: NetSpec, row: Variant, style: Style, masks: bool) -> list[tuple[Top, Any]]:
    """Add norm, conv1 .. pool4; return each stage's features and its pooling's tops."""
    stages: list[tuple[Top, Any]] = []
    top = n['norm'] = L.LRN(n[row.inputs[0].top], local_size=5, alpha=0.0001, beta=0.75)
    for i in range(1, STAGES + 1):
        conv = n[f'relu{i}'] = L.ReLU(_conv_bn(n, f'conv{i}', top, style), in_place=True)
        pool = L.Pooling(conv, ntop=2 if masks else 1, pool=P.Pooling.MAX, kernel_size=2, stride=2)
        if masks:
            n[f'pool{i}'], n[f'pool{i}_mask'] = pool
        else:
            n[f'pool{i}'] = pool
        stages.append((conv, pool))
        top = n[f'pool{i}']
    return stages


def _conv_bn(n: NetSpec, name: str, bottom: Top, style: Style) -> Top:
    """Add a 7 x 7 convolution that keeps the size, and its normalisation in place."""
    n[name] = L.Convolution(
        bottom, param=LEARNT, num_output=style.channels(FEATURES), kernel_size=KERNEL,
        pad=KERNEL // 2, bias_term=False, **MSRA)
    return _bn(n, name)


def _reduce_bn(n: NetSpec, name: str, bottom: Top, classes: int) -> Top:
    """Add the 1 x 1 convolution of features to as many maps as classes, and its normalisation."""
    n[name] = L.Convolution(bottom, num_output=classes, kernel_size=1, param=LEARNT,
                            bias_term=False, **MSRA)
    return _bn(n, name)


def _bn(n: NetSpec, name: str) -> Top:
    """Add the normalisation of the layer `name`, in its place, with scale and shift."""
    return batch_norm(n, n[name], f'{name}_bn', f'{name}_scale', STATISTICS)


def _reduce(bottom: Top, classes: int) -> Top:
    """Return the 1 x 1 convolution of features to class scores."""
    return L.Convolution(bottom, num_output=classes, kernel_size=1, param=WEIGHT_AND_BIAS, **MSRA)


def _sizes(row: Variant, stages: int) -> list[tuple[int, int]]:
    """Return the size of the image that each stage pools: halved, rounded up."""
    if row.frame is None:
        raise ValueError(f'{row.name}: undoes pooling, which needs the size of the images (frame)')
    sizes = [row.frame]
    for _ in range(stages):
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes
