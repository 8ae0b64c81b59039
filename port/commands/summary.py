"""fcn summary: a net's layers, sizes, costs and receptive fields as a table."""

import click

from port.commands._frame import framed
from port.commands._shared import AskedNet, WithJson, defining, json_option, net_argument, tell
from port.commands._values import Size

SIZE_OF_NET = "Height and width of the image.  [default: the net's own]"


@click.command(cls=WithJson, epilog='Example:  fcn summary voc-fcn8s --size 500x500')
@net_argument
@click.option('--size', type=Size(), help=SIZE_OF_NET)
@click.option('--phase', type=click.Choice(['train', 'test']), default='test', show_default=True,
              help='Which layers of a prototxt to take.')
@json_option('the table')
@defining
def command(net: AskedNet, size: tuple[int, int] | None, phase: str,
            json_path: str | None) -> None:
    """List the layers of a net: the deploy net of NET, or the layers of a prototxt.

    NET is a published name (`fcn list`), a folder of `fcn new` or `fcn reproduce`, or a prototxt.

    For each top: shape, parameters, multiply-adds, memory, receptive field on the data, stride
    and offset (x_data = stride x_top + offset). Data layers need no data here, and no memory is
    taken, however large the net. A warning names each layer that joins tops whose centres do not
    coincide on the data.
    """
    from netspec.schema.messages import TEST, TRAIN
    from port.describe import net_shapes, summary
    with framed(net.row, [size] if size else [], '--size'):
        shaped = net_shapes.shaped_net(net.source(), TRAIN if phase == 'train' else TEST, size)
    tell(summary.as_dict(shaped), summary.report(shaped, net.row), json_path)
