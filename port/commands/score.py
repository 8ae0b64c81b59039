"""fcn score: the paper's four metrics of a net on its test split."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from tqdm import tqdm

from netspec.schema import spare
from netspec.schema.messages import TEST
from port.commands._dense_crf import crf_option
from port.commands._shared import defining, device, gpu_option
from port.crf.crf_weights import CrfWeights
from port.data.label_pictures import write_beside
from port.engine.net import Net
from port.engine.net_weights import paths_of
from port.engine.starting_weights import load
from port.fast.speed_up import fast_forward
from port.scoring.evaluate import evaluate


@click.command(epilog='Example:  fcn score --model runs/camvid32/val.prototxt '
                      '--weights runs/camvid32/snapshot/train_iter_4000.caffemodel')
@click.option('--model', required=True, type=click.Path(path_type=Path, dir_okay=False),
              help='The net prototxt with its data layer.')
@click.option('--weights', required=True, help='The weights.')
@click.option('--images', type=click.IntRange(min=1), metavar='N',
              help='Score the first N images only.  [default: the whole split]')
@click.option('--save', type=click.Path(path_type=Path, file_okay=False),
              help='Folder for the predictions, as index PNGs.')
@click.option('--json', 'json_path', type=click.Path(path_type=Path, dir_okay=False),
              help='Write the figures and the histogram to this file.')
@click.option('--fast', is_flag=True, help='The same scores within rounding, in less time '
              '(docs/padding.md).')
@crf_option
@gpu_option
@defining
def command(model: Path, weights: str, images: int | None, save: Path | None,
            json_path: Path | None, fast: bool, crf: CrfWeights | None, gpu: int | None) -> None:
    """Score a net: pixel accuracy, mean accuracy, mean IU, f.w. IU, and each class."""
    if json_path and not json_path.parent.is_dir():
        raise FileNotFoundError(f'{json_path}: the folder {json_path.parent} does not exist; '
                                'make it first')
    spare([json_path] if json_path else [], [model, *paths_of(weights)], 'name another --json')
    net = Net(model, TEST, device=device(gpu))
    load(net, weights)
    results = evaluate(net, images, save=save, progress=bar, crf=crf,
                       forward=fast_forward(net) if fast else None).scores
    for layer, result in results.items():
        click.echo((f'{layer}\n' if len(results) > 1 else '') + result.text())
    if json_path:
        figures = {layer: result.as_dict() for layer, result in results.items()}
        write_beside(json_path, lambda path: path.write_text(json.dumps(figures, indent=2)))


def bar(names: Sequence[str]) -> Iterable[str]:
    """Show how many images are scored."""
    return tqdm(names, desc='score', unit='img', disable=not sys.stderr.isatty())
