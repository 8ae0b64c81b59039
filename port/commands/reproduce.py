"""fcn reproduce: train a published net as its authors did, and lay the result beside theirs."""

from pathlib import Path

import click

from netspec.experiments import EXPERIMENTS, find_experiment
from netspec.variants import VARIANTS, find_variant
from port.commands import bound
from port.commands._shared import WIDTH, device, gpu_option, options_given, tf32_option
from port.commands.generate import setting
from port.reproduce import beside_published as compare
from port.reproduce import published_figures as published
from port.reproduce import report_pages as pages
from port.reproduce.recipe import Settings
from port.reproduce.reproduction import reproduce
from port.training.signals import Interrupted

FOLDER = click.Path(path_type=Path, file_okay=False)

# What needs no net to run: the row whose labels it reads, and what is published of it.
LABELS_ONLY = {
    'bound': ('voc-fcn32s', f'mean IU {" ".join(map(str, published.BOUND.values()))} '
              f'at factors {" ".join(map(str, published.BOUND))}',
              'PAMI section 6.3: upper bound of mean IU at each stride, on seg11valid'),
    'absent': ('siftflow-fcn8s', f"{published.ABSENT_SIFTFLOW} of SIFT Flow's 33 classes",
               'PAMI footnote 6: classes that the test split lacks')}
LABELS_OPTIONS = ('name', 'data', 'out', 'net', 'split', 'images')


def donors(ctx, param, values: tuple[str, ...]) -> dict[str, str]:
    """Read NET=WEIGHTS options."""
    found = {}
    for value in values:
        net, sep, path = value.partition('=')
        if not sep or net not in (*VARIANTS, *EXPERIMENTS):
            raise click.BadParameter(f'{value!r}; expected NET=WEIGHTS, such as '
                                     'voc-fcn32s=fcn32s-heavy-pascal.caffemodel')
        if not Path(path).is_file():
            raise click.BadParameter(f'{path}: no such weights')
        found[net] = str(Path(path).resolve())
    return found


@click.command(epilog='Example:  fcn reproduce voc-fcn8s --data data --weights VGG16.caffemodel '
                      '--out runs/voc-fcn8s')
@click.argument('name', required=False)
@click.option('--list', 'listing', is_flag=True, help='List nets and experiments, and their '
              'published figures.')
@click.option('--data', type=FOLDER, help='Folder of the datasets, or of this one.')
@click.option('--weights', type=click.Path(path_type=Path, dir_okay=False),
              help='The classifier to start from (VGG16, CaffeNet); for a net from scratch weights '
                   'of its own; with --released the weights to score.')
@click.option('--out', type=FOLDER, help='Folder of this run: state and report.')
@click.option('--net', default='', help='Do an experiment with this net.  [default: voc-fcn32s]')
@click.option('--width', type=WIDTH, default=1.0,
              show_default=True, help="Scale the trunk's channels: a narrow net trains from "
              'scratch on a small machine.')
@click.option('--block', '--iterations-per-block', type=click.IntRange(min=1),
              help='Images of a block.  [default: the published number]')
@click.option('--blocks', type=click.IntRange(min=1),
              help='Blocks to train each net.  [default: the published number]')
@click.option('--images', type=click.IntRange(min=1), help='Score on the first so many images.')
@click.option('--split', default='', help="Score on this list.  [default: the paper's]")
@click.option('--seed', default=1337, show_default=True, help='Of fillers and dropout.')
@click.option('--set', 'options', multiple=True, callback=setting, metavar='[NET.]KEY=VALUE',
              help='A solver field of all nets, or of one; may be repeated.')
@click.option('--donor', 'given', multiple=True, callback=donors, metavar='NET=WEIGHTS',
              help='Take these weights instead of training NET first; may be repeated.')
@click.option('--released', is_flag=True, help='Train nothing: score the released --weights '
              'against their four-decimal table.')
@click.option('--fast', is_flag=True, help='The same numbers within rounding, in less time, as '
              '`fcn train --fast`.')
@click.option('--keep-all', is_flag=True, help='Keep the snapshots of every block.')
@gpu_option
@tf32_option
def command(name: str | None, listing: bool, data: Path | None, weights: Path | None,
            out: Path | None, net: str, width: float, block: int | None, blocks: int | None,
            images: int | None, split: str, seed: int, options: dict, given: dict[str, str],
            released: bool, fast: bool, keep_all: bool, gpu: int | None,
            tf32: bool) -> None:
    """Reproduce NAME, a net or one of the papers' experiments, in the original's blocks.

    Surgery, training, scoring after each block; for a net that starts from another, that one
    first. Ctrl-C at any time; the same command goes on. Ends with report.md, .json and .html.
    """
    if listing:
        click.echo(table())
        return
    if name is None or data is None or out is None:
        raise click.UsageError('give NAME, --data and --out, or --list')
    _check_names(name, net)
    if name in LABELS_ONLY:
        _from_labels(name, net or LABELS_ONLY[name][0], data, out, split, images)
        return
    if weights is not None and not weights.is_file():
        raise FileNotFoundError(f'{weights}: no such weights')
    settings = Settings(name, str(data.resolve()), str(weights.resolve()) if weights else '', net,
                        width, block, blocks, images, split, seed, released, options, given, fast,
                        tf32)
    try:
        content = reproduce(settings, out, device(gpu, tf32), click.echo, keep_all)
    except KeyboardInterrupt as stop:
        raise Interrupted(f'{str(stop) or "stopped"}; the same command goes on from here') from stop
    click.echo(summary(content, out))


def _check_names(name: str, net: str) -> None:
    """Raise UsageError for names that are none, or do not go together."""
    try:
        if name in LABELS_ONLY:
            find_variant(net or LABELS_ONLY[name][0])
        else:
            find_experiment(name, net or None)
    except (KeyError, ValueError) as error:
        raise click.UsageError(str(error.args[0])) from error


def _from_labels(name: str, net: str, data: Path, out: Path, split: str,
                 images: int | None) -> None:
    """Run what needs no net: `fcn bound`. UsageError for the options of a training."""
    idle = [option.opts[0] for option in options_given() if option.name not in LABELS_OPTIONS]
    if idle:
        raise click.UsageError(f'{name} reads labels only and takes no {", ".join(idle)}; it takes '
                               '--data, --out, --net, --split and --images')
    figures = bound.from_labels(find_variant(net), data, name == 'absent', (), split, images)
    out.mkdir(parents=True, exist_ok=True)
    bound.write(out / f'{name}.json', figures)


def summary(content: dict, out: Path) -> str:
    """Return the closing lines: the figures beside the published, and where the report is."""
    lines = []
    for row in content['stages']:
        targets = [line for line in row['comparison'] if line['target']]
        lines += [f'{row["name"]}: {line["metric"]} {pages.number(line["measured"])}, published '
                  f'{line["published"]} ({line["source"]}{_on(line["split"], row["split"])}), '
                  f'{pages.number(line["difference"], True)}' for line in targets]
    return '\n'.join([*lines, f'report: {out / "report.html"}, {out / "report.md"}, '
                              f'{out / "report.json"}'])


def _on(split: str, scored: str) -> str:
    """Name the list that a figure is of, where it is another than ours."""
    return '' if split == scored else f', on {split}'


def table() -> str:
    """List what can be reproduced, with the four published metrics of each."""
    lines = [f'{"name":<28} {"pixel":>5} {"mean":>5} {"mean":>5} {"f.w.":>5}  what or source',
             f'{"":<28} {"acc.":>5} {"acc.":>5} {"IU":>5} {"IU":>5}']
    lines += [_listed(name) for name in (*VARIANTS, *EXPERIMENTS)]
    for name, (_, values, title) in LABELS_ONLY.items():
        lines += [f'{name:<28} {values}', f'{"":<30}{title}']
    return '\n'.join([*lines, '* mean IU without the background'])


def _listed(name: str) -> str:
    """Return a line: a net's figures of its own recipe, or where there are none of another."""
    figures = published.figures(name)
    values = figures[0].values if figures else {}
    cells = [f'{values[metric]:.1f}' if metric in values else '-' for metric in published.FOUR]
    if published.FOREGROUND in values:
        cells[2] = f'{values[published.FOREGROUND]:.1f}*'
    row = find_experiment(name)
    what = row.title
    if figures and not what:
        split = _on(compare.published_on(figures[0]), row.row.splits[1].name)
        what = f'{figures[0].cite()}{split}' + ('' if figures[0].target else ' (another recipe)')
    return f'{name:<28} {" ".join(f"{cell:>5}" for cell in cells)}  {what}'.rstrip()
