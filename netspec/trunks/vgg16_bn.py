"""VGG16's convolutions with batch normalisation, as torchvision's vgg16_bn; no classifier."""

from netspec.blocks import MSRA, WEIGHT_AND_BIAS, Style, batch_norm, max_pool
from netspec.spec import NetSpec, Top
from netspec.spec import layers as L
from netspec.trunks.vgg16 import BLOCKS


def conv_bn(n: NetSpec, name: str, bottom: Top, style: Style, channels: int,
            filler: dict | None = None) -> Top:
    """Add a 3 x 3 convolution, its normalisation, scale and ReLU in its place."""
    n[name] = L.Convolution(bottom, param=WEIGHT_AND_BIAS, num_output=style.channels(channels),
                            kernel_size=3, pad=1, **(filler or style.fill() or MSRA))
    scaled = batch_norm(n, n[name], f'{name}_bn', f'{name}_scale')
    n[f'{name}_relu'] = L.ReLU(scaled, in_place=True)
    return n[f'{name}_relu']


def vgg16_bn(n: NetSpec, data: Top, style: Style, masks: bool = False) -> list[tuple[Top, ...]]:
    """Add conv1_1 … pool5; return each block's pooling, with the places of its maxima if asked."""
    pools: list[tuple[Top, ...]] = []
    top, filler = data, style.fill_first(3 * 9)
    for block, (depth, channels) in BLOCKS.items():
        for i in range(1, depth + 1):
            top = conv_bn(n, f'conv{block}_{i}', top, style, channels, filler)
            filler = {}
        if masks:
            pool = max_pool(top, ntop=2)
            n[f'pool{block}'], n[f'pool{block}_mask'] = pool
            pools.append(tuple(pool))
        else:
            n[f'pool{block}'] = max_pool(top)
            pools.append((n[f'pool{block}'],))
        top = n[f'pool{block}']
    return pools
