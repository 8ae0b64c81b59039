"""fcn score: the paper's four metrics of a net on its test split."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from netspec.schema import spare
from netspec.schema.messages import TEST
from port.commands._shared import device, gpu_option
from port.data import datasets
from port.data.label_pictures import write_beside, write_label
from port.engine.net import Net
from port.engine.net_weights import paths_of
from port.engine.starting_weights import load
from port.fast.step import fast_forward
from port.scoring import metrics as score


def data_instance(net: Net):
    """Return the data layer that feeds a net, as a Python object; None if it has none."""
    for node in net.nodes:
        instance = getattr(node.layer, 'instance', None)
        if instance is not None and hasattr(instance, 'indices'):
            return instance
    return None


def heads(net: Net) -> list[tuple[str, str]]:
    """Return (score blob, label blob) of every SoftmaxWithLoss of a net."""
    return [tuple(e.param.bottom[:2]) for e in net.entries if e.param.type == 'SoftmaxWithLoss']


@click.command(epilog='Example:  fcn score --model runs/camvid32/val.prototxt '
                      '--weights runs/camvid32/snapshot/train_iter_4000.caffemodel')
@click.option('--model', required=True, type=click.Path(path_type=Path, dir_okay=False),
              help='The net prototxt with its data layer.')
@click.option('--weights', required=True, help='The weights.')
@click.option('--iterations', type=click.IntRange(min=1),
              help='Number of images; beyond the split it goes round again.  '
              '[default: the whole split]')
@click.option('--save', type=click.Path(path_type=Path, file_okay=False),
              help='Folder for the predictions, as index PNGs.')
@click.option('--json', 'json_path', type=click.Path(path_type=Path, dir_okay=False),
              help='Write the figures and the histogram to this file.')
@click.option('--fast', is_flag=True, help='The same scores within rounding, in less time '
              '(docs/padding.md).')
@gpu_option
def command(model: Path, weights: str, iterations: int | None, save: Path | None,
            json_path: Path | None, fast: bool, gpu: int | None) -> None:
    """Score a net: pixel accuracy, mean accuracy, mean IU, f.w. IU, and each class."""
    if json_path and not json_path.parent.is_dir():
        raise FileNotFoundError(f'{json_path}: the folder {json_path.parent} does not exist; '
                                'make it first')
    spare([json_path] if json_path else [], [model, *paths_of(weights)], 'name another --json')
    net = Net(model, TEST, device=device(gpu))
    load(net, weights)
    results = score_net(net, iterations, save, fast_forward(net) if fast else None)
    for layer, result in results.items():
        click.echo((f'{layer}\n' if len(results) > 1 else '') + result.text())
    if json_path:
        figures = {layer: result.as_dict() for layer, result in results.items()}
        write_beside(json_path, lambda path: path.write_text(json.dumps(figures, indent=2)))


def score_net(net: Net, iterations: int | None = None, save: Path | None = None,
              forward: Callable[[], object] | None = None) -> dict[str, score.Scores]:
    """Run a net over its test split once; return the scores of each of its heads.

    forward: what runs the net, in place of its run_forward.
    """
    data, pairs = data_instance(net), heads(net)
    if not pairs:
        raise ValueError('the net has no SoftmaxWithLoss layer that names a score and a label; '
                         'score the net with data (train, val, test), not deploy')
    if data is None and iterations is None:
        raise ValueError('the data layer does not say how many images it has; give --iterations')
    names = list(data.indices) if data is not None else []
    count = iterations or len(names)
    if names and count > len(names):
        click.echo(f'fcn: --iterations {count}: the split has {len(names)} images, so some are '
                   'scored and counted more than once', err=True)
    names = [names[i % len(names)] if names else f'{i:06d}' for i in range(count)]
    folders = {layer: save if len(pairs) == 1 else save / layer for layer, _ in pairs if save}
    spare((folder / f'{name}.png' for folder in folders.values() for name in names),
          read_files(data) if save else (), 'give another folder with --save')
    hists: dict[str, np.ndarray] = {}
    for name in tqdm(names, desc='score', disable=not sys.stderr.isatty()):
        (forward or net.run_forward)()
        for layer, label in pairs:
            hists[layer] = hists.get(layer, 0) + _histogram(net, layer, label, name,
                                                            folders.get(layer))
    return {layer: score.Scores(hist, class_names(data, len(hist)))
            for layer, hist in hists.items()}


def read_files(data) -> Iterator[Path]:
    """Yield the images and labels that a data layer reads, where it names them."""
    for name in data.indices if hasattr(data, 'files') else ():
        yield from data.files(name).values()


def _histogram(net: Net, layer: str, label: str, name: str, folder: Path | None) -> np.ndarray:
    """Count one image; its prediction goes to `folder` as a picture where one is given."""
    scores = net.blobs[layer].data
    predicted = scores[0].argmax(0).cpu().numpy()
    if folder is not None:
        place = folder / f'{name}.png'
        place.parent.mkdir(parents=True, exist_ok=True)
        write_label(place, predicted)
    return score.fast_hist(net.blobs[label].data[0, 0].cpu().numpy(), predicted, scores.shape[1])


def class_names(data, count: int) -> tuple[str, ...]:
    """Return the dataset's class names where a list of that length is its own, else numbers."""
    return next((names for names in datasets.class_lists(data) if len(names) == count), ())
