"""fcn dense: a classifier over a whole photograph, as a map and as sliding windows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._shared import FILE, Mean, NetName, Size, defining, renamed

if TYPE_CHECKING:
    from netspec.named_net import NamedNet
    from port.dense.sliding import Dense

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
@click.option('--out', type=FILE,
              help='Picture of the classes over the photograph.  [default: IMAGE_classes.png]')
@renamed('--names', '--class-names')
@defining
def command(net: NamedNet, image: Path, weights: Path, mean: tuple[float, ...],
            class_names: Path | None, size: tuple[int, int] | None, out: Path | None) -> None:
    """Classify every window of IMAGE by one pass of the classifier NET made convolutional.

    Says how the map lies on the image, how long the pass and the windows take, and by how much
    their answers differ.
    """
    import numpy as np
    from tqdm import tqdm

    from port.data.readers import planes, read_rgb
    from port.dense.convolutional import convolutionalize
    from port.dense.picture import write_class_map
    from port.dense.sliding import both_ways
    from port.engine.torch_weights import read_weights
    done = convolutionalize(net.deploy(), size)
    rgb = read_rgb(image)
    data = planes(rgb[:, :, ::-1], np.array(mean, np.float32))
    found = both_ways(done, read_weights(weights), data, lambda batches: tqdm(
        batches, desc='windows', disable=not sys.stderr.isatty()))
    for line in told(found, rgb.shape[:2]):
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
