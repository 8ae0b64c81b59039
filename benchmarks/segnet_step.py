"""Claim: a training step of SegNet-Basic (7 x 7 kernels, batch normalisation, unpooling) at
360 x 480 by the fast passes takes at most 0.4 of the time of a hand-written eager one.

All take turns in one process; medians.
    python benchmarks/segnet_step.py [--batch 2] [--size 360x480] [--runs 3] [--busy]
"""

import argparse
import json
import statistics
import sys
from dataclasses import replace

import torch
import torch.nn.functional as F
from forward import clock_for, machine
from torch import nn
from train_step import Step, stepper

from netspec.schema.messages import SolverParameter
from netspec.variants import VARIANTS
from port.describe.timing import timed_net
from port.engine.starting_weights import prepare
from port.training.solver import Solver

NET = 'camvid-segnet-basic'
RATE, MOMENTUM, DECAY, BAR = 0.1, 0.9, 0.0005, 0.4
FEATURES, CLASSES, STAGES = 64, 11, 4


class ByHand(nn.Module):
    """SegNet-Basic as one writes it in torch."""

    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(_conv(3 if i == 0 else FEATURES) for i in range(STAGES))
        self.decoders = nn.ModuleList(_conv(FEATURES) for _ in range(STAGES))
        self.score = nn.Conv2d(FEATURES, CLASSES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, seen = F.local_response_norm(x, 5, 1e-4, 0.75, 1), []
        for encoder in self.encoders:
            x = encoder(x).relu_()
            size = x.shape[2:]
            x, places = F.max_pool2d(x, 2, 2, ceil_mode=True, return_indices=True)
            seen.append((places, size))
        for decoder in self.decoders:
            places, size = seen.pop()
            x = decoder(F.max_unpool2d(x, places, 2, 2, output_size=size))
        return self.score(x)


def _conv(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, FEATURES, 7, padding=3, bias=False),
                         nn.BatchNorm2d(FEATURES))


def picture(batch: int, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images and labels, some of them ignored."""
    generator = torch.Generator().manual_seed(0)
    return (255 * torch.rand(batch, 3, *size, generator=generator),
            torch.randint(0, CLASSES + 1, (batch, 1, *size), generator=generator).float())


def by_solver(batch: int, size: tuple[int, int], fast: bool) -> Step:
    """Return a step of our solver."""
    row = replace(VARIANTS[NET], frame=size)
    solver = Solver(SolverParameter(
        net_param=timed_net(row, size, batch=batch), base_lr=RATE, lr_policy='fixed',
        momentum=MOMENTUM, weight_decay=DECAY, max_iter=1000, display=0, random_seed=1))
    prepare(solver.net)
    return stepper(solver, *picture(batch, size), fast)


def by_hand(batch: int, size: tuple[int, int], layout: torch.memory_format) -> Step:
    """Return a step of the module, with torch's own optimizer."""
    module = ByHand().train().to(memory_format=layout)
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE, momentum=MOMENTUM,
                                weight_decay=DECAY)
    data, labels = picture(batch, size)
    data, labels = data.contiguous(memory_format=layout), labels[:, 0].long()

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(module(data), labels, ignore_index=CLASSES)
        loss.backward()
        optimizer.step()
        return float(loss.detach())
    return step


KINDS = {'eager': lambda *a: by_hand(*a, torch.contiguous_format),
         'eager, channels last': lambda *a: by_hand(*a, torch.channels_last),
         'plain engine': lambda *a: by_solver(*a, fast=False),
         'ours': lambda *a: by_solver(*a, fast=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--batch', type=int, default=2)
    parser.add_argument('--size', default='360x480')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--busy', action='store_true', help='as for forward.py')
    options = parser.parse_args()
    size, clock = tuple(map(int, options.size.split('x'))), clock_for(options.busy)
    steps = {kind: make(options.batch, size) for kind, make in KINDS.items()}
    seconds = {kind: [] for kind in steps}
    for turn in range(options.runs + 1):
        for kind, step in steps.items():
            begin = clock()
            step()
            if turn:
                seconds[kind].append(clock() - begin)
    report(options, {kind: statistics.median(times) for kind, times in seconds.items()})


def report(options, medians: dict[str, float]) -> None:
    """Print medians and ratios as JSON; exit 1 where the bar is missed."""
    best = min(medians['eager'], medians['eager, channels last'])
    ratio = round(medians['ours'] / best, 3)
    print(json.dumps({
        'net': NET, 'size': options.size, 'batch': options.batch, 'runs': options.runs,
        'median_s': {kind: round(value, 3) for kind, value in medians.items()},
        'time of ours over the faster eager': ratio,
        'time of ours over the plain engine': round(medians['ours'] / medians['plain engine'], 3),
        'machine': machine()}, indent=1))
    if ratio > BAR:
        sys.exit(f'missed: time {ratio} (bar {BAR})')


if __name__ == '__main__':
    main()
