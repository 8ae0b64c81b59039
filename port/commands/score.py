"""fcn score: the paper's four metrics of a net on the list of its testing net."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from port.commands._dense_crf import crf_option
from port.commands._ranks import ranked
from port.commands._shared import (
    MODEL_IS_NET,
    AskedNet,
    WithJson,
    check_json,
    check_output,
    defining,
    engine_options,
    given_as,
    json_option,
    net_argument,
    refuse_fitting,
    renamed,
    tell,
    weights_option,
)
from port.commands._values import FILE, FOLDER
from port.commands._views import views_options

if TYPE_CHECKING:
    from netspec.named_net import NamedNet
    from netspec.schema.messages import NetParameter
    from port.crf.crf_weights import CrfWeights
    from port.distributed.alone import Alone
    from port.engine.net import Net
    from port.predict.data_views import ViewsOfData
    from port.scoring.boundaries import BoundaryScores
    from port.scoring.frames import FrameScores

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
    fast: bool | None
    crf: CrfWeights | None
    scales: tuple[float, ...]
    flip: bool
    ranks: Alone
    device: str
    frames: Path | None
    boundaries: bool
    tolerance: float | None


@click.command(cls=WithJson, epilog='Example:  fcn score voc-fcn8s --weights '
                                    'fcn8s-heavy-pascal.caffemodel --data data')
@net_argument
@weights_option
@click.option('--data', type=FOLDER, help='Folder of the datasets, or of this one: score a '
              'published NET on it.')
@limit_option
@click.option('--save', type=FOLDER, help='Folder for the predictions, as index PNGs.')
@click.option('--frames', type=FILE, metavar='FILE.csv',
              help='Write the IU of each frame: mean and classes.')
@click.option('--boundaries', is_flag=True, help='Also mean IU within 2, 4, 8 and 16 pixels of the '
              'true boundaries, and the boundary F1.')
@click.option('--tolerance', type=click.FloatRange(min=0), metavar='PIXELS', help='How far off an '
              'outline may lie in the boundary F1.  [default: 0.75% of the diagonal]')
@json_option('the figures and the histogram')
@engine_options
@crf_option
@views_options
@ranked()
@renamed('--model', MODEL_IS_NET)
@renamed('--iterations', '--limit')
@renamed('--images', '--limit')
@defining
@given_as(Request)
def command(given: Request) -> None:
    """Score NET on the list of its testing net (CamVid: val): accuracies, mean IU, each class.

    The interval of mean IU is that of 2,000 lists drawn from the frames (docs/noise.md).

    NET is a folder of `fcn new`, `fcn reproduce` or `fcn generate`, whose val or test net is
    scored; a prototxt with its data layer; or a published name, with --data.
    """
    from port.fast.speed_up import forward_by
    from port.scoring.boundaries import BoundaryScores
    from port.scoring.evaluate import evaluate, heads
    from port.scoring.frames import FrameScores
    from port.training import glog
    with given.ranks.agreed():
        net = loaded(given)
        labels = several_views(given, net)
    with glog.handling(glog.hold()) as told:
        forward = forward_by(net, given.fast)
    frames = {head: FrameScores(head) for head, _ in heads(net)}
    edges = {head: BoundaryScores(head, tolerance=given.tolerance) for head, _ in heads(net)
             if given.boundaries}
    results = evaluate(net, given.limit, save=given.save, progress=bar, crf=given.crf,
                       labels=labels,
                       observers=[*(one.see for one in frames.values()),
                                  *(one.see for one in edges.values())],
                       forward=forward, ranks=given.ranks).scores
    for head in frames:
        frames[head].join(given.ranks)
    for head in edges:
        edges[head].join(given.ranks)
    if not given.ranks.first:
        return
    if given.frames:
        first = next(iter(results))
        frames[first].write(given.frames, results[first].names)
    figures, texts = {}, []
    for head, result in results.items():
        figures[head] = result.as_dict() | frame_figures(frames[head]) | (
            boundary_figures(edges[head]) if edges else {})
        texts.append((f'{head}\n' if len(results) > 1 else '') + result.text()
                     + more_lines(figures[head], edges.get(head), result.names))
    tell(figures, '\n'.join(texts), given.json_path)
    with glog.handling(glog.lines()) as out:
        glog.replay(told, [out])


def loaded(given: Request) -> Net:
    """Return the net to score, with its weights."""
    from netspec.schema.messages import TEST
    from port.engine.net import Net
    from port.engine.net_weights import paths_of
    from port.engine.starting_weights import load
    from port.scoring.evaluate import data_instance, files_read, listed_data
    weights = given.net.weights(given.weights)
    source = test_net(given.net, given.data)
    read = [*paths_of(weights), *([source] if isinstance(source, Path) else [])]
    check_json(given.json_path, read)
    net = Net(source, TEST, device=given.device)
    check_output(given.frames, [*read, *files_read(data_instance(net) or listed_data(net))],
                 '--frames')
    load(net, weights)
    return net


def several_views(given: Request, net: Net) -> ViewsOfData | None:
    """Return what labels by several views of each image; None where one is asked for.

    UsageError for a net of which no deploy net is known.
    """
    from port.commands._views import views_of
    views = views_of(given.scales, given.flip)
    if not views.several:
        return None
    from netspec.schema.messages import TEST
    from port.engine.net import Net, load_net
    from port.engine.starting_weights import load
    from port.predict.data_views import ViewsOfData
    source = given.net.source()
    if isinstance(source, Path) and given.net.named.folder is None:
        source = source.with_name('deploy.prototxt')
    if isinstance(source, Path) and not source.is_file():
        raise click.UsageError(f'--scales and --flip run the deploy net, and {source} is not '
                               'there: put it beside the net to score, or name its folder')
    deploy = Net(load_net(source), TEST, device=given.device)
    load(deploy, given.net.weights(given.weights))
    return ViewsOfData(net, deploy, views, given.crf, given.net.row)


def frame_figures(frames: FrameScores) -> dict[str, Any]:
    """Return how many frames there are and between what mean IU lies."""
    from port.scoring.metrics import plain
    return {'frames': len(frames.counts), 'mean_IU_95': [plain(v) for v in frames.interval()]}


def boundary_figures(edges: BoundaryScores) -> dict[str, Any]:
    """Return mean IU by band, the boundary F1 and that of each class, and the tolerance."""
    from port.scoring.metrics import plain
    return {'mean_IU_in_band': {str(w): plain(iu) for w, iu in edges.band_iu().items()},
            'boundary_F1': plain(edges.mean_f1()),
            'class_boundary_F1': [plain(v) for v in edges.mean_class_f1()],
            'tolerance': '0.75% of the diagonal' if edges.tolerance is None else edges.tolerance}


def more_lines(found: Mapping[str, Any], edges: BoundaryScores | None,
               names: Sequence[str]) -> str:
    """Write the interval and, where they were asked for, the boundaries' figures."""
    def shown(value: float | None) -> str:
        return '-' if value is None else f'{100 * value:.2f}'

    low, high = map(shown, found['mean_IU_95'])
    lines = ['', f'mean IU, 95% of the lists drawn from {found["frames"]} frames: {low} to {high}']
    if edges:
        lines += [f'mean IU within {width} px of a true boundary: {shown(iu)}'
                  for width, iu in found['mean_IU_in_band'].items()]
        where = (f'{found["tolerance"]:g} px' if edges.tolerance is not None else
                 found['tolerance'])
        lines.append(f'boundary F1 (tolerance {where}): {shown(found["boundary_F1"])}; '
                     + ', '.join(f'{name} {shown(value)}' for name, value in
                                 zip(names, found['class_boundary_F1'], strict=True)))
    return '\n'.join(['', *lines])


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
