"""fcn draw: a picture of a net."""

from pathlib import Path

import click

from netspec.schema.messages import TEST, TRAIN
from netspec.variants import VARIANTS
from port.commands._frame import framed
from port.commands._shared import Sizes, defining, fitting
from port.commands.summary import one_size, source


@click.command(epilog='Example:  fcn draw voc-fcn8s --out fcn8s.svg')
@click.argument('net', metavar='NAME|FILE')
@click.option('--out', type=click.Path(path_type=Path, dir_okay=False), required=True,
              help='The picture: .svg, .png or .pdf.')
@click.option('--size', 'sizes', type=Sizes(), metavar='HxW',
              help="Image size.  [default: the net's own]")
@click.option('--phase', type=click.Choice(['train', 'test']), default='test', show_default=True,
              help='Which layers of a FILE to take.')
@click.option('--graphviz/--no-graphviz', default=None,
              help='Lay it out with Graphviz.  [default: where it is installed]')
@fitting
@defining
def command(net: str, out: Path, sizes, phase: str, graphviz: bool | None,
            width: float | None, classes) -> None:
    """Draw a net: NAME's deploy net, or that of a prototxt FILE.

    A box holds the layers from one pooling, join or split to the next, and the shape that leaves
    it. A dashed line gives its size only.
    """
    from port.describe import draw, net_shapes
    given = source(net, width, classes)
    with framed(VARIANTS.get(net), sizes or (), '--size'):
        shaped = net_shapes.shaped_net(given, TRAIN if phase == 'train' else TEST, one_size(sizes))
    click.echo(draw.draw(shaped, out, graphviz))
