"""Claims: forward, every row of `fcn list` at a quarter of its width is faster by the fast engine
than by ONNX Runtime on our export and than by the plain engine; a row that the fast engine refuses
is named with its reason.

Weights are drawn; contenders take turns in one process, medians are compared. On a machine that
others use, --busy measures one thread's processor time.
    PYTHONPATH=benchmarks python benchmarks/nets/every_net.py [--nets NAME …] [--width 0.25]
        [--size 161x193] [--runs 5] [--busy]
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from forward import clock_for, machine, make_images, measure

from netspec.families import make_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS, Variant
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.export.onnx_file import export
from port.predict.predictor import NetPredictor, score_layers

BARS = {'ours / onnxruntime': 1.0, 'ours / plain engine': 1.0}


def images_for(net: Net, size: str) -> dict[str, np.ndarray]:
    """Return an array of that size for each input."""
    found = {}
    for name in net.inputs:
        (image,) = make_images(argparse.Namespace(images=None, size=size), (0, 0, 0))
        shape = 1, net.blobs[name].shape[1], *image.shape[2:]
        found[name] = np.ascontiguousarray(np.resize(image, shape))
    return found


def contenders(net: Net, arrays: dict[str, np.ndarray], folder: Path) -> dict[str, Callable]:
    """Return what to run, by name; each gives scores."""
    layer, ours = score_layers(net)[0], NetPredictor(net)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(export(net, folder / 'net.onnx'), options,
                                           providers=['CPUExecutionProvider'])
    return {'plain engine': lambda: net.forward(**arrays)[layer],
            'onnxruntime': lambda: session.run([layer], arrays)[0],
            'ours': lambda: ours(*arrays.values())}


def measured(row: Variant, options: argparse.Namespace) -> dict[str, object]:
    """Return one row's figures."""
    size = options.size
    if row.frame:                       # SegNet's nets are made for one: a multiple of 32
        frame = tuple(int(side) // 32 * 32 for side in size.split('x'))
        row, size = replace(row, frame=frame), '{}x{}'.format(*frame)
    net = Net(make_net(row, 'deploy', width=options.width), TEST)
    random_weights(net, 1)
    arrays = images_for(net, size)
    with tempfile.TemporaryDirectory() as folder:
        tasks = contenders(net, arrays, Path(folder))
        seconds, scores = measure(tasks, options.runs, clock_for(options.busy))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    plain = scores['plain engine']
    return {'median_ms': {name: round(1e3 * v, 2) for name, v in medians.items()},
            'ratio': {pair: round(medians['ours'] / medians[pair.split(' / ')[1]], 3)
                      for pair in BARS},
            'off_by_share_of_largest': {
                name: float(f'{np.abs(y - plain).max() / np.abs(plain).max():.2g}')
                for name, y in scores.items()},
            'refused': NetPredictor(net).reason}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--nets', nargs='+', default=list(VARIANTS), metavar='NAME')
    parser.add_argument('--width', type=float, default=0.25)
    parser.add_argument('--size', default='161x193')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--busy', action='store_true', help='as for forward.py')
    options = parser.parse_args()
    found = {}
    for name in options.nets:
        found[name] = measured(VARIANTS[name], options)
        print(f'{name}: {json.dumps(found[name])}', file=sys.stderr)
    print(json.dumps({'width': options.width, 'size': options.size, 'runs': options.runs,
                      'nets': found, 'machine': machine()}, indent=1))
    missed = [f'{name}: {pair} is {row["ratio"][pair]}' for name, row in found.items()
              for pair, bar in BARS.items() if row['ratio'][pair] > bar]
    if missed and len(found) > 1:
        sys.exit(f'missed: {"; ".join(missed)}')


if __name__ == '__main__':
    main()
