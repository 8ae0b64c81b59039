"""ResNet-101 at stride 8 (He et al., arXiv 1512.03385; DeepLab v2, arXiv 1606.00915 section 4.1.2):
res4 and res5 keep the size and have holes of 2 and 4 instead.
"""

from typing import Any

from netspec.blocks import Style
from netspec.spec import NetSpec, Top
from netspec.spec import layers as L
from netspec.spec import params as P

# stage: its blocks, channels of the narrow convolutions, dilation
STAGES = {2: (('a', 'b', 'c'), 64, 1),
          3: (('a', 'b1', 'b2', 'b3'), 128, 1),
          4: (('a', *(f'b{i}' for i in range(1, 23))), 256, 2),
          5: (('a', 'b', 'c'), 512, 4)}
STRIDED = 3  # the one stage that halves the size; conv1 and pool1 do so before it
EXPANSION = 4


def resnet101(n: NetSpec, data: Top, suffix: str = '', style: Style | None = None) -> Top:
    """Add conv1 … res5c_relu, each name closed by `suffix`, and return the last top.

    Parameters are named without the suffix, so that copies of the trunk share them. The statistics
    and scales of ImageNet stay as they are; a style with a filler has none, and learns its own.
    """
    style = style or Style()
    top = _conv_bn(n, 'conv1', '_conv1', suffix, data, style, True, num_output=style.channels(64),
                   kernel_size=7, pad=3, stride=2, **style.fill_first(3 * 49))
    top = n[f'pool1{suffix}'] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2, pad=1)
    for stage, (blocks, channels, rate) in STAGES.items():
        for block in blocks:
            stride = 2 if stage == STRIDED and block == 'a' else 1
            top = _block(n, f'{stage}{block}', suffix, top, style, channels, rate, stride)
    return top


def _block(n: NetSpec, unit: str, suffix: str, bottom: Top, style: Style, channels: int, rate: int,
           stride: int) -> Top:
    """Add a bottleneck: 1 x 1, 3 x 3 with holes, 1 x 1, and the way past them."""
    narrow, wide = style.channels(channels), style.channels(EXPANSION * channels)
    past, fill = bottom, style.fill()

    def conv(branch: str, below: Top, relu: bool, **options: Any) -> Top:
        return _conv_bn(n, f'res{unit}_{branch}', f'{unit}_{branch}', suffix, below, style, relu,
                        **options, **fill)
    if unit.endswith('a'):
        past = conv('branch1', bottom, False, num_output=wide, kernel_size=1, pad=0, stride=stride)
    top = conv('branch2a', bottom, True, num_output=narrow, kernel_size=1, pad=0, stride=stride)
    holes = dict(dilation=rate) if rate > 1 else {}
    top = conv('branch2b', top, True, num_output=narrow, kernel_size=3, pad=rate, stride=1, **holes)
    top = conv('branch2c', top, False, num_output=wide, kernel_size=1, pad=0, stride=1)
    n[f'res{unit}{suffix}'] = L.Eltwise(past, top)
    top = n[f'res{unit}_relu{suffix}'] = L.ReLU(n[f'res{unit}{suffix}'], in_place=True)
    return top


def _conv_bn(n: NetSpec, name: str, tail: str, suffix: str, bottom: Top, style: Style, relu: bool,
             **options: Any) -> Top:
    """Add a convolution without bias, its normalisation, its scale and shift, and a ReLU."""
    known = style.filler is None
    n[name + suffix] = L.Convolution(bottom, bias_term=False, param=_named(name, 1, lr_mult=1,
                                                                          decay_mult=1), **options)
    statistics = dict(batch_norm_param=dict(use_global_stats=True)) if known else {}
    n[f'bn{tail}{suffix}'] = L.BatchNorm(n[name + suffix], in_place=True, **statistics,
                                         param=_named(f'bn{tail}', 3, lr_mult=0))
    fixed = dict(lr_mult=0) if known else {}
    top = n[f'scale{tail}{suffix}'] = L.Scale(n[f'bn{tail}{suffix}'], in_place=True, bias_term=True,
                                              param=_named(f'scale{tail}', 2, **fixed))
    if relu:
        top = n[f'{name}_relu{suffix}'] = L.ReLU(top, in_place=True)
    return top


def _named(name: str, count: int, **multipliers: float) -> list[dict[str, Any]]:
    """Return ParamSpecs of a layer's parameters, each with a name by which it is shared."""
    return [dict(name=f'{name}_{i}', **multipliers) for i in range(count)]
