"""fcn summary: a net's layers, sizes, costs and receptive fields as a table."""

import json
from pathlib import Path

import click

from netspec.families import make_net
from netspec.schema.messages import TEST, TRAIN
from netspec.variants import VARIANTS
from port.commands._frame import framed
from port.commands._shared import Sizes, VariantName, defining, fitting, refuse_fitting
from port.data.survey import is_own


def source(net: str, width: float | None, classes):
    """Return the deploy net of a row, or the path of a prototxt."""
    if not is_own(net) and net not in VARIANTS and (
            Path(net).exists() or '/' in net or net.endswith('.prototxt')):
        refuse_fitting(net)
        return net
    variant = VariantName().convert(net, None, None)
    return make_net(variant, 'deploy', width=width, classes=classes)


def one_size(sizes: list[tuple[int, int]] | None) -> tuple[int, int] | None:
    """Return the only size; usage error where several are given."""
    if sizes and len(sizes) > 1:
        raise click.UsageError('--size takes one size')
    return sizes[0] if sizes else None


@click.command(epilog='Example:  fcn summary voc-fcn8s --size 500x500')
@click.argument('net', metavar='NAME|FILE')
@click.option('--size', 'sizes', type=Sizes(), metavar='HxW',
              help="Image size.  [default: the net's own]")
@click.option('--phase', type=click.Choice(['train', 'test']), default='test', show_default=True,
              help='Which layers of a FILE to take.')
@fitting
@click.option('--json', 'as_json', is_flag=True, help='Print JSON instead of a table.')
@defining
def command(net: str, sizes, phase: str, width: float | None, classes, as_json: bool) -> None:
    """List the layers of a net: NAME's deploy net, or those of a prototxt FILE.

    For each top: shape, parameters, multiply-adds, memory, receptive field on the data, stride
    and offset (x_data = stride x_top + offset). Data layers need no data here,
    and no memory is taken, however large the net.
    """
    from port.describe import net_shapes, summary
    given = source(net, width, classes)
    with framed(VARIANTS.get(net), sizes or (), '--size'):
        rows = summary.summarize(net_shapes.shaped_net(
            given, TRAIN if phase == 'train' else TEST, one_size(sizes)))
    click.echo(json.dumps(summary.as_dict(rows), indent=2) if as_json else summary.table(rows))
