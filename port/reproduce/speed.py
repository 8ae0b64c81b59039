"""The papers' figures of speed, measured here: forward time of the three nets (PAMI Table 1), and a
classifier's windows one by one against all at once (section 3.1).

Times are of whatever machine runs them; theirs are of a Titan X and of a K40c.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean
from typing import Any

import torch

from netspec.blocks import Style, score
from netspec.families import make_net
from netspec.schema.messages import TEST, TRAIN, NetParameter
from netspec.spec import NetSpec
from netspec.spec import layers as L
from netspec.trunks.alexnet import alexnet
from port.describe.timing import milliseconds
from port.engine.net import Net
from port.engine.random_weights import random_weights

SIZE, WINDOW, CLASSES = 500, 227, 1000
GRID = 10           # windows each way that the dense net answers for at once
NETS = ('voc-fcn-alexnet', 'voc-fcn32s', 'voc-fcn-googlenet')
# milliseconds: of Table 1 on a Titan X (PAMI) and on a K40c (CVPR); of section 3.1
TITAN_X = dict(zip(NETS, (16, 100, 20), strict=True))
K40C = dict(zip(NETS, (50, 210, 59), strict=True))
WINDOWS = {'one window': (1.2, 2.4), 'all at once': (22, 37)}


@dataclass(frozen=True)
class SpeedRow:
    """One time: of what, measured and published, in milliseconds."""

    what: str
    measured: float
    published: tuple[float, ...]


def table1(device: torch.device, size: int = SIZE, runs: int = 20,
           width: float = 1.0) -> list[SpeedRow]:
    """Return the forward time of each net on an image of size x size, the mean of the runs."""
    rows = []
    for name in NETS:
        param = make_net(name, 'deploy', width=width)
        for shape in param.layer[0].input_param.shape:
            shape.dim[2:] = [size, size]
        net = Net(param, TEST, device=device)
        random_weights(net, 1)
        net.run_forward()
        spent = mean(milliseconds(net.run_forward, device) for _ in range(runs))
        rows.append(SpeedRow(f'{name} forward', spent, (TITAN_X[name], K40C[name])))
    return rows


def section31(device: torch.device, runs: int = 5, batch: int = 10,
              width: float = 1.0) -> list[SpeedRow]:
    """Return forward and backward time of AlexNet on a window, of a batch of them, and densely."""
    rows = []
    for what, size, many in (('one window', WINDOW, batch), ('all at once', SIZE, 1)):
        net = Net(_classifier(size, many, width), TRAIN, device=device)
        random_weights(net, 1)
        steps: list[Callable[[], Any]] = [net.run_forward, net.backward]
        times: list[list[float]] = [[], []]
        for turn in range(runs + 1):
            for step, spent in zip(steps, times, strict=True):
                found = milliseconds(step, device)
                if turn:
                    spent.append(found / many)
            net.clear_param_diffs()
        rows += [SpeedRow(f'{what} {way}', mean(spent), (published,)) for way, spent, published
                 in zip(('forward', 'backward'), times, WINDOWS[what], strict=True)]
    return rows


def _classifier(size: int, batch: int, width: float) -> NetParameter:
    """Return AlexNet, made convolutional, with a loss, on images of size x size."""
    n = NetSpec()
    n['data'] = L.Input(shape=dict(dim=[batch, 3, size, size]))
    cells = GRID if size == SIZE else 1
    n.label = L.Input(shape=dict(dim=[batch, 1, cells, cells]))
    top = alexnet(n, n['data'], style=Style(width, dropout=False, pad=0))
    n.score = score(top, CLASSES)
    n.loss = L.SoftmaxWithLoss(n.score, n.label)
    return n.to_proto()


def speed_text(rows: list[SpeedRow], device: str) -> str:
    """Write the times as a table of plain text, with the machine and what follows from them."""
    wide = max(len(row.what) for row in rows)
    lines = [f'{"":<{wide}} {"here, ms":>10}  published, ms', *(
        f'{row.what:<{wide}} {row.measured:>10.1f}  {", ".join(f"{p:g}" for p in row.published)}'
        for row in rows), f'here: {device}']
    times = {row.what: row.measured for row in rows}
    if 'one window forward' in times:
        times_faster = GRID ** 2 * times['one window forward'] / times['all at once forward']
        lines.append(f'{GRID}x{GRID} windows one by one take {times_faster:.1f} times as long; '
                     'published: more than 5')
    return '\n'.join(lines)
