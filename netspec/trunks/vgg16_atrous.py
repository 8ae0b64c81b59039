"""VGG16 at stride 8 (DeepLab, arXiv 1412.7062 section 3.1): pool4 and pool5 keep the size, and
conv5 has holes instead, so that ImageNet's weights still see what they saw.
"""

from collections.abc import Callable
from typing import Any

from netspec.blocks import Style
from netspec.spec import NetSpec, Top
from netspec.spec import layers as L
from netspec.spec import params as P
from netspec.trunks.vgg16 import BLOCKS

HOLED = {5: 2}  # block: dilation
STRIDES = {1: 2, 2: 2, 3: 2, 4: 1, 5: 1}  # pool: stride
LAST_KERNEL = 3  # of pool5, whatever the kernel of the others


def vgg16_atrous(n: NetSpec, data: Top, style: Style, param: dict[str, Any], kernel: int = 3,
                 pool4_pad: int | None = 1,
                 after_pool: Callable[[str, Top], None] = lambda name, top: None) -> Top:
    """Add conv1_1 … pool5 and return the last top.

    param: keywords of every convolution, its multipliers; kernel: of the first four pools;
    after_pool(name, top) may add what reads a pool.
    """
    here, top = style.fill_first(3 * 9), data
    for block, (depth, channels) in BLOCKS.items():
        rate = HOLED.get(block, 1)
        holes = dict(dilation=rate) if rate > 1 else {}
        for i in range(1, depth + 1):
            top = n[f'conv{block}_{i}'] = L.Convolution(
                top, num_output=style.channels(channels), pad=rate, kernel_size=3, **holes,
                **param, **here)
            top = n[f'relu{block}_{i}'] = L.ReLU(top, in_place=True)
            here = style.fill()
        size = LAST_KERNEL if block == max(BLOCKS) else kernel
        pad = pool4_pad if block == 4 else 1
        top = n[f'pool{block}'] = L.Pooling(
            top, pool=P.Pooling.MAX, kernel_size=size, stride=STRIDES[block],
            **({} if pad is None else dict(pad=pad)))
        after_pool(f'pool{block}', top)
    return top
