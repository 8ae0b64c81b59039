"""fcn data: check a dataset, say how it lies on disk, turn colour labels into index PNGs."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from tqdm import tqdm

from port.data import colour_labels as colours
from port.data.check_dataset import SplitReport, check
from port.data.datasets import DATASETS, find_dataset, layout


class DatasetName(click.ParamType):
    """The name of a dataset of the table."""

    name = 'name'

    def convert(self, value, param, ctx) -> str:
        try:
            return find_dataset(value).name
        except KeyError as error:
            self.fail(str(error.args[0]), param, ctx)


class Size(click.ParamType):
    """The size of an image as the datasets give it: width first."""

    name = 'WxH'

    def convert(self, value, param, ctx) -> tuple[int, int]:
        found = re.fullmatch(r'([1-9]\d{0,4})x([1-9]\d{0,4})', value)
        if not found:
            self.fail(f'{value!r} is not a size; expected WIDTHxHEIGHT, such as 480x360', param,
                      ctx)
        return int(found[1]), int(found[2])


FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group(epilog='Example:  fcn data check camvid --root data/camvid')
def command() -> None:
    """Datasets on disk: layout, check, colours."""


def bar(split: str, count: int, walk: Iterator[str | None]) -> Iterator[str | None]:
    """Show how far the walk over a split has come, and how many problems it met."""
    with tqdm(walk, desc=split, total=count, unit='img', disable=not sys.stderr.isatty()) as shown:
        found = 0
        for problem in shown:
            found += problem is not None
            shown.set_postfix_str(f'{found} problem(s)', refresh=False)
            yield problem


@command.command('check', epilog='Example:  fcn data check voc2011 --root data --split seg11valid')
@click.argument('name', type=DatasetName())
@click.option('--root', type=FOLDER, required=True,
              help="The dataset's folder, or the folder of all datasets.")
@click.option('--split', 'splits', multiple=True,
              help='Check this list only; may be repeated.  [default: the published lists]')
def check_command(name: str, root: Path, splits: tuple[str, ...]) -> None:
    """Open every file of dataset NAME and count it against the published numbers.

    Prints at most one line a name: missing, unreadable, of the wrong size, labels out of range,
    listed twice.
    """
    reports = check(name, root, splits, bar)
    for report in reports:
        for problem in report.problems:
            click.echo(f'{report.split}: {problem}')
    for report in reports:
        click.echo(report.line())
    _verdict(name, reports, find_dataset(name).left_out(root))


def _verdict(name: str, reports: list[SplitReport], left_out: list[str]) -> None:
    """End with status 1 where anything is wrong."""
    unseen = f'{", ".join(left_out)}: no folder, not checked'
    problems = sum(len(report.problems) for report in reports)
    other = [report.split for report in reports if not report.right_count]
    if problems or other:
        parts = [f'{problems} problem(s)'] if problems else []
        parts += [f'another count than published in {", ".join(other)}'] if other else []
        parts += [unseen] if left_out else []
        raise click.ClickException(f'{name}: {"; ".join(parts)}; `fcn data layout {name}` shows '
                                   'what is expected')
    skipped = [report.split for report in reports if report.skipped]
    click.echo(f'{name}: complete' + (f', but for {", ".join(skipped)}' if skipped else '')
               + (f'; {unseen}' if left_out else ''))


@command.command('layout', epilog='Example:  fcn data layout nyud')
@click.argument('name', type=DatasetName(), required=False)
def layout_command(name: str | None) -> None:
    """Print the tree that dataset NAME must have, and where the dataset comes from."""
    if name is None:
        click.echo('\n\n'.join(f'{key}\n{"-" * len(key)}\n{layout(key)}' for key in DATASETS))
    else:
        click.echo(layout(name))


@command.command('colours', epilog='Example:  fcn data colours camvid LabeledApproved labels '
                                   '--strip _L')
@click.argument('table')
@click.argument('source', type=FOLDER)
@click.argument('target', type=FOLDER)
@click.option('--unknown', type=click.IntRange(0, 255),
              help='Index for colours that the table lacks.  [default: they are an error]')
@click.option('--strip', default='', help='Ending to cut from the names, such as _L.')
@click.option('--size', type=Size(), metavar='WxH',
              help='Width and height of the index PNGs, by nearest neighbour.  [default: kept]')
def colours_command(table: str, source: Path, target: Path, unknown: int | None,
                    strip: str, size: tuple[int, int] | None) -> None:
    """Turn the colour-coded label images of SOURCE and its folders into index PNGs in TARGET.

    TABLE: voc, camvid (32 colours grouped into 11 classes), camvid32, or a file of lines
    'R G B name' (or 'R G B index name').
    """
    chosen = find_table(table)
    counts = colours.convert_folder(
        source, target, chosen, unknown, strip, size,
        lambda paths: tqdm(paths, desc='colours', unit='img', disable=not sys.stderr.isatty()))
    total = sum(counts.values())
    for index, pixels in counts.items():
        name = chosen.names.get(index, 'unknown')
        click.echo(f'{index:>4}  {name:<20} {pixels:>14,} pixels  {100 * pixels / total:6.2f} %')
    click.echo(f'index PNGs in {target}')


def find_table(name: str) -> colours.ColourTable:
    """Return a known table, or read the file of that name."""
    if name in colours.TABLES:
        return colours.TABLES[name]()
    if not Path(name).is_file():
        raise FileNotFoundError(f'{name}: no such colour table; known: {", ".join(colours.TABLES)}'
                                ", or a file of lines 'R G B name'")
    return colours.read_table(name)
