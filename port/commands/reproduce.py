"""fcn reproduce: train a published net as its authors did, and lay the result beside theirs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from port.commands import bound
from port.commands._before_run import made_ready
from port.commands._ranks import ranked
from port.commands._shared import (
    engine_options,
    given_as,
    options_given,
    renamed,
    seed_option,
)
from port.commands._values import FILE, FOLDER, WIDTH, RowName
from port.commands.bound import data_option, refuse_data
from port.commands.generate import setting
from port.commands.score import limit_option
from port.reproduce import published_figures as published

if TYPE_CHECKING:
    from netspec.variants import Variant
    from port.distributed.alone import Alone
    from port.reproduce.recipe import Settings

# What needs no net to run: the row whose labels it reads, and what is published of it.
LABELS_ONLY = {
    'bound': ('voc-fcn32s', f'mean IU {" ".join(map(str, published.BOUND.values()))} '
              f'at factors {" ".join(map(str, published.BOUND))}',
              'PAMI section 6.3: upper bound of mean IU at each stride, on seg11valid'),
    'absent': ('siftflow-fcn8s', f"{published.ABSENT_SIFTFLOW} of SIFT Flow's 33 classes",
               'PAMI footnote 6: classes that the test split lacks')}
# What Settings calls otherwise than the command's parameters are called.
SETTINGS = {'limit': 'images', 'given': 'donors'}
LABELS_OPTIONS = ('name', 'data', 'out', 'net', 'split', 'limit')
# What needs neither data nor weights.
SPEED = {
    'speed-table1': ('16, 100, 20 ms (Titan X); 50, 210, 59 ms (K40c)',
                     'PAMI Table 1: forward time of AlexNet, VGG16, GoogLeNet at 500 x 500'),
    'speed-windows': ('1.2 and 2.4 ms a window, 22 and 37 ms for 100 at once',
                      "PAMI section 3.1: AlexNet's windows one by one, and 100 at once")}
SPEED_OPTIONS = ('name', 'out', 'width', 'gpus', 'tf32')


def donors(ctx: click.Context, param: click.Parameter,
           values: tuple[str, ...]) -> dict[str, str]:
    """Read NET=WEIGHTS options."""
    from netspec.experiments import EXPERIMENTS
    from netspec.variants import VARIANTS
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


@contextmanager
def goes_on() -> Iterator[None]:
    """Say of a stop within the block that the same command goes on from there."""
    try:
        yield
    except KeyboardInterrupt as stop:
        from port.training.signals import Interrupted
        raise Interrupted(f'{str(stop) or "stopped"}; the same command goes on from here') from stop


set_option = click.option('--set', 'options', multiple=True, callback=setting,
                          metavar='[NET.]KEY=VALUE',
                          help='A solver field of all nets, or of one; may be repeated.')


def entries(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE options for a data layer; 288x384 and 0.8,1.25 are two numbers."""
    found = setting(ctx, param, values)
    for key, value in found.items():
        parts = re.split('[x,]', value) if isinstance(value, str) else []
        if len(parts) == 2:
            pair = setting(ctx, param, tuple(f'{key}{i}={part}' for i, part in enumerate(parts)))
            found[key] = tuple(pair.values())
    return found


train_data_option = click.option(
    '--train-data', multiple=True, callback=entries, metavar='[NET.]KEY=VALUE',
    help="An option of the training data layer: mirror=true, jitter=32, scales=0.8,1.25, "
         'random_crop=288x384, batch=4, shuffle=true; may be repeated.')
statistics_option = click.option(
    '--statistics', type=click.IntRange(min=0), default=10, show_default=True, metavar='BATCHES',
    help="Training batches that BatchNorm's statistics are counted over before each scoring; 0 for "
         'as many as show the training list once, as SegNet\'s authors do.')


@dataclass(frozen=True)
class Request:
    """The command's options."""

    name: str | None
    listing: bool
    data: Path
    weights: Path | None
    out: Path | None
    net: Variant | None
    width: float
    block: int | None
    blocks: int | None
    limit: int | None
    split: str
    seed: int
    options: Mapping[str, Any]
    train_data: Mapping[str, Any]
    statistics: int
    given: Mapping[str, str]
    released: bool
    dry_run: bool
    download: bool
    fast: bool | None
    keep_all: bool
    share_steps: bool
    tf32: bool
    ranks: Alone
    device: Callable[[], str]


@click.command(epilog='Example:  fcn reproduce voc-fcn8s --data data --weights VGG16.caffemodel '
                      '--out runs/voc-fcn8s')
@click.argument('name', metavar='[NET|EXPERIMENT]', required=False)
@click.option('--list', 'listing', is_flag=True, help='List nets and experiments, and their '
              'published figures.')
@data_option
@click.option('--weights', type=FILE,
              help='The classifier to start from (VGG16, CaffeNet); for a net from scratch weights '
                   'of its own; with --released the weights to score.  [default: init.caffemodel '
                   'of a folder of `fcn new`]')
@click.option('--out', type=FOLDER, help='Folder of this run: state and report.  '
              '[default: runs/NAME]')
@click.option('--net', type=RowName(), metavar='NET',
              help='Do an experiment with this net.  [default: voc-fcn32s]')
@click.option('--width', type=WIDTH, default=1.0, show_default=True, help="Scale the trunk's "
              'channels: a narrow net trains from scratch on a small machine.')
@click.option('--block', type=click.IntRange(min=1), metavar='N',
              help='Images of a block.  [default: the published number]')
@click.option('--blocks', type=click.IntRange(min=1), metavar='N',
              help='Blocks to train each net.  [default: the published number]')
@limit_option
@click.option('--split', default='',
              help='Score on this list.  [default: that of the testing net; of CamVid val]')
@seed_option('fillers and dropout')
@set_option
@train_data_option
@statistics_option
@click.option('--donor', 'given', multiple=True, callback=donors, metavar='NET=WEIGHTS',
              help='Take these weights instead of training NET first; may be repeated.')
@click.option('--released', is_flag=True, help='Train nothing: score the released weights '
              'against their four-decimal table.  [default for --weights: their file, here or in '
              '--data]')
@click.option('--dry-run', is_flag=True, help='Only say what the run needs: data and weights, '
              'there or missing, with page, file name and digest; disk; time, measured.')
@click.option('--download', is_flag=True, help='Download first what is missing of weights and '
              'data, where an address is known, into --data, and check their digests.')
@engine_options
@click.option('--share-steps', is_flag=True, help='Under torchrun: train on all processes, each '
              'making its part of a step, with random numbers of its own.  [default: the first '
              'trains, all score; the figures are those of one process]')
@click.option('--keep-all', is_flag=True, help='Keep the snapshots of every block.')
@ranked(tf32=True, late=True)
@renamed('--images', '--limit')
@renamed('--iterations-per-block', '--block')
@given_as(Request)
def command(given: Request) -> None:
    """Reproduce a published NET, or one of the papers' experiments, in the original's blocks.

    NET may be a folder of `fcn new`. Surgery, training, scoring after each block; for a net that
    starts from another, that one first. Ctrl-C at any time; the same command goes on, and so does
    `fcn reproduce FOLDER`, with the run's --out. Ends with report.md, .json and .html.
    """
    if given.listing:
        if given.ranks.first:
            click.echo(table())
        return
    if given.name is None:
        raise click.UsageError('give NET or EXPERIMENT, or --list')
    begun = run_folder(given.name)
    if begun is None:
        _check_names(given.name, net_name(given))
    out = begun or given.out or Path('runs', Path(given.name).name)
    if given.name in LABELS_ONLY:
        if given.ranks.first:
            _from_labels(given, given.name, out)
        return
    if given.name in SPEED:
        if given.ranks.first:
            _speed(given, given.name, out)
        return
    if given.weights is not None and not given.weights.is_file():
        raise FileNotFoundError(f'{given.weights}: no such weights')
    import torch

    from port.engine.precision import use_tf32
    from port.reproduce import report_card
    from port.reproduce.reproduction import reproduce
    settings = settings_of(given, begun)
    with given.ranks.agreed():
        device = torch.device(given.device())
        if settings.tf32:
            use_tf32(True)
        settings = made_ready(given, settings, out, device)
    if given.dry_run:
        return
    with goes_on():
        content = reproduce(settings, out, device, click.echo, given.keep_all, given.ranks,
                            another_length=True)
    if given.ranks.first:
        click.echo(report_card.closing(content, out))


def run_folder(name: str) -> Path | None:
    """Return the folder of an earlier run where one is named, or that of one of its nets; None
    for a name. UsageError for a folder without a run.
    """
    from netspec.experiments import EXPERIMENTS
    from netspec.named_net import RUN_FILE
    from netspec.own_dataset import is_own
    from netspec.variants import VARIANTS
    if name in (*VARIANTS, *EXPERIMENTS, *LABELS_ONLY) or not Path(name).is_dir():
        return None
    if is_own(name):
        return None
    for folder in (Path(name), Path(name).resolve().parent):
        if (folder / RUN_FILE).is_file():
            return folder
    raise click.UsageError(f'{name}: no run of `fcn reproduce` lies in this folder; nothing is '
                           'published of other nets: `fcn train` trains them, `fcn score` scores '
                           'them')


def settings_of(given: Request, begun: Path | None) -> Settings:
    """Return the settings of a run: as the options have them, or those that it was begun with."""
    from port.reproduce.recipe import Settings
    settings = Settings(
        given.name or '', str(given.data.resolve()),
        str(given.weights.resolve()) if given.weights else '', net=net_name(given),
        width=given.width, block=given.block, blocks=given.blocks, images=given.limit,
        split=given.split, seed=given.seed, released=given.released, options=dict(given.options),
        donors=dict(given.given), fast=given.fast, tf32=given.tf32,
        train_data=dict(given.train_data), statistics=given.statistics,
        share_steps=given.share_steps)
    if begun is None:
        return _of_own(settings)
    asked = {SETTINGS.get(option.name or '', option.name) for option in options_given()}
    if 'out' in asked:
        raise click.UsageError(f'{given.name} is the folder of a run: leave --out out')
    return replace(Settings.of_run(begun), **{
        field.name: getattr(settings, field.name) for field in fields(Settings)
        if field.name in asked and field.name != 'name'})


def _of_own(settings: Settings) -> Settings:
    """Return the settings with the path, the width and the first weights of a user's own net, where
    it is one.
    """
    from netspec.own_dataset import find_own
    row = find_own(settings.net or settings.name)
    if row is None:
        return settings
    refuse_data(True, settings.name if not settings.net else row.name)
    given = {option.name for option in options_given()}
    name = settings.name if settings.net else dict(row.places)['lists']
    width = settings.width if 'width' in given else row.width
    first = Path(dict(row.places)['lists'], 'init.caffemodel')     # of `fcn surgery`, or `fcn new`
    start = str(first) if width == 1 and not settings.net and first.is_file() else ''
    return replace(settings, name=name, data=dict(row.places)['lists'], width=width,
                   weights=settings.weights or start)


def net_name(given: Request) -> str:
    """Return the name of the net to do an experiment with, '' for the usual one; of a net of
    `fcn new` the path of its folder and its stride: that of a net trained in stages.
    """
    if given.net is None:
        return ''
    from netspec.own_dataset import place_of
    return place_of(given.net)


def _check_names(name: str, net: str) -> None:
    """Raise UsageError for names that are none, or do not go together."""
    from netspec.experiments import find_experiment
    from netspec.variants import find_variant
    try:
        if name in LABELS_ONLY:
            find_variant(net or LABELS_ONLY[name][0])
        elif name not in SPEED:
            find_experiment(name, net or None)
    except (KeyError, ValueError) as error:
        raise click.UsageError(str(error.args[0])) from error


def _from_labels(given: Request, name: str, out: Path) -> None:
    """Do as `fcn bound` does, which needs no net; UsageError for the options of a training."""
    from netspec.named_net import find_net
    from netspec.schema import write_atomic
    idle = [option.opts[0] for option in options_given() if option.name not in LABELS_OPTIONS]
    if idle:
        raise click.UsageError(f'{name} reads labels only and takes no {", ".join(idle)}; it takes '
                               '--data, --out, --net, --split and --limit')
    net = find_net(net_name(given) or LABELS_ONLY[name][0])
    figures, text = bound.from_labels(net, given.data, name == 'absent', (), given.split,
                                      given.limit)
    click.echo(text)
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / f'{name}.json', [json.dumps(figures, indent=2).encode()])


def _speed(given: Request, name: str, out: Path) -> None:
    """Time the papers' nets on this machine; UsageError for the options of a training."""
    from dataclasses import asdict

    import torch

    from netspec.schema import write_atomic
    from port.reproduce import speed
    idle = [option.opts[0] for option in options_given() if option.name not in SPEED_OPTIONS]
    if idle:
        raise click.UsageError(f'{name} needs no data and takes no {", ".join(idle)}; it takes '
                               '--out, --width and --gpu')
    where = torch.device(given.device())
    measure = speed.table1 if name == 'speed-table1' else speed.section31
    rows = measure(where, width=given.width)
    machine = (torch.cuda.get_device_name(where) if where.type == 'cuda' else
               f'CPU, {torch.get_num_threads()} thread(s)')
    click.echo(speed.speed_text(rows, machine))
    out.mkdir(parents=True, exist_ok=True)
    found = {'machine': machine, 'rows': [asdict(row) for row in rows]}
    write_atomic(out / f'{name}.json', [json.dumps(found, indent=2).encode()])


def table() -> str:
    """List what can be reproduced, with the four published metrics of each."""
    from netspec.experiments import EXPERIMENTS
    from netspec.variants import VARIANTS
    lines = [f'{"name":<28} {"pixel":>5} {"mean":>5} {"mean":>5} {"f.w.":>5}  what or source',
             f'{"":<28} {"acc.":>5} {"acc.":>5} {"IU":>5} {"IU":>5}']
    lines += [_listed(name) for name in (*VARIANTS, *EXPERIMENTS)]
    for name, (_, values, title) in LABELS_ONLY.items():
        lines += [f'{name:<28} {values}', f'{"":<30}{title}']
    for name, (values, title) in SPEED.items():
        lines += [f'{name:<28} {values}', f'{"":<30}{title}']
    return '\n'.join([*lines, '* mean IU without the background'])


def _listed(name: str) -> str:
    """Return a line: a net's figures of its own recipe, or where there are none of another."""
    from netspec.experiments import find_experiment
    from port.reproduce.report_card import on
    figures = published.figures(name)
    values = figures[0].values if figures else {}
    cells = [f'{values[metric]:.1f}' if metric in values else '-' for metric in published.FOUR]
    if published.FOREGROUND in values:
        cells[2] = f'{values[published.FOREGROUND]:.1f}*'
    row = find_experiment(name)
    what = row.title
    if figures and not what:
        split = on(published.published_on(figures[0]), row.row.splits[1].name)
        what = f'{figures[0].cite()}{split}' + ('' if figures[0].target else ' (another recipe)')
    return f'{name:<28} {" ".join(f"{cell:>5}" for cell in cells)}  {what}'.rstrip()
