"""SqueezeNet v1.0 without its classifier (Iandola et al. 2016, arXiv 1602.07360, Table 1).

Layer names are those of the released weights. conv1 pads 3 where the classifier pads nothing: the
least with which upsampled scores cover an image of any size.
"""

from netspec.blocks import PUBLISHED, WEIGHT_AND_BIAS, Style, conv_relu, max_pool
from netspec.spec import NetSpec, Top
from netspec.spec import layers as L

# fire module: channels that it squeezes to, and of each of the two convolutions that expand
FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192),
         8: (64, 256), 9: (64, 256)}
POOLED = (4, 8)


def squeezenet(n: NetSpec, data: Top, suffix: str = '', first: str | None = None,
               style: Style = PUBLISHED) -> Top:
    """Add conv1 … drop9 at stride 16, each name closed by `suffix`, and return the last top.

    `first` renames conv1. fire4/concat has stride 4, fire8/concat stride 8.
    """
    params = dict(param=WEIGHT_AND_BIAS)
    conv, top = conv_relu(data, style.channels(96), ks=7, stride=2, pad=3, **params,
                          **style.fill_first(3 * 49))
    n[(first or 'conv1') + suffix], n[f'relu_conv1{suffix}'] = conv, top
    top = n[f'pool1{suffix}'] = max_pool(top, ks=3)
    for i, (squeeze, expand) in FIRES.items():
        top = _fire(n, f'fire{i}', suffix, top, squeeze, expand, style)
        if i in POOLED:
            top = n[f'pool{i}{suffix}'] = max_pool(top, ks=3)
    return style.drop(n, f'drop9{suffix}', top)


def _fire(n: NetSpec, name: str, suffix: str, top: Top, squeeze: int, expand: int,
          style: Style) -> Top:
    """Add a fire module: a 1 x 1 convolution to few channels, a 1 x 1 and a 3 x 3 to many."""
    def conv(layer: str, bottom: Top, channels: int, ks: int) -> Top:
        made, relu = conv_relu(bottom, style.channels(channels), ks=ks, pad=ks // 2,
                               param=WEIGHT_AND_BIAS, **style.fill())
        n[f'{name}/{layer}{suffix}'], n[f'{name}/relu_{layer}{suffix}'] = made, relu
        return relu

    few = conv('conv1x1_1', top, squeeze, 1)
    n[f'{name}/concat{suffix}'] = L.Concat(conv('conv1x1_2', few, expand, 1),
                                           conv('conv3x3_2', few, expand, 3))
    return n[f'{name}/concat{suffix}']
