"""Shows where the time of FCN-8s' forward pass goes: layer by layer, as docs/speed.md has it.

Each layer is run again by itself, on the values that it read in a whole run; of several times the
fastest counts.
"Products" are those that are really taken: a tile of 4 x 4 outputs of a 3 x 3 convolution takes 36
or 42 in place of 144.
    PYTHONPATH=benchmarks python benchmarks/nets/layer_times.py [--net voc-fcn8s] [--width 1]
        [--size 375x500] [--runs 5] [--page docs/speed.md]
"""

import re
import time
from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path
from typing import NamedTuple

import torch
from forward import machine, net_parser, smooth_noise

from netspec.families import make_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast.convolutions.by_kernels import ByWinograd
from port.fast.inference import FastNet
from port.fast.kernels import winograd
from port.fast.operators import ConvolutionOperator, Operator
from port.fast.reach.plan import Work
from port.predict.predictor import score_layers

LARGE = 1024                # of a square matrix, whose product says what the processor can do
TABLE = re.compile(r'(?<=<!-- layers -->\n).*?(?=<!-- end -->)', re.S)


class Layer(NamedTuple):
    """One layer of a run. done: the operations that are really done, plain: those of the plain
    graph, both in GFLOP, for the outputs that are computed.
    """

    name: str
    way: str
    again: Callable[[], None]
    done: float
    plain: float


def layers_of(fast: FastNet, image: torch.Tensor) -> list[Layer]:
    """Run a net once; return its layers, ready to be run again."""
    found: list[Layer] = []

    def spy(operator: Operator, write: Callable, work: Work, bottoms: list[torch.Tensor],
            out: torch.Tensor) -> None:
        write(work, bottoms, out)
        way, done, plain = 'kernel', 0.0, 0.0
        if isinstance(operator, ConvolutionOperator):
            chosen = next(w for w in operator.convolution.forward_ways
                          if w.takes(bottoms[0], work.pads))
            outputs = prod(part.size for part in work.outputs)
            channels = operator.layer.channels * operator.layer.num_output
            plain = 2e-9 * outputs * channels * prod(operator.layer.window.kernel)
            way, done = type(chosen).__name__.removeprefix('By'), plain
            if isinstance(chosen, ByWinograd) and way == 'Winograd':
                size = [part.size for part in work.outputs]
                tiles = winograd.tiles((1, 1, *size), operator.layer.window.dilation[0])
                done = 2e-9 * tiles * channels * winograd.products(operator.layer.channels)
        found.append(Layer(operator.operation.name, way, partial(write, work, bottoms, out), done,
                           plain))
    fast.refresh()
    for operator in fast.operators.values():
        operator.write = partial(spy, operator, operator.write)
    fast(**{name: image for name in fast.program.inputs})
    return found


def fastest(run: Callable[[], object], runs: int) -> float:
    """Return the seconds of the fastest run."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def table(layers: list[Layer], runs: int) -> str:
    """Time the layers; return a table in Markdown."""
    square = torch.randn(LARGE, LARGE)
    best = 2e-9 * LARGE ** 3 / fastest(lambda: square @ square, 5 * runs)
    seconds = [fastest(layer.again, runs) for layer in layers]
    total = sum(seconds)
    lines = ['| layer | by | ms | share | GFLOP of the plain graph | GFLOP done | GFLOP/s |',
             '|---|---|---|---|---|---|---|']
    for layer, s in zip(layers, seconds, strict=True):
        rate = f'{layer.done / s:.0f}' if layer.done else ''
        work = f'{layer.plain:.1f} | {layer.done:.1f}' if layer.done else ' | '
        lines.append(f'| {layer.name} | {layer.way} | {1e3 * s:.1f} | {100 * s / total:.1f} % | '
                     f'{work} | {rate} |')
    done, plain = (sum(column) for column in zip(*((x.done, x.plain) for x in layers),
                                                  strict=True))
    lines.append(f'| all | | {1e3 * total:.0f} | | {plain:.0f} | {done:.0f} | {done / total:.0f} |')
    at = machine()
    return '\n'.join([*lines, '', f'Machine: {at["cpu"]}, {at["threads"]} threads, torch '
                      f'{at["torch"]}, whose product of two {LARGE} x {LARGE} matrices reaches '
                      f'{best:.0f} GFLOP/s: at that rate the operations done would take '
                      f'{1e3 * done / best:.0f} ms.', ''])


def main() -> None:
    parser = net_parser(__doc__, runs=5)
    parser.add_argument('--page', type=Path, help='put the table into this page')
    options = parser.parse_args()
    net = Net(make_net(VARIANTS[options.net], 'deploy', width=options.width), TEST)
    random_weights(net, 1)
    image = smooth_noise(options.size)
    found = table(layers_of(FastNet(net, score_layers(net)[:1]), torch.as_tensor(image)),
                  options.runs)
    print(found)
    if options.page:
        text = options.page.read_text(encoding='utf-8')
        options.page.write_text(TABLE.sub(lambda _: found, text), encoding='utf-8')


if __name__ == '__main__':
    main()
