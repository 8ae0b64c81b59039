"""fcn bound: how high mean IU can be at a stride, from the labels alone."""

import json
import sys
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from netspec.variants import Variant
from port.commands._shared import VariantName
from port.data.datasets import class_names
from port.data.label_pictures import write_beside
from port.reproduce import published_figures as published
from port.scoring import bounds as labels

PUBLISHED = 'published'


def bar(name: str):
    """Return what shows the walk over a split."""
    return lambda walk: tqdm(walk, desc=name, unit='img', disable=not sys.stderr.isatty())


@click.command(epilog='Example:  fcn bound voc-fcn32s --data data')
@click.argument('variant', type=VariantName(), default='voc-fcn32s')
@click.option('--data', required=True, type=click.Path(path_type=Path, file_okay=False),
              help='Folder of the datasets, or of this one.')
@click.option('--absent', is_flag=True, help='Instead list the classes that the test split lacks.')
@click.option('--method', 'methods', multiple=True, type=click.Choice(list(labels.METHODS)),
              help='How labels are resampled; may be repeated.  [default: all]')
@click.option('--split', default='', help="Take this list.  [default: the paper's]")
@click.option('--images', type=click.IntRange(min=1), help='Take the first so many images.')
@click.option('--json', 'json_path', type=click.Path(path_type=Path, dir_okay=False),
              help='Write the figures to this file.')
def command(variant: Variant, data: Path, absent: bool, methods: tuple[str, ...],
            split: str, images: int | None, json_path: Path | None) -> None:
    """Score VARIANT's test labels, sampled down and up again, against themselves.

    The paper does not say how it resampled; three ways are shown beside its figures.
    """
    figures = from_labels(variant, data, absent, methods, split, images)
    if json_path:
        write(json_path, figures)


def from_labels(variant: Variant, data: Path, absent: bool, methods: tuple[str, ...] = (),
                split: str = '', images: int | None = None) -> dict:
    """Print and return what the labels alone tell; the arguments are the command's options."""
    layer = labels.open_layer(variant, data, name=split)
    layer.indices = layer.indices[:images]
    if absent:
        return absences(variant, labels.counts(layer, variant, bar('count')))
    figures = labels.bound(layer, variant, methods or tuple(labels.METHODS), bar('bound'))
    if variant.dataset == 'voc':
        figures[PUBLISHED] = published.BOUND
    click.echo(table(figures))
    return figures


def write(path: Path, figures: dict) -> None:
    """Write what `from_labels` returned as JSON, whole or not at all."""
    write_beside(path, lambda part: part.write_text(json.dumps(figures, indent=2)))


def table(figures: dict[str, dict[int, float]]) -> str:
    """Write a line for each factor; what is published is of PASCAL VOC's seg11valid."""
    lines = [f'{"factor":>6}' + ''.join(f' {name:>9}' for name in figures)
             + ('  (PAMI section 6.3, seg11valid)' if PUBLISHED in figures else '')]
    lines += [f'{factor:>6}' + ''.join(f' {rows[factor]:>9.1f}' for rows in figures.values())
              for factor in labels.FACTORS]
    return '\n'.join(lines)


def absences(variant: Variant, pixels: dict[str, np.ndarray]) -> dict[str, list[str]]:
    """Print which classes of each labelling have no pixel; return their names."""
    found = {}
    for head in variant.heads:
        names = class_names(head) or tuple(map(str, range(head.classes)))
        lacking = [name for name, n in zip(names, pixels[head.label], strict=True) if not n]
        found[head.label] = lacking
        published_count = (f' (published: {published.ABSENT_SIFTFLOW} in the test split)'
                           if head.labels == 'siftflow_sem' else '')
        click.echo(f'{head.label}: {len(lacking)} of {head.classes} classes do not occur'
                   f'{published_count}' + (f': {", ".join(lacking)}' if lacking else '')
                   + '; metrics are means over those that do')
    return found
