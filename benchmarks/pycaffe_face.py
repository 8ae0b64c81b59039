"""Claim: forward and backward through port.pycaffe cost at most 1.1 times those of port.Net.

A full-width FCN-32s with its loss; the two take turns, and the fastest pass of each counts: in
seconds of the processor (of all cores together), which other programs hardly change, or with
--gpu in seconds.
    python benchmarks/pycaffe_face.py [--size 500] [--rounds 5] [--gpu]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from forward import machine

import port.pycaffe as caffe
from netspec.families.fcn import fcn
from netspec.schema import print_net
from netspec.schema.messages import TRAIN, NetParameter
from netspec.variants import find_variant
from port.engine.net import Net

LIMIT = 1.1


def net_with_inputs(size: int) -> NetParameter:
    """Return voc-fcn32s for training, its data layer replaced by inputs."""
    net = fcn(find_variant('voc-fcn32s'), 'train', filler='msra')
    data = net.layer[0]
    tops = list(data.top)
    data.Clear()
    data.name, data.type = 'data', 'Input'
    data.top.extend(tops)
    for channels in (3, 1):
        data.input_param.shape.add(dim=[1, channels, size, size])
    return net


def seconds(step: Callable[[], None], gpu: bool) -> float:
    """Time one forward and backward pass."""
    clock = time.perf_counter if gpu else time.process_time
    start = clock()
    step()
    if gpu:
        torch.cuda.synchronize()
    return clock() - start


def main() -> None:
    """Measure and print; exit with 1 where the claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, default=500)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--gpu', action='store_true')
    options = parser.parse_args()
    if options.gpu:
        caffe.set_mode_gpu()
    rng = np.random.default_rng(0)
    arrays = {'data': rng.normal(size=(1, 3, options.size, options.size)).astype(np.float32),
              'label': rng.integers(0, 21, (1, 1, options.size, options.size))}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'net.prototxt'
        path.write_text(print_net(net_with_inputs(options.size)))
        face = caffe.Net(str(path), caffe.TRAIN)
        plain = Net(path, TRAIN, device='cuda' if options.gpu else 'cpu')

    def through(net) -> Callable[[], None]:
        def step() -> None:
            net.forward(**arrays)
            net.backward()
        return step

    steps, best = (through(plain), through(face)), [float('inf')] * 2
    for step in steps:
        seconds(step, options.gpu)
    for i in range(options.rounds):
        for k in (0, 1) if i % 2 else (1, 0):
            best[k] = min(best[k], seconds(steps[k], options.gpu))
    where = {'gpu': torch.cuda.get_device_name()} if options.gpu else {}
    print(json.dumps({
        'net': 'voc-fcn32s', 'size': f'{options.size}x{options.size}', 'rounds': options.rounds,
        'clock': 'wall' if options.gpu else 'processor',
        'seconds': {'port.Net': round(best[0], 3), 'port.pycaffe': round(best[1], 3)},
        'ratio': round(best[1] / best[0], 3), 'machine': machine() | where}, indent=1))
    raise SystemExit(best[1] > LIMIT * best[0])


if __name__ == '__main__':
    main()
