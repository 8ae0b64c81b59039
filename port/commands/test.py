"""fcn test: the mean of a net's outputs over some passes, as `caffe test` prints them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from port.commands._shared import (
    MODEL_IS_NET,
    AskedNet,
    defining,
    device_options,
    renamed,
    weights_option,
)
from port.commands._values import NetName

if TYPE_CHECKING:
    from netspec.named_net import NamedNet


@click.command(epilog='Example:  fcn test runs/camvid32/val.prototxt '
                      '--weights runs/camvid32/snapshot/train_iter_4000.caffemodel')
@click.argument('net', type=NetName())
@weights_option
@click.option('--iterations', type=click.IntRange(min=1), metavar='N', default=50,
              show_default=True, help='Number of forward passes.')
@device_options()
@renamed('--model', MODEL_IS_NET)
@defining
def command(net: NamedNet, weights: str | None, iterations: int, device: str) -> None:
    """Run NET forward ITERATIONS times and print its mean outputs and loss.

    NET is a prototxt with its data layer, or a folder of `fcn new`, `fcn reproduce` or
    `fcn generate`, whose val or test net is run.
    """
    from tqdm import tqdm

    from netspec.named_net import scored_file
    from netspec.schema.messages import TEST
    from port.engine.net import Net
    from port.engine.starting_weights import prepare
    given = AskedNet(net).weights(weights)
    built = Net(scored_file(net), TEST, weights=given, device=device)
    prepare(built)
    sums: list[float] = []
    loss = 0.0
    for _ in tqdm(range(iterations), desc='test', disable=not sys.stderr.isatty()):
        loss += float(built.run_forward())
        values = [v for name in built.outputs for v in built.blobs[name].data.reshape(-1).tolist()]
        sums = [s + v for s, v in zip(sums or [0.0] * len(values), values, strict=True)]
    click.echo(f'Loss: {loss / iterations:g}')
    names = [name for name in built.outputs for _ in range(built.blobs[name].count)]
    for name, total in zip(names, sums, strict=True):
        click.echo(f'{name} = {total / iterations:g}')
