"""fcn crf: the weights of dense CRFs that are published, and a search for those of another net."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from port.commands._shared import (
    MODEL_IS_NET,
    AskedNet,
    defining,
    device_options,
    given_as,
    renamed,
    weights_option,
)
from port.commands._values import FILE, Named, NetName

if TYPE_CHECKING:
    from netspec.named_net import NamedNet
    from port.scoring.crf_search import CrfSearch, Grid

EVERY = 60.0    # seconds between two lines where there is no bar to show them
SHOWN = 5       # weights that the end lists
ROUNDS = 3      # of port.scoring.crf_search


class Values(Named):
    """Numbers with commas, or a range in the papers' notation: first:last, first:step:last."""

    name = 'a,b|a:step:b'

    def convert(self, value: Any, param: click.Parameter | None,
                ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(numbers(value))
        except ValueError:
            found = ()
        if not found or not all(0 < v < float('inf') for v in found):
            self.fail(f'{value!r} is neither numbers above 0 such as 3,4,6 nor a range such as '
                      '30:10:100', param, ctx)
        return found


def numbers(text: str) -> list[float]:
    """Read a list or a range of numbers; ValueError for anything else."""
    if ':' not in text:
        return [float(part) for part in text.split(',')]
    first, *middle, last = (float(part) for part in text.split(':'))
    by = middle[0] if middle else 1.0
    if len(middle) > 1 or by <= 0 or last < first:
        raise ValueError(text)
    return [first + by * i for i in range(int((last - first) / by + 1e-6) + 1)]


@click.group(epilog='Example:  fcn crf list')
def command() -> None:
    """Dense CRFs: published weights, and a search for those of a net (docs/crf.md)."""


@command.command('list', epilog='Example:  fcn crf list')
def list_weights() -> None:
    """List the published weights by model, and where they stand."""
    from port.crf.crf_weights import SOURCES
    click.echo(f'{"model":<26} {"pos_w,pos_xy,bi_w,bi_xy,bi_rgb":<31} source')
    for name, (weights, source) in SOURCES.items():
        click.echo(f'{name:<26} {weights!s:<31} {source}')


@dataclass(frozen=True)
class Request:
    """The options of the search."""

    net: NamedNet
    weights: str | None
    limit: int
    grid: str
    bi_w: tuple[float, ...] | None
    bi_xy: tuple[float, ...] | None
    bi_rgb: tuple[float, ...] | None
    rounds: int
    out: Path
    device: str


@command.command(epilog='Example:  fcn crf search val.prototxt --weights w.caffemodel '
                        '--out runs/crf.json')
@click.argument('net', type=NetName())
@weights_option
@click.option('--limit', type=click.IntRange(min=1), metavar='N', default=100, show_default=True,
              help='Use the first N images of the split.')
@click.option('--grid', type=click.Choice(['v1', 'v2']), default='v2', show_default=True,
              help="The first round's grid, of DeepLab v1 or v2.")
@click.option('--bi-w', type=Values(), help="In place of the grid's bi_w, such as 3:6.")
@click.option('--bi-xy', type=Values(), help="In place of the grid's bi_xy, such as 30:10:100.")
@click.option('--bi-rgb', type=Values(), help="In place of the grid's bi_rgb, such as 3,5,8.")
@click.option('--rounds', type=click.IntRange(min=1), metavar='N', default=ROUNDS,
              show_default=True, help='Each after the first halves the steps around the best.')
@click.option('--out', type=FILE, required=True,
              help='JSON file that keeps what was counted; the same command goes on from it.')
@device_options()
@renamed('--model', MODEL_IS_NET)
@renamed('--images', '--limit')
@defining
@given_as(Request)
def search(given: Request) -> None:
    """Find dense CRF weights for NET, as the papers: a coarse grid on 100 images, then finer.

    NET is a prototxt with its data layer, or a folder of `fcn new`, `fcn reproduce` or
    `fcn generate`, whose val or test net is taken.
    """
    import torch

    from netspec.named_net import scored_file
    from netspec.schema import spare
    from netspec.schema.messages import TEST
    from port.engine.net import Net
    from port.engine.net_weights import paths_of
    from port.engine.starting_weights import load
    from port.scoring.crf_search import GRIDS, CrfSearch, net_pictures, pictures_of
    from port.scoring.evaluate import heads
    model, weights = scored_file(given.net), AskedNet(given.net).weights(given.weights)
    spare([given.out], [model, *paths_of(weights)], 'name another --out')
    net = Net(model, TEST, device=given.device)
    load(net, weights)
    pairs = heads(net)
    if not pairs:
        raise ValueError('the net has no SoftmaxWithLoss layer that names a score and a label; '
                         'search with the net with data (train, val, test), not deploy')
    score, label = pairs[0]
    asked = {'bi_w': given.bi_w, 'bi_xy': given.bi_xy, 'bi_rgb': given.bi_rgb}
    first: Grid = {axis: asked[axis] or values for axis, values in GRIDS[given.grid].items()}
    images = pictures_of(net, given.limit)
    what = {'model': os.path.abspath(model), 'weights': weights, 'images': images,
            'grid': {axis: list(values) for axis, values in first.items()}}
    found = CrfSearch(given.out, what, first, rounds=given.rounds,
                      threads=torch.get_num_threads())
    found.run(net_pictures(net, score, label), images, net.blobs[score].shape[1], bar)
    report(found, first)


def bar(numbers: Iterable[int], what: str, left: Callable[[], float]) -> Iterator[int]:
    """Show how far a round has come, and what is left of all; off a terminal once a minute."""
    from tqdm import tqdm

    from port.reproduce.report_pages import duration
    shown = time.monotonic()
    with tqdm(numbers, desc=what, unit='img', disable=not sys.stderr.isatty()) as rows:
        for done, number in enumerate(rows):
            text = f'{duration(left())} left in all' if done else ''
            rows.set_postfix_str(text, refresh=False)
            if rows.disable and done and time.monotonic() - shown >= EVERY:
                shown = time.monotonic()
                click.echo(f'{what}: image {number + 1}, about {text}', err=True)
            yield number


def report(found: CrfSearch, grid: Grid) -> None:
    """Print the best weights and what they gain."""
    from port.scoring.crf_search import edges

    def line(name: str, iu: float) -> str:
        return f'{name:<26} mean IU {100 * iu:6.2f}'
    click.echo(line('without a CRF', found.scores(None).mean_iu))
    ranked = found.ranked()
    for weights in ranked[:SHOWN]:
        click.echo(line(f'--crf {weights}', found.scores(weights).mean_iu))
    for axis in edges(grid, ranked[0]):
        click.echo(f'the best {axis} lies at an end of its range: a wider one may hold a better')
