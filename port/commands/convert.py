"""fcn convert: weights from one file format to another, and between libraries' names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._shared import pixel_options
from port.commands._values import FILE, RowName

if TYPE_CHECKING:
    from netspec.variants import Variant
    from surgery import Weights
    from surgery.pixels import Pixels


@click.command(epilog='Example:  fcn convert vgg16-397923af.pth VGG16.caffemodel')
@click.argument('source', metavar='IN', type=FILE)
@click.argument('out', metavar='OUT', type=FILE)
@click.option('--names', type=click.Choice(['caffe', 'torchvision', 'timm']), default='caffe',
              show_default=True, help='Whose names OUT has.')
@click.option('--net', type=RowName(), metavar='NET', default='voc-fcn32s', show_default=True,
              help="The net that the weights are for in Caffe, which subtracts that net's mean "
              'from the pixels.')
@pixel_options
def command(source: Path, out: Path, names: str, net: Variant, pixels: Pixels | None) -> None:
    """Convert weights: IN is told by its content, OUT by its name.

    .caffemodel, .caffemodel.h5, .safetensors, .npz, .pt and .pth. Between Caffe's names and
    torchvision's (or timm's) the first layer is rewritten, from pixels in BGR, 0..255, less the
    mean of --net, to RGB, 0..1, or back; all else is moved bit for bit. torchvision's .pth needs
    no conversion for fcn surgery.
    """
    from netspec.schema import check_ending, spare
    from port.engine import torch_weights
    check_ending(out, torch_weights.ENDINGS)
    spare([out], [source], 'name another OUT')
    weights = torch_weights.read_donor(source, net, pixels, check=False)
    foreign = weights.version in ('torchvision', 'timm')
    if names == 'caffe':
        torch_weights.write_weights(out, weights)
    elif foreign:
        raise ValueError(f'{source}: has the names of {weights.version} already; convert it to '
                         'Caffe\'s (leave --names out)')
    else:
        _to_torch(source, weights, out, names, net, pixels)
    if foreign:
        click.echo(f'{source}: {weights.version}\'s {weights.name}; {next(iter(weights))} now sees '
                   f'BGR in 0..255 less the mean of {net.name}')
    count = sum(blob is not None for blobs in weights.values() for blob in blobs)
    click.echo(f'wrote {out}: {len(weights)} layers, {count} arrays')


def _to_torch(source: Path, weights: Weights, out: Path, names: str, net: Variant,
              pixels: Pixels | None) -> None:
    """Write weights under torchvision's or timm's names, and say which layers have none there."""
    from netspec.schema import check_ending
    from port.engine import torch_weights
    from surgery.torchvision import from_caffe
    check_ending(out, torch_weights.TENSOR_FILES, f'--names {names} makes tensors, not layers')
    try:
        mean = torch_weights.donor_mean(net, pixels)
        tensors, left = from_caffe(weights, mean, pixels, names)
    except ValueError as error:
        raise ValueError(f'{source}: {error}') from None
    torch_weights.write_tensors(out, tensors)
    if left:
        click.echo(f'left out, for {names} has no such layer: {", ".join(left)}')
