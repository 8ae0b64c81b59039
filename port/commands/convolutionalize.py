"""fcn convolutionalize: any classifier's net becomes fully convolutional."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._shared import defining
from port.commands._values import FILE, FOLDER, ClassCount, NetName, Size

if TYPE_CHECKING:
    from netspec.named_net import NamedNet
    from netspec.schema.messages import NetParameter
    from port.dense.convolutional import Convolutional
    from surgery import Weights


@click.command(epilog='Example:  fcn convolutionalize VGG_ILSVRC_16_layers_deploy.prototxt '
                      '--weights VGG16.caffemodel --out vgg16-conv')
@click.argument('net', type=NetName())
@click.option('--weights', type=FILE, help="The classifier's weights.")
@click.option('--out', type=FOLDER, required=True,
              help='Folder for deploy.prototxt and weights.caffemodel.')
@click.option('--size', type=Size(), help='Height and width of the images that the net '
              'classifies.  [default: as the file states it]')
@click.option('--drop-pool', is_flag=True, help='Leave out a pooling over the whole image; else it '
              'becomes a window of that size that moves by one.')
@click.option('--classes', type=ClassCount(), help='Give scores of so many classes for '
              'each pixel, by bilinear upsampling, in the place of the classes of the image.')
@click.option('--skips', metavar='TOP[,TOP…]', default='', help='With --classes: add the scores of '
              'these tops, from coarse to fine.')
@defining
def command(net: NamedNet, weights: Path | None, out: Path, size: tuple[int, int] | None,
            drop_pool: bool, classes: int | None, skips: str) -> None:
    """Turn the classifier NET, a deploy or train_val prototxt, into a convolutional net.

    Each InnerProduct becomes a Convolution with the same values, so that images of any size give
    a map of answers.
    """
    from netspec.schema import print_net, write_atomic
    from port.dense.convolutional import convolutionalize
    from port.dense.heads import with_scores
    from port.engine.torch_weights import read_weights
    from surgery import write_caffemodel
    if skips and classes is None:
        raise click.UsageError('--skips goes with --classes, which says how many scores to add')
    done = convolutionalize(net.deploy(), size, drop_pool)
    made, padding = done.net, 0
    if classes is not None:
        made, padding = with_scores(done, classes, [name for name in skips.split(',') if name])
    held = done.weights(read_weights(weights)) if weights else None
    if held is not None and classes is not None:
        held = begun(made, held)
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / 'deploy.prototxt', [print_net(made).encode()])
    if held is not None:
        write_caffemodel(out / 'weights.caffemodel', held)
    for line in told(done, made, classes, padding):
        click.echo(line)
    click.echo(f'wrote {out / "deploy.prototxt"}'
               + (f' and {out / "weights.caffemodel"}' if held is not None else ''))


def begun(net: NetParameter, held: Weights) -> Weights:
    """Return the weights that training of the scores begins with: zero, and bilinear kernels."""
    from surgery import recipes, transplant
    from surgery.shapes import blank
    new = blank(net)
    report = transplant(new, held)
    recipes.interp_all(report, new)
    return new


def told(done: Convolutional, made: NetParameter, classes: int | None, padding: int) -> list[str]:
    """Return what was done, a line each."""
    from surgery import param_shapes
    count = sum(prod(shape) for shapes in param_shapes(done.net).values() for shape in shapes)
    lines = [f'{name}: InnerProduct -> Convolution {high} x {wide}'
             for name, (high, wide) in done.kernels.items()]
    lines += [f'{name}: over the whole image -> a window of {high} x {wide} that moves by one'
              for name, (high, wide) in done.pools.items()]
    lines += [f'{name}: left out' for name in done.dropped]
    if classes is None:
        return [*lines, f'{count:,} parameters, as before; made for images of '
                        f'{done.size[0]}x{done.size[1]} (height x width), takes any larger']
    crops = [f'{layer.name} {layer.crop_param.offset[0]}' for layer in made.layer
             if layer.type == 'Crop']
    return [*lines, f'{done.classifier}: left out, scores of {classes} classes in its place; '
                    f'offsets of the crops: {", ".join(crops)}'
                    + (f'; the first convolution is padded by {padding}' if padding else '')]
