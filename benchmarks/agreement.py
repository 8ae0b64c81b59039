"""Claim: what port.predictor leaves out and computes otherwise changes no score by more than 1e-5
of the largest, against the plain graph: all 18 FCNs, any size, any batch.

For every net weights are drawn (port.random_weights), and pictures of three sizes, one of them
drawn too: white noise of deviation 60, which no picture is as hard as, and drawn scenes, or parts
of the images given.
    python benchmarks/agreement.py [--nets NAME …] [--width 1] [--seed 1] [--images FILE …]
"""

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from forward import machine
from tqdm import tqdm

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS, Variant
from port.data.readers import read_rgb
from port.data.scenes import draw_scene
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.predict.predictor import NetPredictor, score_layers

BAR = 1e-5
SIZES, LARGEST = ((1, 150, 200), (2, 45, 70)), 260
FCNS = [name for name, row in VARIANTS.items()      # the papers'; tests hold the other rows
        if type(row) is Variant and row.trunk in ('vgg16', 'alexnet')]


def pictures(paths: list[Path] | None, mean: tuple[float, ...],
             rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Return the images given, or ever new scenes: 3 x H x W, BGR less the mean."""
    drawn = (draw_scene((LARGEST, LARGEST), rng)[0] for _ in iter(int, 1))
    for rgb in cycle([read_rgb(path) for path in paths]) if paths else drawn:
        yield (rgb[:, :, ::-1] - np.array(mean)).transpose(2, 0, 1).astype(np.float32)


def inputs(net: Net, shape: tuple[int, int, int], kind: str, found: Iterator[np.ndarray],
           rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Return noise or parts of pictures for every input of a net, its channels in turn."""
    arrays, (batch, height, width) = {}, shape
    for name in net.inputs:
        channels = net.blobs[name].shape[1]
        x = 60 * rng.standard_normal((batch, channels, height, width), np.float32)
        if kind == 'pictures':
            for image in x:
                part = next(found)[np.arange(channels) % 3, :height, :width]
                image[...] = 0
                image[:, :part.shape[1], :part.shape[2]] = part
        arrays[name] = torch.from_numpy(x)
    return arrays


def difference(net: Net, heads: list[NetPredictor], arrays: dict[str, torch.Tensor]) -> float:
    """Return the largest difference of all heads, as a share of each one's largest score."""
    net.forward(**arrays)
    wanted = [net.blobs[head.layer].data.clone() for head in heads]
    off = [(head.run(arrays) - y).abs().max() / y.abs().max()
           for head, y in zip(heads, wanted, strict=True)]
    return float(f'{max(off):.2g}')


def measure(name: str, options: argparse.Namespace, rng: np.random.Generator) -> dict[str, float]:
    """Return the differences of a net by size and kind of input."""
    net = Net(fcn(name, 'deploy', width=options.width), TEST)
    random_weights(net, options.seed)
    heads = [NetPredictor(net, layer=layer) for layer in score_layers(net)]
    if any(head.fast is None for head in heads):
        sys.exit(f'{name}: {heads[0].reason}: there is nothing to compare')
    found = pictures(options.images, VARIANTS[name].mean, rng)
    any_size = (1, *map(int, rng.integers(1, LARGEST, 2)))
    return {f'{n} x {h} x {w}, {kind}':
            difference(net, heads, inputs(net, (n, h, w), kind, found, rng))
            for n, h, w in (*SIZES, any_size) for kind in ('noise', 'pictures')}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--nets', nargs='+', default=FCNS, choices=FCNS, metavar='NAME')
    parser.add_argument('--width', type=float, default=1.0)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--images', nargs='+', type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    worst = {name: measure(name, options, rng)
             for name in tqdm(options.nets, desc='nets', disable=not sys.stderr.isatty())}
    largest = max(max(row.values()) for row in worst.values())
    print(json.dumps({'width': options.width, 'seed': options.seed, 'bar': BAR, 'worst': largest,
                      'off_by_share_of_largest': worst, 'machine': machine()}, indent=1))
    if largest > BAR:
        sys.exit(1)


if __name__ == '__main__':
    main()
