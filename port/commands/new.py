"""fcn new: from a folder of images and one of labels to everything that trains a net on them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._shared import given_as, ignore_option, renamed, seed_option, stop_at
from port.commands._values import FILE, FOLDER, WIDTH, Finite

if TYPE_CHECKING:
    from port.data.survey import Survey


@dataclass(frozen=True)
class Request:
    """The command's options."""

    name: str
    images: Path
    labels: Path
    class_file: Path
    out: Path | None
    val_share: float
    seed: int
    ignore_label: int | None
    label_suffix: str
    stride: str
    width: float


@click.command(epilog='Example:  fcn new my-cars --images photos --labels masks '
                      '--class-names names.txt')
@click.argument('name')
@click.option('--images', type=FOLDER, required=True, help='Folder of images, any sizes.')
@click.option('--labels', type=FOLDER, required=True,
              help='Folder of index PNGs: same names, same sizes, 0 for the first class.')
@click.option('--class-names', 'class_file', required=True, type=FILE,
              help='Text file, one class a line, the first for label 0.')
@click.option('--out', type=FOLDER, help='Folder to write.  [default: NAME]')
@click.option('--val-share', type=Finite(0, 1, min_open=True, max_open=True),
              default=0.2, show_default=True, help='Share of images to score on.')
@seed_option('the split')
@ignore_option('255')
@click.option('--label-suffix', default='', metavar='TEXT', help="What the labels' names end in "
              "beyond the images', such as _mask for street.jpg and street_mask.png.")
@click.option('--stride', type=click.Choice(['32', '16', '8']), default='32', show_default=True,
              help='FCN-32s, 16s or 8s.')
@click.option('--width', type=WIDTH, default=1.0,
              show_default=True, help="Scale the trunk's channels; not 1: trained from scratch.")
@renamed('--classes', '--class-names')
@given_as(Request)
def command(given: Request) -> None:
    """Check your images and labels, and write lists, nets and solver for them into NAME.

    Nothing is written while a label is wrong: each is named with what to do.
    """
    from tqdm import tqdm

    from netspec.own_dataset import VOID, check_ignored, check_name, check_names
    from port.data import survey as own
    from port.data.folder import read_class_names
    out = given.out or Path(given.name)
    check_name(given.name, out.name)
    classes = check_names(read_class_names(given.class_file), str(given.class_file))
    ignored = VOID if given.ignore_label is None else given.ignore_label
    check_ignored(ignored, classes)
    pairs, alone = own.pair_up(given.images, given.labels, given.label_suffix)
    found = own.survey(pairs, classes, ignored, lambda p: tqdm(
        p, desc='check', unit='img', disable=not sys.stderr.isatty()))
    stop_at(alone + found.problems, 'nothing was written')
    parts = own.split(found.names, given.val_share, given.seed)
    about = own.describe(given.name, found, parts, stride=int(given.stride), width=given.width,
                         seed=given.seed, images=str(given.images.resolve()),
                         labels=str(given.labels.resolve()), label_suffix=given.label_suffix)
    paths = own.write(out, about, parts)
    _tell(found, parts, out)
    click.echo(f'\nwrote {", ".join(path.name for path in paths)} into {out}\n')
    click.echo(next_steps(out, given.width))


def _tell(found: Survey, parts: dict[str, list[str]], out: Path) -> None:
    """Print the shares of the classes and of which there is nothing to learn."""
    counts = {part: found.counts(names) for part, names in parts.items()}
    click.echo(f'train: {len(parts["train"])} images, val: {len(parts["val"])}; mean BGR '
               f'{found.mean(parts["train"])}')
    for i, name in [*enumerate(found.classes), (found.ignore_label, '(ignored)')]:
        shares = '  '.join(f'{100 * c[i] / c.sum():6.2f} % of {part}' for part, c in counts.items())
        click.echo(f'{i:>4}  {name:<20} {shares}')
    from port.data.survey import absent
    for line in absent(found, parts):
        click.echo(f'WARNING: {line}')


def next_steps(out: Path, width: float) -> str:
    """Return the commands that train, score and use the net."""
    scratch = width != 1
    start = '' if scratch else f' --weights {out}/init.caffemodel'
    lines = [] if scratch else [
        f'fcn surgery {out} --from VGG16.caffemodel --out {out}/init.caffemodel']
    lines += [f'fcn train --solver {out}/solver.prototxt{start}',
              f'fcn score {out}', f'fcn infer {out} picture.jpg --out labels']
    return 'Next:\n' + '\n'.join(f'  {line}' for line in lines)
