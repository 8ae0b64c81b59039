"""fcn score: the paper's four metrics of a net on its test split."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._dense_crf import crf_option
from port.commands._shared import (
    FOLDER,
    MODEL_IS_NET,
    AskedNet,
    check_json,
    defining,
    device_options,
    given_as,
    json_option,
    net_argument,
    refuse_fitting,
    renamed,
    tell,
    weights_option,
)

if TYPE_CHECKING:
    from netspec.named_net import NamedNet
    from netspec.schema.messages import NetParameter
    from port.crf.crf_weights import CrfWeights

limit_option = click.option('--limit', type=click.IntRange(min=1), metavar='N',
                            help='Take the first N images only.  [default: the whole split]')


@dataclass(frozen=True)
class Request:
    """The command's options."""

    net: AskedNet
    weights: str | None
    data: Path | None
    limit: int | None
    save: Path | None
    json_path: str | None
    fast: bool
    crf: CrfWeights | None
    device: str


@click.command(epilog='Example:  fcn score voc-fcn8s --weights fcn8s-heavy-pascal.caffemodel '
                      '--data data')
@net_argument
@weights_option
@click.option('--data', type=FOLDER, help='Folder of the datasets, or of this one: score a '
              'published NET on it.')
@limit_option
@click.option('--save', type=FOLDER, help='Folder for the predictions, as index PNGs.')
@json_option('the figures and the histogram')
@click.option('--fast/--no-fast', default=False, show_default=True, help='--fast gives the same '
              'scores within rounding, in less time (docs/padding.md).')
@crf_option
@device_options()
@renamed('--model', MODEL_IS_NET)
@renamed('--iterations', '--limit')
@renamed('--images', '--limit')
@defining
@given_as(Request)
def command(given: Request) -> None:
    """Score NET on its test split: pixel accuracy, mean accuracy, mean IU, f.w. IU, each class.

    NET is a folder of `fcn new`, `fcn reproduce` or `fcn generate`, whose val or test net is
    scored; a prototxt with its data layer; or a published name, with --data.
    """
    from netspec.schema.messages import TEST
    weights = given.net.weights(given.weights)
    source = test_net(given.net, given.data)
    from port.engine.net import Net
    from port.engine.net_weights import paths_of
    from port.engine.starting_weights import load
    from port.fast.speed_up import fast_forward
    from port.scoring.evaluate import evaluate
    read = [*paths_of(weights), *([source] if isinstance(source, Path) else [])]
    check_json(given.json_path, read)
    net = Net(source, TEST, device=given.device)
    load(net, weights)
    results = evaluate(net, given.limit, save=given.save, progress=bar, crf=given.crf,
                       forward=fast_forward(net) if given.fast else None).scores
    tell({layer: result.as_dict() for layer, result in results.items()},
         '\n'.join((f'{layer}\n' if len(results) > 1 else '') + result.text()
                   for layer, result in results.items()), given.json_path)


def test_net(net: AskedNet, data: Path | None) -> Path | NetParameter:
    """Return the net to score: the folder's or the file, or a published one on some data."""
    from netspec.named_net import scored_file
    named: NamedNet = net.named
    if data is None and (named.folder or named.file):
        refuse_fitting(scored_file(named))
        return scored_file(named)
    if named.row is None or named.row.dataset == 'own':
        raise click.UsageError(f'--data is for a net by name; {named.given} says itself which data '
                               'it reads')
    if data is None:
        raise click.UsageError(f'give --data, the folder of the data to score {named.given} on, or '
                               'a folder or prototxt as NET')
    from netspec.generate import data_root
    split = named.row.splits[1].file
    return named.make(named.row, split, width=net.width or named.width, classes=net.classes,
                      data_root=data_root(named.row, data))


def bar(names: Sequence[str]) -> Iterable[str]:
    """Show how many images are scored."""
    from tqdm import tqdm
    return tqdm(names, desc='score', unit='img', disable=not sys.stderr.isatty())
