"""Claim: FCN-8s forward at 375 x 500, float32, on a processor without AVX-512 takes at most 0.45 of
a hand-written eager module, and its scores are the plain graph's to 1e-5 of the largest.

Such a processor is played: torch, oneDNN and our kernels are each told to use AVX2 at most, by
environment variables, for which the script starts itself anew. ONNX Runtime has none.
    python benchmarks/forward_avx2.py [--net voc-fcn8s] [--width 1] [--size 375x500] [--runs 9]
        [--busy]
"""

import argparse
import json
import os
import statistics
import sys

import numpy as np
import torch
from forward import ByHand, clock_for, machine, measure, net_parser, smooth_noise

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast.kernels import calls
from port.predict.predictor import NetPredictor

CAPS = {'ATEN_CPU_CAPABILITY': 'avx2', 'ONEDNN_MAX_CPU_ISA': 'AVX2', 'FCN_NATIVE': 'avx2'}
BAR, EXACT = 0.45, 1e-5


def main() -> None:
    parser = net_parser(__doc__)
    parser.add_argument('--busy', action='store_true', help='as for forward.py')
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in CAPS.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | CAPS)
    row, clock = VARIANTS[options.net], clock_for(options.busy)
    net = Net(fcn(row, 'deploy', width=options.width), TEST)
    random_weights(net, 1)
    data = smooth_noise(options.size)
    eager, ours, tensor = ByHand(net, row.stride).eval(), NetPredictor(net), torch.from_numpy(data)
    seconds, scores = measure({'eager': lambda: eager(tensor), 'ours': lambda: ours(data)},
                              options.runs, clock)
    plain = net.forward(**{net.inputs[0]: data})[ours.layer].detach().numpy()
    report(options, seconds, float(np.abs(scores['ours'] - plain).max() / np.abs(plain).max()))


def report(options: argparse.Namespace, seconds: dict[str, list[float]], off: float) -> None:
    """Print medians, their ratio and the difference as JSON; exit 1 where the claim is missed."""
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ratio = round(medians['ours'] / medians['eager'], 3)
    print(json.dumps({
        'net': options.net, 'width': options.width, 'size': options.size, 'weights': 'random',
        'runs': options.runs, 'caps': CAPS, 'torch uses': torch.backends.cpu.get_cpu_capability(),
        'floats a vector of ours': calls.vector_width() if calls.available() else None,
        'median_s': {name: round(v, 3) for name, v in medians.items()},
        'fastest_s': {name: round(min(v), 3) for name, v in seconds.items()},
        'ours / eager': ratio, 'bar': BAR, 'off_by_share_of_largest': float(f'{off:.2g}'),
        'machine': machine()}, indent=1))
    if options.width == 1 and (ratio > BAR or off > EXACT):
        sys.exit(f'missed: {ratio} of eager, off by {off:.2g}')


if __name__ == '__main__':
    main()
