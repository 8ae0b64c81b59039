"""Claim: our ONNX file of a net takes ONNX Runtime at most 1.05 times as long as the file that
torch exports from a module of the same net written by hand.

Both hold the same weights; the two sessions take turns, and the medians are compared.
    python benchmarks/onnx_time.py [--net voc-fcn8s] [--width 0.25] [--size 375x500] [--runs 15]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from forward import ByHand, machine

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.export.onnx_file import export, random_weights

LIMIT = 1.05


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])


def write_both(net: Net, name: str, folder: Path) -> tuple[Path, Path]:
    """Write our file and torch's; return their paths."""
    ours, theirs = export(net, folder / 'ours.onnx'), folder / 'theirs.onnx'
    module = ByHand(net, VARIANTS[name].stride).eval()
    free = {0: 'batch', 2: 'height', 3: 'width'}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(module, (torch.zeros(1, 3, 96, 128),), str(theirs), dynamo=False,
                          opset_version=17, input_names=['data'], output_names=['score'],
                          dynamic_axes={'data': free, 'score': free})
    return ours, theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--net', default='voc-fcn8s')
    parser.add_argument('--width', type=float, default=.25)
    parser.add_argument('--size', default='375x500')
    parser.add_argument('--runs', type=int, default=15)
    parser.add_argument('--threads', type=int, default=0)
    args = parser.parse_args()
    net = Net(fcn(args.net, 'deploy', width=args.width), TEST)
    random_weights(net, 5)
    size = [int(v) for v in args.size.split('x')]
    x = np.random.default_rng(1).uniform(-120, 120, (1, 3, *size)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        both = [session(p, args.threads) for p in write_both(net, args.net, Path(folder))]
        scores = [s.run(None, {'data': x})[0] for s in both]
        times: tuple[list[float], list[float]] = ([], [])
        for i in range(2 * args.runs):
            start = time.perf_counter()
            both[i % 2].run(None, {'data': x})
            times[i % 2].append(time.perf_counter() - start)
    off = np.abs(scores[0] - scores[1]).max() / np.abs(scores[1]).max()
    ours, theirs = (statistics.median(t) for t in times)
    print(json.dumps({
        'net': args.net, 'width': args.width, 'size': args.size, 'runs': args.runs,
        'median_s': {'ours': round(ours, 4), 'by hand': round(theirs, 4)},
        'ratio': round(ours / theirs, 3),
        'ratio of the fastest': round(min(times[0]) / min(times[1]), 3),
        'off_by_share_of_largest': float(f'{off:.2g}'), 'machine': machine()}, indent=1))
    sys.exit(ours > LIMIT * theirs)


if __name__ == '__main__':
    main()
