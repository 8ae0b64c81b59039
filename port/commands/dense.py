"""fcn dense: a classifier over a whole photograph, as a map and as sliding windows."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._shared import defining, renamed
from port.commands._values import FILE, Mean, NetName, Size

if TYPE_CHECKING:
    from netspec.named_net import NamedNet
    from port.dense.shifted import Finer
    from port.dense.sliding import Dense, Progress

# FCN, PAMI 2017, section 3.1: AlexNet on a GPU of 2014, milliseconds.
PAPER = 'the paper, AlexNet on a GPU of 2014: 22 ms for 10 x 10 answers; 1.2 ms a window in ' \
        'batches, 5.4 ms alone: more than 5 and 25 times as long'


@click.command(epilog='Example:  fcn dense squeezenet.prototxt --weights squeezenet.caffemodel '
                      'cat.jpg')
@click.argument('net', type=NetName())
@click.argument('image', type=FILE)
@click.option('--weights', required=True, type=FILE, help="The classifier's weights.")
@click.option('--mean', type=Mean(), default='104,117,123', show_default=True,
              help='What the classifier wants subtracted from the pixels.')
@click.option('--class-names', type=FILE,
              help='File of class names, one a line.')
@click.option('--size', type=Size(), help='Height and width of the images that the net '
              'classifies.  [default: as the file states it]')
@click.option('--stride', type=click.IntRange(min=1), metavar='N', help='Answers every N pixels, '
              "which must divide the net's own stride: by shifted passes, and by the net a trous.")
@click.option('--out', type=FILE,
              help='Picture of the classes over the photograph.  [default: IMAGE_classes.png]')
@renamed('--names', '--class-names')
@defining
def command(net: NamedNet, image: Path, weights: Path, mean: tuple[float, ...],
            class_names: Path | None, size: tuple[int, int] | None, stride: int | None,
            out: Path | None) -> None:
    """Classify every window of IMAGE by one pass of the classifier NET made convolutional.

    Says how the map lies on the image, how long the pass and the windows take, and by how much
    their answers differ. With --stride, the picture is of the finer map.
    """
    import numpy as np
    from tqdm import tqdm

    from netspec.atrous import a_trous
    from port.data.readers import planes, read_rgb
    from port.dense.convolutional import convolutionalize
    from port.dense.picture import write_class_map
    from port.dense.shifted import both_finer
    from port.dense.sliding import both_ways
    from port.engine.torch_weights import read_weights
    done = convolutionalize(net.deploy(), size)
    rgb = read_rgb(image, upright=True)
    data = planes(rgb[:, :, ::-1], np.array(mean, np.float32))
    given = read_weights(weights)

    def bar(what: str) -> Progress:
        return lambda parts: tqdm(parts, desc=what, disable=not sys.stderr.isatty())
    if stride is not None:
        a_trous(done.net, stride)              # refused before the windows take their time
    found = both_ways(done, given, data, bar('windows'))
    lines = told(found, rgb.shape[:2])
    if stride is not None:
        finer = both_finer(done.net, done.weights(given), done.size, data, stride, bar('passes'))
        lines += told_finer(finer, found)
        found = replace(found, stride=stride, map=finer.holed)
    for line in lines:
        click.echo(line)
    path = out or image.with_name(f'{image.stem}_classes.png')
    names = class_names.read_text(encoding='utf-8').splitlines() if class_names else ()
    write_class_map(path, rgb, found, names)
    click.echo(f'wrote {path}')


def told(found: Dense, size: tuple[int, int]) -> list[str]:
    """Return the arithmetic, the times and the difference, a line each."""
    rows, columns = found.windows.shape[1:]
    high, wide = found.window
    count = rows * columns
    equal = ('equal: no layer pads' if not found.padded else
             'not equal, for layers pad: each window has borders of its own, the map those of the '
             'image alone')
    return [
        f'windows of {high}x{wide} every {found.stride} pixels of {size[0]}x{size[1]}: '
        f'({size[0]} - {high}) / {found.stride} + 1 = {rows} rows, {columns} columns',
        f'one pass {1000 * found.map_seconds:.0f} ms; {count} windows '
        f'{1000 * found.windows_seconds:.0f} ms in batches '
        f'({found.windows_seconds / found.map_seconds:.1f} times as long), '
        f'{1000 * found.one_seconds * count:.0f} ms one by one '
        f'({found.one_seconds * count / found.map_seconds:.1f} times)',
        PAPER,
        f'largest difference {found.difference:.2g} of the largest score: {equal}']


def told_finer(finer: Finer, found: Dense) -> list[str]:
    """Return what the passes between the strides give, a line each."""
    rows, columns = finer.holed.shape[1:]
    within, anywhere = finer.differences
    count, passes = int(finer.inside.sum()), finer.factor ** 2
    lines = [
        f'every {finer.stride} pixels: {found.stride} / {finer.stride} = {finer.factor}, '
        f'{finer.factor} x {finer.factor} = {passes} shifted passes, {rows} x {columns} answers',
        f'shift-and-stitch {1000 * finer.stitched_seconds:.0f} ms, the net a trous '
        f'{1000 * finer.holed_seconds:.0f} ms '
        f'({finer.stitched_seconds / finer.holed_seconds:.1f} times as long)']
    if count == rows * columns:
        return [*lines, f'largest difference {anywhere:.2g} of the largest score, in double '
                        'precision: equal, for no answer reads padding']
    inside = (f'{within:.2g} of the largest score where the receptive field lies within the image '
              f'of its pass ({count} of {rows * columns} answers): equal' if count else
              'no receptive field lies within the image')
    return [*lines, f'largest difference, in double precision: {inside}; {anywhere:.2g} anywhere, '
                    'for each pass pads borders of its own']
