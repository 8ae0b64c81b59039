"""fcn new: from a folder of images and one of labels to everything that trains a net on them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from port.commands._shared import given_as, ignore_option, renamed, seed_option, stop_at
from port.commands._values import FILE, FOLDER, WIDTH, Finite

if TYPE_CHECKING:
    from port.data.colour_labels import ColourTable
    from port.data.own_folder import Parts
    from port.data.survey import Pair, Read, Survey

UNPAIRED_FILE = 'unpaired.txt'
LONG = 12 * 3600.0            # seconds of a training that few will wait for


@dataclass(frozen=True)
class Request:
    """The command's options."""

    name: str
    images: Path
    labels: Path
    class_file: Path
    out: Path | None
    val_share: float | None
    val_folders: tuple[str, ...]
    seed: int
    ignore_label: int | None
    image_suffix: str
    label_suffix: str
    skip_unpaired: bool
    balance: bool
    trunk: str
    stride: str | None
    width: float

    @property
    def folder(self) -> Path:
        """The folder to write."""
        return self.out or Path(self.name)


@click.command(epilog='Example:  fcn new my-cars --images photos --labels masks '
                      '--class-names names.txt')
@click.argument('name')
@click.option('--images', type=FOLDER, required=True, help='Folder of images, any sizes.')
@click.option('--labels', type=FOLDER, required=True,
              help='Folder of label images: same names, same sizes; indices, 0 for the first '
              'class, or the colours of --class-names.')
@click.option('--class-names', 'class_file', required=True, type=FILE,
              help='Text file, one class a line, the first for label 0; or a table of their '
              'colours, name,r,g,b (class_dict.csv), which the net then draws them in.')
@click.option('--out', type=FOLDER, help='Folder to write.  [default: NAME]')
@click.option('--val-share', type=Finite(0, 1, min_open=True, max_open=True),
              help='Share of images to score on.  [default: the folders train and val, if all '
              'images lie in such, else 0.2]')
@click.option('--val-folder', 'val_folders', multiple=True, metavar='FOLDER',
              help='Score on the images in this folder of --images, train on the others; may be '
              'repeated.')
@seed_option('the split')
@ignore_option('255')
@click.option('--image-suffix', default='', metavar='TEXT', help="What the images' names end in "
              "beyond what they share with the labels', such as _leftImg8bit.")
@click.option('--label-suffix', default='', metavar='TEXT', help="The same of the labels', such as "
              '_mask for street.jpg and street_mask.png.')
@click.option('--skip-unpaired', is_flag=True, help='Leave out images without a label and labels '
              f'without an image; they are listed in NAME/{UNPAIRED_FILE}.')
@click.option('--balance', is_flag=True, help='Weigh rare classes more in the loss, by median '
              'frequency.')
@click.option('--trunk', type=click.Choice(['squeezenet', 'vgg16']), default='squeezenet',
              show_default=True, help='A SqueezeNet, whose weights come along: nothing to '
              'download, minutes on a CPU; or VGG16, as published, for which take a GPU.')
@click.option('--stride', type=click.Choice(['32', '16', '8', '4']), help='16s, 8s or 4s; of VGG16 '
              '32s, 16s or 8s.  [default: the first]')
@click.option('--width', type=WIDTH, default=1.0,
              show_default=True, help="Scale the trunk's channels; not 1: trained from scratch.")
@renamed('--classes', '--class-names')
@given_as(Request)
def command(given: Request) -> None:
    """Check your images and labels, and write lists, nets and solver for them into NAME.

    Nothing is written while a label is wrong: each kind of fault is named with what to do.
    """
    from netspec.own_dataset import VOID, check_ignored, check_name, check_names
    from port.data import own_folder
    from port.data import survey as own
    from port.data.colour_labels import class_list
    if given.val_folders and given.val_share is not None:
        raise click.UsageError('give --val-share or --val-folder, not both')
    stride_of(given)
    check_name(given.name, given.folder.name)
    ignored = VOID if given.ignore_label is None else given.ignore_label
    names, table = class_list(given.class_file, ignored)
    classes = check_names(names, str(given.class_file))
    check_ignored(ignored, classes)
    pairs, faults = own.pair_up(given.images, given.labels, given.label_suffix, given.image_suffix)
    unpaired = faults.take(*own.UNPAIRED) if given.skip_unpaired else []
    remedy = '; --skip-unpaired leaves such files out' if own.UNPAIRED[0] in faults.kinds or \
        own.UNPAIRED[1] in faults.kinds else ''
    read, coloured = _reader(given, pairs, table)
    found = own.survey(pairs, classes, ignored, lambda p: _bar(p, 'check'), read)
    stop_at(faults.lines() + found.problems, f'nothing was written{remedy}')
    parts = own_folder.split(found.names, given.seed, given.val_share, given.val_folders)
    about = _about(given, found, parts, table, coloured)
    if coloured and table:
        own_folder.write_labels(given.folder / 'labels', _bar(pairs, 'labels'), read, table.palette)
    paths = own_folder.write(given.folder, about, parts)
    if starts_here(given):
        paths.append(own_folder.write_kept(given.folder))
    _tell(found, parts, about)
    _tell_unpaired(given.folder, unpaired)
    click.echo(f'\nwrote {", ".join(path.name for path in paths)} into {given.folder}'
               + (f', index labels into {given.folder / "labels"}' if coloured else ''))
    click.echo(how_long(given.folder, about))
    picture = next(image for name, image, _ in pairs if name == parts['val'][0])
    click.echo('\n' + next_steps(given, picture))


def stride_of(given: Request) -> int:
    """Return the stride, the trunk's coarsest by default; UsageError for one it has not."""
    from netspec.own_dataset import TRUNKS
    strides = list(TRUNKS[given.trunk])
    stride = int(given.stride or strides[0])
    if stride not in strides:
        raise click.UsageError(f'--stride {stride}: a {given.trunk} has '
                               f'{", ".join(map(str, strides))}')
    return stride


def starts_here(given: Request) -> bool:
    """Tell whether training starts from weights that come along."""
    return given.trunk == 'squeezenet' and given.width == 1


def _bar(pairs: Sequence[Pair], what: str) -> Any:
    from tqdm import tqdm
    return tqdm(pairs, desc=what, unit='img', disable=not sys.stderr.isatty())


def _reader(given: Request, pairs: Sequence[Pair],
            table: ColourTable | None) -> tuple[Read, bool]:
    """Return what reads a label as indices, and whether the labels are colours of the table."""
    from port.data.colour_labels import to_index
    from port.data.own_folder import check_labels_place
    from port.data.readers import read_index, read_rgb
    from port.data.survey import has_colours
    if table is None or not has_colours(pairs[0][2]):
        return read_index, False
    check_labels_place(given.folder / 'labels', given.labels)
    lookup = table.lookup()
    return (lambda path: to_index(read_rgb(path), lookup, path)), True


def _about(given: Request, found: Survey, parts: Parts, table: ColourTable | None,
           coloured: bool) -> dict[str, Any]:
    """Return what dataset.json holds."""
    from port.data.own_folder import describe
    labels = given.folder / 'labels' if coloured else given.labels
    return describe(
        given.name, found, parts, given.balance, table.palette if table else None,
        trunk=given.trunk, stride=stride_of(given), width=given.width, seed=given.seed,
        images=str(given.images.resolve()), labels=str(labels.resolve()),
        image_suffix=given.image_suffix, label_suffix='' if coloured else given.label_suffix)


def _tell(found: Survey, parts: Parts, about: dict[str, Any]) -> None:
    """Print the shares of the classes and of which there is nothing to learn."""
    from port.data.own_folder import absent
    counts = {part: found.counts(names) for part, names in parts.items()}
    sizes = ', '.join(f'{part}: {len(names)}' + (' images' if part == 'train' else '')
                      for part, names in parts.items())
    click.echo(f'{sizes}; mean BGR {about["mean"]}')
    weights = about.get('class_weighting', ())
    for i, name in [*enumerate(found.classes), (found.ignore_label, '(ignored)')]:
        shares = '  '.join(f'{100 * c[i] / c.sum():6.2f} % of {part}' for part, c in counts.items())
        weighs = f'  weighs {weights[i]:g}' if i < len(weights) else ''
        click.echo(f'{i:>4}  {name:<20} {shares}{weighs}')
    for line in absent(found, parts):
        click.echo(f'WARNING: {line}')


def _tell_unpaired(out: Path, unpaired: Sequence[str]) -> None:
    """Write the list of the files that were left out, and say how many there are."""
    from netspec.schema import write_atomic
    if unpaired:
        path = out / UNPAIRED_FILE
        write_atomic(path, [''.join(f'{line}\n' for line in unpaired).encode()])
        click.echo(f'left out {len(unpaired)} files without a partner, listed in {path}')


def how_long(out: Path, about: dict[str, Any]) -> str:
    """Say for how many iterations training goes, why, and how long they take here."""
    from netspec.own_dataset import BLOCKS
    from port.reproduce.pace import seconds_a_step, training_seconds
    from port.reproduce.report_pages import duration
    count, images = about['iterations'], about['images_in']
    line = f'max_iter {count:,}: each training image about {round(count / images["train"]):,} times'
    try:
        step = seconds_a_step(out / 'solver.prototxt')
    except (ValueError, RuntimeError, MemoryError) as error:
        return f'{line}; how long that takes could not be measured here: {error}'
    whole = training_seconds(step, count, BLOCKS, images['val'])
    line += f'; {step:.2g} s each here, about {duration(whole)} in all, {BLOCKS} scorings included'
    if whole < LONG:
        return line
    return f'{line}. Too long? Train with --gpu' + (
        ', or write the folder with --trunk squeezenet' if about['trunk'] == 'vgg16' else '')


def next_steps(given: Request, picture: Path) -> str:
    """Return the commands that train, score and use the net: pasted as they are they do it all."""
    from netspec.known_weights import known_donor
    folder = shlex.quote(str(given.folder))
    init, lines = shlex.quote(str(given.folder / 'init.caffemodel')), []
    file = known_donor('VGG16')
    if file and given.width == 1 and not starts_here(given):
        if not Path(file.file).is_file():
            lines.append(f'curl -fLO {file.url}')
        lines += [f'fcn weights check {file.file}',
                  f'fcn surgery {folder} --from {file.file} --out {init}']
    lines += [f'fcn train --solver {folder}', f'fcn score {folder}',
              f'fcn infer {folder} {shlex.quote(str(picture))} --out labels']
    return 'Next:\n' + '\n'.join(f'  {line}' for line in lines)
