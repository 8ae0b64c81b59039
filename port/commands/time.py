"""fcn time: forward and backward time of each layer."""

from contextlib import nullcontext
from pathlib import Path

import click
import torch

from netspec.schema.messages import TEST, TRAIN, NetParameter
from netspec.variants import VARIANTS
from port.commands._frame import framed, sizes_of
from port.commands._shared import (
    Sizes,
    VariantName,
    defining,
    device,
    fitting,
    gpu_option,
    looking,
    refuse_fitting,
)
from port.describe.timing import LayerTime, averages, table, time_layers, timed_net
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.engine.starting_weights import load

SIZE = (375, 500)


@click.command(epilog='Example:  fcn time voc-fcn8s --size 375x500 --runs 5')
@click.argument('net')
@click.option('--size', type=Sizes(), metavar='HxW', help='Of the image, for a net by name.  '
              '[default: 375x500, or the one that the net is made for]')
@click.option('--phase', type=click.Choice(['train', 'test']), default='train', show_default=True,
              help='Of the net; test leaves the backward pass out.')
@click.option('--weights', help='Weights.  [default: random]')
@click.option('--runs', type=click.IntRange(min=1), default=10, show_default=True,
              help='Passes; the medians are shown.')
@fitting
@gpu_option
@looking
@defining
def command(net: str, size: list[tuple[int, int]] | None, phase: str, weights: str | None,
            runs: int, width: float | None, classes, gpu: int | None) -> None:
    """Time each layer of NET, a variant's name or a prototxt that feeds itself.

    One layer after another, by the plain engine; `fcn caffe time` prints it as Caffe does.
    """
    if size and len(size) != 1:
        raise click.UsageError('give one --size')
    if net in VARIANTS or not Path(net).is_file():
        row = VariantName().convert(net, None, None)
        size = size or sizes_of(row, [SIZE])
        source, fitted = timed_net(row, size[0], width, classes), framed(row, size, '--size')
    else:
        refuse_fitting(net)
        source, fitted = net, nullcontext()
    with fitted:
        times = _times(source, phase, weights, runs, device(gpu))
    for line in (*table(times), *averages(times)):
        click.echo(line)


def _times(source: NetParameter | str, phase: str, weights: str | None, runs: int,
           where: torch.device) -> list[LayerTime]:
    """Build a net and time its layers."""
    built = Net(source, TRAIN if phase == 'train' else TEST, device=where)
    if weights is None:
        random_weights(built, 1)
    else:
        load(built, weights)
    return time_layers(built, runs, phase == 'train')
