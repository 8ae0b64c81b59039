"""fcn test: the mean of a net's outputs over some passes, as `caffe test` prints them."""

import sys
from pathlib import Path

import click
from tqdm import tqdm

from netspec.schema.messages import TEST
from port.commands._shared import defining, device, gpu_option
from port.engine.net import Net
from port.engine.starting_weights import prepare


@click.command(epilog='Example:  fcn test --model runs/camvid32/val.prototxt '
                      '--weights runs/camvid32/snapshot/train_iter_4000.caffemodel')
@click.option('--model', required=True, type=click.Path(path_type=Path, dir_okay=False),
              help='The net prototxt.')
@click.option('--weights', required=True, help='The weights.')
@click.option('--iterations', type=click.IntRange(min=1), default=50, show_default=True,
              help='Number of forward passes.')
@gpu_option
@defining
def command(model: Path, weights: str, iterations: int, gpu: int | None) -> None:
    """Run a net forward ITERATIONS times and print its mean outputs and loss."""
    net = Net(model, TEST, weights=weights, device=device(gpu))
    prepare(net)
    sums, loss = None, 0.0
    for _ in tqdm(range(iterations), desc='test', disable=not sys.stderr.isatty()):
        loss += float(net.run_forward())
        values = [v for name in net.outputs for v in net.blobs[name].data.reshape(-1).tolist()]
        sums = values if sums is None else [s + v for s, v in zip(sums, values, strict=True)]
    click.echo(f'Loss: {loss / iterations:g}')
    names = [name for name in net.outputs for _ in range(net.blobs[name].count)]
    for name, total in zip(names, sums or [], strict=True):
        click.echo(f'{name} = {total / iterations:g}')
