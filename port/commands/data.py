"""fcn data: check a dataset, compare lists, say how it lies on disk, turn colour labels into index
PNGs.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from port.commands._shared import WithJson, json_option, renamed, tell
from port.commands._values import FOLDER, Context, Param, Size
from port.commands.bound import data_option, refuse_data

if TYPE_CHECKING:
    from port.data.check_dataset import SplitReport
    from port.data.colour_labels import ColourTable


class DatasetName(click.ParamType):
    """The name of a dataset of the table, or a folder of `fcn new`."""

    name = 'name'

    def convert(self, value: Any, param: Param, ctx: Context) -> str:
        from port.data.datasets import find_dataset
        try:
            return find_dataset(value).name
        except KeyError as error:
            self.fail(str(error.args[0]), param, ctx)


@click.group(epilog='Example:  fcn data check camvid --data data/camvid')
def command() -> None:
    """Datasets on disk: layout, check, compare, colours."""


def bar(split: str, count: int, walk: Iterator[str | None]) -> Iterator[str | None]:
    """Show how far the walk over a split has come, and how many problems it met."""
    from tqdm import tqdm
    with tqdm(walk, desc=split, total=count, unit='img', disable=not sys.stderr.isatty()) as shown:
        found = 0
        for problem in shown:
            found += problem is not None
            shown.set_postfix_str(f'{found} problem(s)', refresh=False)
            yield problem


@command.command('check', epilog='Example:  fcn data check voc2011 --data data --split seg11valid')
@click.argument('name', type=DatasetName())
@data_option
@click.option('--split', 'splits', multiple=True,
              help='Check this list only; may be repeated.  [default: the published lists]')
@renamed('--root', '--data')
def check_command(name: str, data: Path, splits: tuple[str, ...]) -> None:
    """Open every file of dataset NAME and count it against the published numbers.

    NAME may be a folder of `fcn new`, of which nothing is published. Prints at most one line a
    name: missing, unreadable, of the wrong size, labels out of range, listed twice.
    """
    from port.data.check_dataset import check
    from port.data.datasets import find_dataset
    refuse_data(find_dataset(name).own, name)
    reports = check(name, data, splits, bar)
    for report in reports:
        for problem in report.problems:
            click.echo(f'{report.split}: {problem}')
    for report in reports:
        click.echo(report.line())
    _verdict(name, reports, find_dataset(name).left_out(data))


def _verdict(name: str, reports: 'list[SplitReport]', left_out: list[str]) -> None:
    """End with status 1 where anything is wrong."""
    from port.data.datasets import find_dataset
    unseen = f'{", ".join(left_out)}: no folder, not checked'
    problems = sum(len(report.problems) for report in reports)
    other = [report.split for report in reports if not report.right_count]
    if problems or other:
        parts = [f'{problems} problem(s)'] if problems else []
        parts += [f'another count than published in {", ".join(other)}'] if other else []
        parts += [unseen] if left_out else []
        own = find_dataset(name).own
        raise click.ClickException(f'{name}: {"; ".join(parts)}; ' + (
            'mend the files, or write the folder again with `fcn new`' if own else
            f'`fcn data layout {name}` shows what is expected'))
    skipped = [report.split for report in reports if report.skipped]
    click.echo(f'{name}: complete' + (f', but for {", ".join(skipped)}' if skipped else '')
               + (f'; {unseen}' if left_out else ''))


@command.command('compare', cls=WithJson,
                 epilog='Example:  fcn data compare camvid:train camvid:val --data data/camvid')
@click.argument('first', metavar='DATASET:LIST')
@click.argument('second', metavar='DATASET:LIST')
@data_option
@json_option('the figures')
def compare_command(first: str, second: str, data: Path, json_path: str | None) -> None:
    """Lay two lists side by side: images, sizes, brightness (0 to 255), share of each class.

    DATASET may be a folder of `fcn new`. Shares are percent of the pixels that have a class. Names
    that stand in both are counted.
    """
    from tqdm import tqdm

    from port.data.datasets import find_dataset
    from port.data.two_lists import compare_lists, shared_names, side_by_side

    def shown(title: str) -> Callable[[Sequence[int]], Iterable[int]]:
        return lambda walk: tqdm(walk, desc=title, unit='img', disable=not sys.stderr.isatty())
    for given in (first, second):
        place = given.rpartition(':')[0]
        refuse_data(bool(place) and find_dataset(place).own, place)
    one, other = compare_lists(first, second, data, shown)
    tell({'first': one.as_dict(), 'second': other.as_dict(), 'in_both': shared_names(one, other)},
         side_by_side(one, other), json_path)


@command.command('layout', epilog='Example:  fcn data layout nyud')
@click.argument('name', type=DatasetName(), required=False)
def layout_command(name: str | None) -> None:
    """Print the tree that dataset NAME must have, and where the dataset comes from."""
    from port.data.datasets import DATASETS, layout
    if name is None:
        click.echo('\n\n'.join(f'{key}\n{"-" * len(key)}\n{layout(key)}' for key in DATASETS))
    else:
        click.echo(layout(name))


@command.command('colours', epilog='Example:  fcn data colours camvid LabeledApproved labels '
                                   '--label-suffix _L')
@click.argument('table')
@click.argument('source', type=FOLDER)
@click.argument('target', type=FOLDER)
@click.option('--unknown', type=click.IntRange(0, 255), metavar='LABEL',
              help='Index for colours that the table lacks.  [default: they are an error]')
@click.option('--label-suffix', default='', metavar='TEXT',
              help="What the labels' names end in beyond the images', such as _L; it is cut off.")
@click.option('--size', type=Size(),
              help='Height and width of the index PNGs, by nearest neighbour.  [default: kept]')
@renamed('--strip', '--label-suffix')
def colours_command(table: str, source: Path, target: Path, unknown: int | None,
                    label_suffix: str, size: tuple[int, int] | None) -> None:
    """Turn the colour-coded label images of SOURCE and its folders into index PNGs in TARGET.

    TABLE: voc, camvid (32 colours grouped into 11 classes), camvid32, cityscapes (19 classes), or
    a file of lines 'R G B name', 'R G B index name' or 'name,r,g,b' (class_dict.csv).
    """
    from port.data import colour_labels as colours
    chosen = find_table(table)
    counts = colours.convert_folder(source, target, chosen, unknown, label_suffix,
                                    (size[1], size[0]) if size else None, upright(size))
    total = sum(counts.values())
    for index, pixels in counts.items():
        name = chosen.names.get(index, 'unknown')
        click.echo(f'{index:>4}  {name:<20} {pixels:>14,} pixels  {100 * pixels / total:6.2f} %')
    click.echo(f'index PNGs in {target}')


def upright(size: tuple[int, int] | None) -> Callable[[Sequence[Path]], Iterable[Path]]:
    """Return what shows the walk over the labels, and stops before the first where --size would
    lay a wide picture upright or the other way round: earlier versions took the width first.
    """
    from PIL import Image
    from tqdm import tqdm

    def walk(paths: Sequence[Path]) -> Iterable[Path]:
        if size and paths:
            with Image.open(paths[0]) as picture:
                wide, high = picture.size
            if (wide - high) * (size[1] - size[0]) < 0:
                raise click.UsageError(
                    f'--size {size[0]}x{size[1]} is height x width, and {paths[0]} is {high} high '
                    f'and {wide} wide; did you mean {size[1]}x{size[0]}?')
        return tqdm(paths, desc='colours', unit='img', disable=not sys.stderr.isatty())
    return walk


def find_table(name: str) -> 'ColourTable':
    """Return a known table, or read the file of that name."""
    from port.data import colour_labels as colours
    if name in colours.TABLES:
        return colours.TABLES[name]()
    if not Path(name).is_file():
        raise FileNotFoundError(f'{name}: no such colour table; known: {", ".join(colours.TABLES)}'
                                f', or a file of {colours.FORMS}')
    return colours.read_table(name)
