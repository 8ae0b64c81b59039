"""SqueezeNet v1.0's released weights as Deep Compression packs them (Han et al., arXiv 1510.00149).

The file of github songhan/SqueezeNet-Deep-Compression: first how many weights of each convolution
are kept, uint32, little-endian as all of it; then for each convolution 256 shared float32 values,
its float32 biases, an 8-bit code for each kept weight, and 4 bits, the lower first, for how many
weights are skipped before it. Skipped weights have code 0. Sizes are not in the file: they are
SqueezeNet's.
"""

from math import prod
from pathlib import Path

import numpy as np

from netspec.trunks.squeezenet import FIRES

from .caffemodel import Weights

CODES = 256


def _shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of each convolution's weights, in the order of the net."""
    shapes: dict[str, tuple[int, ...]] = {'conv1': (96, 3, 7, 7)}
    channels = 96
    for number, (few, many) in FIRES.items():
        shapes |= {f'fire{number}/conv1x1_1': (few, channels, 1, 1),
                   f'fire{number}/conv1x1_2': (many, few, 1, 1),
                   f'fire{number}/conv3x3_2': (many, few, 3, 3)}
        channels = 2 * many
    return shapes | {'conv_final': (1000, channels, 1, 1)}


SHAPES = _shapes()


def is_compressed(head: bytes, size: int) -> bool:
    """Tell by its first bytes and its size whether a file is one of these."""
    if len(head) < 4 * len(SHAPES):
        return False
    kept = np.frombuffer(head, '<u4', len(SHAPES)).tolist()
    parts = sum(4 * (CODES + shape[0]) + count + (count + 1) // 2
                for count, shape in zip(kept, SHAPES.values(), strict=True))
    return 4 * len(SHAPES) + parts == size


def read_compressed(path: str | Path) -> Weights:
    """Read the weights and biases of SqueezeNet v1.0's 26 convolutions, float32.

    Raises ValueError where the skips lead out of a convolution.
    """
    data = Path(path).read_bytes()
    kept = np.frombuffer(data, '<u4', len(SHAPES)).tolist()
    at, layers = 4 * len(SHAPES), {}
    for (name, shape), count in zip(SHAPES.items(), kept, strict=True):
        values = np.frombuffer(data, '<f4', CODES + shape[0], at)
        at += values.nbytes
        packed = np.frombuffer(data, np.uint8, count + (count + 1) // 2, at)
        at += packed.nbytes
        pairs = packed[count:]
        skips = np.stack([pairs & 15, pairs >> 4], axis=1).ravel()[:count]
        places = np.cumsum(skips.astype(np.int64) + 1) - 1
        if count and places[-1] >= prod(shape):
            raise ValueError(f'{path}: {name} of {prod(shape):,} weights has one at '
                             f'{places[-1]:,}: the file is damaged; download it again')
        codes = np.zeros(prod(shape), np.uint8)
        codes[places] = packed[:count]
        layers[name] = [values[:CODES][codes].reshape(shape), values[CODES:].copy()]
    return Weights(layers, dict.fromkeys(layers, 'Convolution'), 'Deep Compression', 'SqueezeNet',
                   str(path))
