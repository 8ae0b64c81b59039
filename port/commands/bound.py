"""fcn bound: how high mean IU can be at a stride, from the labels alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from port.commands._shared import WithJson, json_option, options_given, renamed, tell
from port.commands._values import FOLDER, NetName
from port.commands.score import limit_option
from port.reproduce import published_figures as published

if TYPE_CHECKING:
    import numpy as np

    from netspec.named_net import NamedNet
    from netspec.variants import Variant

PUBLISHED = 'published'
METHODS = ('nearest', 'majority', 'bilinear')       # of port.scoring.bounds
data_option = click.option('--data', type=FOLDER, default='data', show_default=True,
                           help='Folder of the datasets, or of this one.')


def refuse_data(own: bool, name: str) -> None:
    """Raise UsageError where --data is given for a folder of `fcn new`."""
    if own and any(option.name == 'data' for option in options_given()):
        raise click.UsageError(f'--data is for published datasets; {name} says itself where its '
                               'images and labels lie')


def bar(name: str) -> Callable[[Sequence[int]], Iterable[int]]:
    """Return what shows the walk over a split."""
    from tqdm import tqdm
    return lambda walk: tqdm(walk, desc=name, unit='img', disable=not sys.stderr.isatty())


@click.command(cls=WithJson, epilog='Example:  fcn bound voc-fcn32s --data data')
@click.argument('net', metavar='[NET]', type=NetName(), default='voc-fcn32s')
@click.option('--data', type=FOLDER, help='Folder of the datasets, or of this one.  '
              '[default: data; of a folder NET the data that its test net reads]')
@click.option('--absent', is_flag=True, help='Instead list the classes that the test split lacks.')
@click.option('--method', 'methods', multiple=True, type=click.Choice(METHODS),
              help='How labels are resampled; may be repeated.  [default: all]')
@click.option('--split', default='', help="Take this list.  [default: the paper's]")
@limit_option
@json_option('the figures')
@renamed('--images', '--limit')
def command(net: NamedNet, data: Path | None, absent: bool, methods: tuple[str, ...],
            split: str, limit: int | None, json_path: str | None) -> None:
    """Show how well a net of each stride could score at best on the data of NET.

    NET is a published name (`fcn list`) or a folder of `fcn new` or `fcn reproduce`.

    The true labels are made coarse, as a net of that stride sees them, brought back to full size
    and scored as if they were a prediction. The paper does not say how it resampled them; three
    ways are shown beside its figures.
    """
    try:
        net.known_row('`fcn bound`')
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    refuse_data(net.known_row('`fcn bound`').dataset == 'own', net.given)
    figures, text = from_labels(net, data, absent, methods, split, limit)
    tell(figures, text, json_path)


def from_labels(net: NamedNet, data: Path | None, absent: bool, methods: Sequence[str] = (),
                split: str = '', limit: int | None = None) -> tuple[dict[str, Any], str]:
    """Return what the labels alone tell, and as text; the arguments are the command's options."""
    from netspec.named_net import scored_file
    from port.scoring import bounds
    variant = net.known_row('`fcn bound`')
    if data is None and net.folder:
        layer = bounds.open_net_layer(scored_file(net), split)
    else:
        layer = bounds.open_layer(variant, data or Path('data'), name=split)
    layer.indices = layer.indices[:limit]
    if absent:
        return absences(variant, bounds.counts(layer, variant, bar('count')))
    figures: dict[str, Any] = bounds.bound(layer, variant, methods or METHODS, bar('bound'))
    if variant.dataset == 'voc':
        figures[PUBLISHED] = published.BOUND
    return figures, table(figures)


def table(figures: dict[str, dict[int, float]]) -> str:
    """Write a line for each factor; what is published is of PASCAL VOC's seg11valid."""
    lines = [f'{"factor":>6}' + ''.join(f' {name:>9}' for name in figures)
             + ('  (PAMI section 6.3, seg11valid)' if PUBLISHED in figures else '')]
    lines += [f'{factor:>6}' + ''.join(f' {rows[factor]:>9.1f}' for rows in figures.values())
              for factor in next(iter(figures.values()))]
    return '\n'.join(lines)


def absences(variant: Variant,
             pixels: dict[str, np.ndarray]) -> tuple[dict[str, list[str]], str]:
    """Return the names of the classes without a pixel by labelling, and lines that tell them."""
    from port.data.datasets import class_names
    found, lines = {}, []
    for head in variant.heads:
        names = class_names(head) or tuple(map(str, range(head.classes)))
        lacking = [name for name, n in zip(names, pixels[head.label], strict=True) if not n]
        found[head.label] = lacking
        published_count = (f' (published: {published.ABSENT_SIFTFLOW} in the test split)'
                           if head.labels == 'siftflow_sem' else '')
        lines.append(f'{head.label}: {len(lacking)} of {head.classes} classes do not occur'
                     f'{published_count}' + (f': {", ".join(lacking)}' if lacking else '')
                     + '; metrics are means over those that do')
    return found, '\n'.join(lines)
