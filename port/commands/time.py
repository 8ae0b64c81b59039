"""fcn time: forward and backward time of each layer."""

from contextlib import AbstractContextManager, nullcontext

import click

from port.commands._frame import framed, sizes_of
from port.commands._shared import AskedNet, defining, device_options, looking, net_argument, renamed
from port.commands._values import Size

SIZE = (375, 500)


@click.command(epilog='Example:  fcn time voc-fcn8s --size 375x500 --iterations 5')
@net_argument
@click.option('--size', type=Size(), help='Height and width of the image, for a net by name.  '
              '[default: 375x500, or the size that the net is made for]')
@click.option('--phase', type=click.Choice(['train', 'test']), default='train', show_default=True,
              help='Of the net; test leaves the backward pass out.')
@click.option('--weights', metavar='FILE[,FILE…]', help='The weights.  [default: random]')
@click.option('--iterations', type=click.IntRange(min=1), metavar='N', default=10,
              show_default=True, help='Passes; the medians are shown.')
@device_options()
@renamed('--runs', '--iterations')
@looking
@defining
def command(net: AskedNet, size: tuple[int, int] | None, phase: str, weights: str | None,
            iterations: int, device: str) -> None:
    """Time each layer of NET, one after another, by the plain engine.

    NET is a published name (`fcn list`), whose training net is timed; a folder of `fcn new` or
    `fcn reproduce`; or a prototxt that feeds itself. `fcn caffe time` prints the times as Caffe
    does.
    """
    from netspec.schema.messages import TEST, TRAIN
    from port.describe.timing import averages, table, time_layers, timed_net
    from port.engine.net import Net
    from port.engine.random_weights import random_weights
    from port.engine.starting_weights import load
    if net.row is None:
        if size:
            raise click.UsageError(f'--size is for a net by name; a prototxt has its own size: '
                                   f'{net.named.given}')
        source = net.source()
        fitted: AbstractContextManager[None] = nullcontext()
    else:
        size = size or sizes_of(net.row, [SIZE])[0]
        source = timed_net(net.row, size, net.width or net.named.width, net.classes)
        fitted = framed(net.row, [size], '--size')
    with fitted:
        built = Net(source, TRAIN if phase == 'train' else TEST, device=device)
        if weights is None:
            random_weights(built, 1)
        else:
            load(built, weights)
        times = time_layers(built, iterations, phase == 'train')
    for line in (*table(times), *averages(times)):
        click.echo(line)
