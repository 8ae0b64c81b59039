"""fcn ablate: does the order of the paper's findings hold on a dataset, with a narrow net?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from port.commands._ranks import ranked
from port.commands._shared import engine_options, given_as, options_given, renamed, seed_option
from port.commands._values import FILE, FOLDER, WIDTH, Context, NetName, Param
from port.commands.bound import data_option
from port.commands.reproduce import goes_on, limit_option, set_option


class DatasetOfNet(NetName):
    """The name of a dataset, or a NET whose dataset is meant: one with nets of all three strides,
    or a folder of `fcn new`.
    """

    def convert(self, value: Any, param: Param, ctx: Context) -> Any:
        from netspec.variants import VARIANTS
        from port.reproduce.ablation import findings
        datasets = {row.dataset for row in VARIANTS.values()}
        try:
            if value not in datasets and (value in VARIANTS or Path(value).exists()):
                row = super().convert(value, param, ctx).known_row('`fcn ablate`')
                value = dict(row.places)['lists'] if row.dataset == 'own' else row.dataset
            findings(value)
        except (KeyError, ValueError) as error:
            self.fail(str(error.args[0]), param, ctx)
        return value

if TYPE_CHECKING:
    from port.distributed.alone import Alone


@dataclass(frozen=True)
class Request:
    """The command's options."""

    dataset: str
    data: Path
    out: Path | None
    weights: Path | None
    width: float
    block: int
    blocks: int
    limit: int | None
    seed: int
    options: Mapping[str, Any]
    fast: bool | None
    trunk: str
    seeds: int
    scale: float
    rates: tuple[float, ...]
    ranks: Alone
    device: str


@click.command(epilog='Example:  fcn ablate camvid --data data/camvid --out runs/ablation '
                      '--width 0.25 --block 400 --blocks 5 --set base_lr=1e-9')
@click.argument('dataset', metavar='[DATASET|NET]', type=DatasetOfNet(), default='camvid')
@data_option
@click.option('--out', type=FOLDER, help='Folder of the runs.  [default: runs/ablate-DATASET]')
@click.option('--weights', type=FILE, help='VGG16, for the full width, or those of --trunk.  '
              '[default: from fillers]')
@click.option('--trunk', default='', metavar='NAME', help='The findings about finetuning, at full '
              'width from the --weights of this trunk (squeezenet), over several seeds.')
@click.option('--seeds', type=click.IntRange(min=2), default=3, show_default=True,
              help='With --trunk: trainings of each run.')
@click.option('--scale', type=click.FloatRange(min=0, min_open=True, max=1), default=0.5,
              show_default=True, help='With --trunk: images are resized by this factor.')
@click.option('--rate', 'rates', type=float, multiple=True, help='With --trunk: a rate to try for '
              'each regime; may be repeated.  [default: 3e-10, 1e-9, 3e-9, and on by threes until '
              'the best is not the last]')
@click.option('--width', type=WIDTH, default=0.25, show_default=True,
              help="Scale the trunk's channels.")
@click.option('--block', type=click.IntRange(min=1), metavar='N', default=400, show_default=True,
              help='Images of a block.')
@click.option('--blocks', type=click.IntRange(min=1), metavar='N', default=5, show_default=True,
              help='Blocks to train each net.')
@limit_option
@seed_option('fillers and dropout')
@set_option
@engine_options
@ranked()
@renamed('--images', '--limit')
@given_as(Request)
def command(given: Request) -> None:
    """Try on DATASET: heavy, online and accumulated learning; 32s, 16s, 8s; trunk fixed or not.

    NET stands for the dataset that it is for, a folder of `fcn new` for its own. Every regime sees
    the same images as often. Ctrl-C at any time; the same command goes on. With --trunk also
    pretrained or random weights, stages or all at once, skips or none.
    """
    with given.ranks.agreed():
        _refuse_idle(given)
    if given.trunk:
        _seeded(given)
        return
    import torch

    from netspec.schema import write_atomic
    from port.reproduce import ablation
    from port.reproduce.recipe import Settings
    settings = Settings('', str(given.data.resolve()),
                        str(given.weights.resolve()) if given.weights else '', width=given.width,
                        block=given.block, blocks=given.blocks, images=given.limit,
                        seed=given.seed, options=dict(given.options), fast=given.fast)
    out = given.out or Path('runs', f'ablate-{Path(given.dataset).name}')
    with goes_on():
        content = ablation.run(given.dataset, settings, out, torch.device(given.device), click.echo,
                               given.ranks)
    if not given.ranks.first:
        return
    text = ablation.markdown(content)
    write_atomic(out / 'ablation.json', [json.dumps(content, indent=2).encode()])
    write_atomic(out / 'ablation.md', [text.encode()])
    click.echo(text)


def _refuse_idle(given: Request) -> None:
    """Raise UsageError for options that this ablation does not look at."""
    idle = ('width', 'seed') if given.trunk else ('seeds', 'scale', 'rates')
    named = [option.opts[0] for option in options_given() if option.name in idle]
    if given.trunk and named:
        raise click.UsageError(f'--trunk trains at full width, from --seeds seeds of its own: it '
                               f'takes no {", ".join(named)}')
    if named:
        raise click.UsageError(f'{", ".join(named)}: for an ablation with --trunk')
    if given.trunk and 'base_lr' in given.options:
        raise click.UsageError('--set base_lr: with --trunk each regime has its own best rate; '
                               'give those to try by --rate')


def _seeded(given: Request) -> None:
    """Judge the findings over several seeds, from a trunk's real weights."""
    import torch

    from netspec.schema import write_atomic
    from port.reproduce import seeded_ablation as seeded
    from port.reproduce.recipe import Settings
    with given.ranks.agreed():
        if given.weights is None:
            raise click.UsageError(f'--trunk {given.trunk} starts from real weights: give them by '
                                   '--weights')
        try:
            seeded.runs_of(given.dataset, given.trunk)
        except KeyError as error:
            raise click.UsageError(str(error.args[0])) from error
    out = given.out or Path('runs', f'ablate-{given.dataset}-{given.trunk}')
    settings = Settings('', str(given.data.resolve()), str(given.weights.resolve()),
                        block=given.block, blocks=given.blocks, images=given.limit,
                        options=dict(given.options), fast=given.fast, scale=given.scale)
    whole = seeded.SeededAblation(given.dataset, given.trunk, settings, out,
                                  torch.device(given.device), given.seeds,
                                  given.rates, given.ranks)
    with goes_on():
        content = whole.run(click.echo)
    if not given.ranks.first:
        return
    picture = seeded.draw_curves(out / 'curves.png', content)
    text = seeded.seeded_markdown(content, picture.name)
    write_atomic(out / 'ablation.json', [json.dumps(content, indent=2).encode()])
    write_atomic(out / 'ablation.md', [text.encode()])
    click.echo(text)
