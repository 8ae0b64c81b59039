"""CaffeNet, BVLC's AlexNet, made convolutional (Krizhevsky et al.; FCN paper section 4.1)."""

from netspec.blocks import PUBLISHED, Style, conv_relu, max_pool
from netspec.spec import NetSpec, Top
from netspec.spec import layers as L

# layer: channels, kernel, stride, pad (None: around the image), group
CONVS = {'conv1': (96, 11, 4, None, 1), 'conv2': (256, 5, 1, 2, 2), 'conv3': (384, 3, 1, 1, 1),
         'conv4': (384, 3, 1, 1, 2), 'conv5': (256, 3, 1, 1, 2),
         'fc6': (4096, 6, 1, 0, 1), 'fc7': (4096, 1, 1, 0, 1)}
POOLED, NORMALISED, DROPPED = '125', '12', '67'
GROUP = 2  # divides a layer's channels where the next layer has groups


def alexnet(n: NetSpec, data: Top, suffix: str = '', first: str | None = None,
            style: Style = PUBLISHED) -> Top:
    """Add conv1 … drop7, each name closed by `suffix`, and return the last top.

    `first` renames conv1. The published base layers carry no `param`: weights and biases learn
    at the same rate.
    """
    top, filler = data, style.fill_first(3 * 11 * 11)
    for name, (channels, ks, stride, pad, group) in CONVS.items():
        conv, top = conv_relu(top, style.channels(channels, GROUP), ks, stride,
                              style.pad if pad is None else pad, group=group, **filler)
        i = name[-1]
        n[(first or name) + suffix], n[f'relu{i}{suffix}'] = conv, top
        first, filler = None, style.fill()
        if i in POOLED:
            top = n[f'pool{i}{suffix}'] = max_pool(top, ks=3)
        if i in NORMALISED:
            top = n[f'norm{i}{suffix}'] = L.LRN(top, local_size=5, alpha=1e-4, beta=0.75)
        if i in DROPPED:
            top = style.drop(n, f'drop{i}{suffix}', top)
    return top
