"""GoogLeNet as BVLC released it, without its classifiers (Szegedy et al. 2014; bvlc_googlenet).

FCN-GoogLeNet discards the last average pooling and the two losses half-way (FCN, PAMI 2017,
section 4.1); dropout stays.
"""

from netspec.blocks import PUBLISHED, WEIGHT_AND_BIAS, Style, conv_relu, max_pool
from netspec.spec import NetSpec, Top
from netspec.spec import layers as L
from netspec.spec import params as P

# module: channels of 1x1 · 3x3_reduce, 3x3 · 5x5_reduce, 5x5 · pool_proj
INCEPTIONS = {
    '3a': (64, 96, 128, 16, 32, 32), '3b': (128, 128, 192, 32, 96, 64),
    '4a': (192, 96, 208, 16, 48, 64), '4b': (160, 112, 224, 24, 64, 64),
    '4c': (128, 128, 256, 24, 64, 64), '4d': (112, 144, 288, 32, 64, 64),
    '4e': (256, 160, 320, 32, 128, 128), '5a': (256, 160, 320, 32, 128, 128),
    '5b': (384, 192, 384, 48, 128, 128)}
POOLED = {'3b': 'pool3/3x3_s2', '4e': 'pool4/3x3_s2'}
DISCARDED = 7       # side of the last average pooling, which the published receptive field counts
NORM = dict(local_size=5, alpha=1e-4, beta=0.75)


def googlenet(n: NetSpec, data: Top, suffix: str = '', first: str | None = None,
              style: Style = PUBLISHED) -> Top:
    """Add conv1/7x7_s2 … pool5/drop_7x7_s1 at stride 32, each name closed by `suffix`.

    `first` renames the first layer. Returns the last top. Stride 16: inception_4e/output,
    stride 8: inception_3b/output.
    """
    def conv(name: str, bottom: Top, channels: int, ks: int, stride: int = 1,
             **filler: dict) -> Top:
        made, relu = conv_relu(bottom, style.channels(channels), ks=ks, stride=stride,
                               pad=ks // 2, param=WEIGHT_AND_BIAS, **(filler or style.fill()))
        n[name + suffix] = made
        folder, _, last = name.rpartition('/')
        n[f'{folder}/relu_{last}{suffix}'] = relu
        return relu

    top = conv(first or 'conv1/7x7_s2', data, 64, 7, 2, **style.fill_first(3 * 49))
    top = n[f'pool1/3x3_s2{suffix}'] = max_pool(top, ks=3)
    top = n[f'pool1/norm1{suffix}'] = L.LRN(top, lrn_param=NORM)
    top = conv('conv2/3x3', conv('conv2/3x3_reduce', top, 64, 1), 192, 3)
    top = n[f'conv2/norm2{suffix}'] = L.LRN(top, lrn_param=NORM)
    top = n[f'pool2/3x3_s2{suffix}'] = max_pool(top, ks=3)
    for module, (c1, r3, c3, r5, c5, proj) in INCEPTIONS.items():
        name = f'inception_{module}'
        pooled = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=1, pad=1)
        branches = [conv(f'{name}/1x1', top, c1, 1),
                    conv(f'{name}/3x3', conv(f'{name}/3x3_reduce', top, r3, 1), c3, 3),
                    conv(f'{name}/5x5', conv(f'{name}/5x5_reduce', top, r5, 1), c5, 5)]
        n[f'{name}/pool{suffix}'] = pooled
        branches.append(conv(f'{name}/pool_proj', pooled, proj, 1))
        top = n[f'{name}/output{suffix}'] = L.Concat(*branches)
        if module in POOLED:
            top = n[POOLED[module] + suffix] = max_pool(top, ks=3)
    return style.drop(n, f'pool5/drop_7x7_s1{suffix}', top, 0.4)
