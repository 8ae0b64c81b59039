"""fcn draw: a picture of a net."""

from pathlib import Path

import click

from port.commands._frame import framed
from port.commands._shared import AskedNet, defining, net_argument
from port.commands._values import FILE, Size
from port.commands.summary import SIZE_OF_NET


@click.command(epilog='Example:  fcn draw voc-fcn8s --out fcn8s.svg')
@net_argument
@click.option('--out', type=FILE, required=True, help='The picture: .svg, .png or .pdf.')
@click.option('--size', type=Size(), help=SIZE_OF_NET)
@click.option('--phase', type=click.Choice(['train', 'test']), default='test', show_default=True,
              help='Which layers of a prototxt to take.')
@click.option('--graphviz/--no-graphviz', default=None,
              help='Lay it out with Graphviz.  [default: where it is installed]')
@defining
def command(net: AskedNet, out: Path, size: tuple[int, int] | None, phase: str,
            graphviz: bool | None) -> None:
    """Draw a net: the deploy net of NET, or that of a prototxt.

    NET is a published name (`fcn list`), a folder of `fcn new` or `fcn reproduce`, or a prototxt.

    A box holds the layers from one pooling, join or split to the next, and the shape that leaves
    it. A dashed line gives its size only.
    """
    from netspec.schema.messages import TEST, TRAIN
    from port.describe import draw, net_shapes
    with framed(net.row, [size] if size else [], '--size'):
        shaped = net_shapes.shaped_net(net.source(), TRAIN if phase == 'train' else TEST, size)
    click.echo(draw.draw(shaped, out, graphviz))
