"""fcn reproduce: train a published net as its authors did, and lay the result beside theirs."""

import sys
from pathlib import Path

import click

from netspec.experiments import EXPERIMENTS, find_experiment
from netspec.variants import VARIANTS, find_variant
from port import published
from port.commands import bound
from port.commands._shared import device, gpu_option
from port.commands.generate import setting
from port.commands.train import INTERRUPTED
from port.reproduce import pages
from port.reproduce.evaluate import Interrupted
from port.reproduce.plan import Settings
from port.reproduce.run import reproduce

FOLDER = click.Path(path_type=Path, file_okay=False)


LABELS_ONLY = {
    'bound': ('voc-fcn32s', 'PAMI section 6.3: upper bound of mean IU at each stride'),
    'absent': ('siftflow-fcn8s', 'PAMI footnote 6: classes that the test split lacks')}


def donors(ctx, param, values: tuple[str, ...]) -> dict[str, str]:
    """Read NET=WEIGHTS options."""
    found = {}
    for value in values:
        net, sep, path = value.partition('=')
        if not sep or net not in VARIANTS:
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
              'published mean IU.')
@click.option('--data', type=FOLDER, help='Folder of the datasets, or of this one.')
@click.option('--weights', type=click.Path(path_type=Path, dir_okay=False),
              help='The classifier to start from (VGG16, CaffeNet); for a net from scratch weights '
                   'of its own; with --released the weights to score.')
@click.option('--out', type=FOLDER, help='Folder of this run: state and report.')
@click.option('--net', default='', help='Do an experiment with this net.  [default: voc-fcn32s]')
@click.option('--width', type=click.FloatRange(min=0, min_open=True), default=1.0,
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
def command(name: str | None, listing: bool, data: Path | None, weights: Path | None,
            out: Path | None, net: str, width: float, block: int | None, blocks: int | None,
            images: int | None, split: str, seed: int, options: dict, given: dict[str, str],
            released: bool, fast: bool, keep_all: bool, gpu: int | None) -> None:
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
        _from_labels(name, net or LABELS_ONLY[name][0], data, out)
        return
    if weights is not None and not weights.is_file():
        raise FileNotFoundError(f'{weights}: no such weights')
    settings = Settings(name, str(data.resolve()), str(weights.resolve()) if weights else '', net,
                        width, block, blocks, images, split, seed, released, options, given, fast)
    try:
        content = reproduce(settings, out, device(gpu), click.echo, keep_all)
    except (Interrupted, KeyboardInterrupt) as stop:
        click.echo(f'{stop or "stopped"}; the same command goes on from here', err=True)
        sys.exit(INTERRUPTED)
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


def _from_labels(name: str, net: str, data: Path, out: Path) -> None:
    """Run what needs no net: `fcn bound`."""
    out.mkdir(parents=True, exist_ok=True)
    bound.command.callback(find_variant(net), data, name == 'absent', (), out / f'{name}.json')


def summary(content: dict, out: Path) -> str:
    """Return the closing lines: the figures beside the published, and where the report is."""
    lines = []
    for row in content['stages']:
        targets = [line for line in row['comparison'] if line['target']]
        lines += [f'{row["name"]}: {line["metric"]} {pages.number(line["measured"])}, published '
                  f'{line["published"]} ({line["source"]}), '
                  f'{pages.number(line["difference"], True)}' for line in targets]
    return '\n'.join([*lines, f'report: {out / "report.html"}, {out / "report.md"}, '
                              f'{out / "report.json"}'])


def table() -> str:
    """List what can be reproduced, with the published mean IU."""
    lines = [f'{"name":<30} {"published":>9}  source']
    for name in (*VARIANTS, *EXPERIMENTS):
        figure = next((f for f in published.figures(name) if f.target), None)
        title = EXPERIMENTS[name].title if name in EXPERIMENTS else ''
        cite = figure.cite() if figure else ''
        value = f'{next(v for k, v in figure.values.items() if "IU" in k):.1f}' if figure else '-'
        lines.append(f'{name:<30} {value:>9}  {title or cite}'.rstrip())
    lines += [f'{name:<30} {"-":>9}  {title}' for name, (_, title) in LABELS_ONLY.items()]
    return '\n'.join(lines)
