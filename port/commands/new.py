"""fcn new: from a folder of images and one of labels to everything that trains a net on them."""

import sys
from pathlib import Path

import click
from tqdm import tqdm

from netspec.own_dataset import check_ignored, check_name, check_names
from port.commands._shared import WIDTH, Finite, stop_at
from port.data import survey as own
from port.data.folder import read_class_names

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(epilog='Example:  fcn new my-cars --images photos --labels masks '
                      '--classes names.txt')
@click.argument('name')
@click.option('--images', type=FOLDER, required=True, help='Folder of images, any sizes.')
@click.option('--labels', type=FOLDER, required=True,
              help='Folder of index PNGs: same names, same sizes, 0 for the first class.')
@click.option('--classes', 'class_file', required=True,
              type=click.Path(path_type=Path, dir_okay=False),
              help='Text file, one class a line, the first for label 0.')
@click.option('--out', type=FOLDER, help='Folder to write.  [default: NAME]')
@click.option('--val-share', type=Finite(0, 1, min_open=True, max_open=True),
              default=0.2, show_default=True, help='Share of images to score on.')
@click.option('--seed', default=1337, show_default=True, help='Of the split.')
@click.option('--ignore-label', type=click.IntRange(0, 255), default=255, show_default=True,
              help='Label value that is neither learnt nor scored; of no class.')
@click.option('--label-suffix', default='', help="What the labels' names have more, as _mask.")
@click.option('--stride', type=click.Choice(['32', '16', '8']), default='32', show_default=True,
              help='FCN-32s, 16s or 8s.')
@click.option('--width', type=WIDTH, default=1.0,
              show_default=True, help="Scale the trunk's channels; not 1: trained from scratch.")
def command(name: str, images: Path, labels: Path, class_file: Path, out: Path | None,
            val_share: float, seed: int, ignore_label: int, label_suffix: str, stride: str,
            width: float) -> None:
    """Check your images and labels, and write lists, nets and solver for them into NAME.

    Nothing is written while a label is wrong: each is named with what to do.
    """
    out = out or Path(name)
    check_name(name, out.name)
    classes = check_names(read_class_names(class_file), str(class_file))
    check_ignored(ignore_label, classes)
    pairs, alone = own.pair_up(images, labels, label_suffix)
    found = own.survey(pairs, classes, ignore_label, lambda p: tqdm(
        p, desc='check', unit='img', disable=not sys.stderr.isatty()))
    stop_at(alone + found.problems, 'nothing was written')
    parts = own.split(found.names, val_share, seed)
    about = own.describe(name, found, parts, stride=int(stride), width=width, seed=seed,
                         images=str(images.resolve()), labels=str(labels.resolve()),
                         label_suffix=label_suffix)
    paths = own.write(out, about, parts)
    _tell(found, parts, out)
    click.echo(f'\nwrote {", ".join(path.name for path in paths)} into {out}\n')
    click.echo(next_steps(out, width))


def _tell(found: own.Survey, parts: dict[str, list[str]], out: Path) -> None:
    """Print the shares of the classes and of which there is nothing to learn."""
    counts = {part: found.counts(names) for part, names in parts.items()}
    click.echo(f'train: {len(parts["train"])} images, val: {len(parts["val"])}; mean BGR '
               f'{found.mean(parts["train"])}')
    for i, name in [*enumerate(found.classes), (found.ignore_label, '(ignored)')]:
        shares = '  '.join(f'{100 * c[i] / c.sum():6.2f} % of {part}' for part, c in counts.items())
        click.echo(f'{i:>4}  {name:<20} {shares}')
    for line in own.absent(found, parts):
        click.echo(f'WARNING: {line}')


def next_steps(out: Path, width: float) -> str:
    """Return the commands that train, score and use the net."""
    scratch = width != 1
    start = '' if scratch else f' --weights {out}/init.caffemodel'
    lines = [] if scratch else [
        f'fcn surgery {out} --from VGG16.caffemodel --out {out}/init.caffemodel']
    trained = f'{out}/snapshot/train_iter_4000.caffemodel'
    lines += [f'fcn train --solver {out}/solver.prototxt{start}',
              f'fcn score --model {out}/val.prototxt --weights {trained}',
              f'fcn infer {out} picture.jpg --weights {trained} --out labels']
    return 'Next:\n' + '\n'.join(f'  {line}' for line in lines)
