"""VGG16 made convolutional (Simonyan and Zisserman, configuration D; FCN paper section 4.1)."""

from netspec.blocks import PUBLISHED, WEIGHT_AND_BIAS, Style, conv_relu, max_pool
from netspec.spec import NetSpec, Top

# block: convolutions, channels
BLOCKS = {1: (2, 64), 2: (2, 128), 3: (3, 256), 4: (3, 512), 5: (3, 512)}
HIDDEN = {6: 7, 7: 1}  # fc6, fc7: kernel


def vgg16(n: NetSpec, data: Top, suffix: str = '', first: str | None = None,
          style: Style = PUBLISHED) -> Top:
    """Add conv1_1 … drop7, each name closed by `suffix`, and return the last top.

    `first` renames conv1_1: where the input is not BGR, VGG16's weights are not copied into it.
    """
    params = dict(param=WEIGHT_AND_BIAS, **style.fill())
    here = params | style.fill_first(3 * 9)
    top, pad = data, style.pad
    for block, (depth, channels) in BLOCKS.items():
        for i in range(1, depth + 1):
            name = first or f'conv{block}_{i}'
            conv, top = conv_relu(top, style.channels(channels), pad=pad, **here)
            n[name + suffix], n[f'relu{block}_{i}{suffix}'] = conv, top
            first, pad, here = None, 1, params
        top = n[f'pool{block}{suffix}'] = max_pool(top)
    for i, ks in HIDDEN.items():
        conv, top = conv_relu(top, style.channels(4096), ks=ks, pad=0, **params)
        n[f'fc{i}{suffix}'], n[f'relu{i}{suffix}'] = conv, top
        top = style.drop(n, f'drop{i}{suffix}', top)
    return top
