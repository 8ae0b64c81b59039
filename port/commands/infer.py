"""fcn infer: pictures in, label PNGs and overlays out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._dense_crf import crf_option
from port.commands._frame import framed
from port.commands._pictures import find_pictures, label_files, overlay_file
from port.commands._shared import (
    FOLDER,
    MODEL_IS_NET,
    AskedNet,
    Mean,
    defining,
    device_options,
    given_as,
    looking,
    net_argument,
    renamed,
    stop_at,
    weights_option,
)

if TYPE_CHECKING:
    import numpy as np

    from port.crf.crf_weights import CrfWeights
    from port.engine.net import Net
    from port.predict.labelled import Predictor


@dataclass(frozen=True)
class Request:
    """The command's options."""

    net: AskedNet
    images: tuple[Path, ...]
    weights: str | None
    out: Path
    mean: tuple[float, ...] | None
    precision: str
    output: str | None
    fast: bool
    crf: CrfWeights | None
    device: str


@click.command(epilog='Example:  fcn infer voc-fcn8s street.jpg '
                      '--weights fcn8s-heavy-pascal.caffemodel --out labels')
@net_argument
@click.argument('images', nargs=-1, required=True, type=click.Path(path_type=Path))
@weights_option
@click.option('--out', type=FOLDER, default='.', show_default=True,
              help='Folder for NAME.png (labels) and NAME_overlay.png.')
@click.option('--mean', type=Mean(), help='The mean that the net expects subtracted, or the net '
              'that has it.  [default: that of NET; needed for a prototxt]')
@click.option('--precision', type=click.Choice(['float32', 'tf32', 'bfloat16', 'float16']),
              default='float32', show_default=True,
              help='Of all layers but the scores, which stay float32. tf32 and float16: on a GPU.')
@click.option('--output', metavar='BLOB', help='The scores to label by; siftflow nets have '
              'score_sem and score_geo.  [default: the first of the net\'s heads]')
@click.option('--fast/--no-fast', default=True, show_default=True, help='--no-fast computes the '
              'zeros around the picture too, as Caffe does: slower, the same labels.')
@crf_option
@device_options()
@renamed('--model', MODEL_IS_NET)
@renamed('--layer', '--output')
@renamed('--no-skip', '--no-fast', flag=True)
@looking
@defining
@given_as(Request)
def command(given: Request) -> None:
    """Label IMAGES (files or folders, any size) with NET.

    NET is a published name (`fcn list`), a folder of `fcn new` or `fcn reproduce`, whose trained
    weights are found there, or a deploy prototxt.
    """
    from port.data.datasets import class_names, palette
    from port.predict.labelled import Predictor
    weights, mean = given.net.weights(given.weights), mean_of(given.net, given.mean)
    pictures = find_pictures(given.images, given.out)
    places = label_files(pictures, given.out)
    net = loaded_net(given.net, weights, given.device)
    heads = {f'score{head.suffix}': head for head in given.net.row.heads} if given.net.row else {}
    output = given.output or next((name for name in heads if name in net.outputs), None)
    predict = Predictor(net, mean, output, given.precision, given.fast, given.crf)
    row = given.net.row
    head = heads.get(output or '') or (row.heads[0] if row else None)
    colours = palette(head.labels if head else ''), class_names(head) if head else ()
    problems = label_all(given, predict, list(pictures), places, colours)
    done = f'labelled {len(pictures) - len(problems)} picture(s) into {given.out}'
    stop_at(problems, done)
    click.echo(done)


def mean_of(net: AskedNet, given: tuple[float, ...] | None) -> tuple[float, ...]:
    """Return the mean to subtract: the one given, or the net's own; UsageError if neither."""
    if given is not None:
        return given
    if net.row is None:
        raise click.UsageError(f'{net.named.given} does not say which mean it expects subtracted; '
                               'give --mean B,G,R, or --mean NAME of a net with the same mean')
    return net.row.mean


def loaded_net(asked: AskedNet, weights: str, device: str) -> Net:
    """Return the deploy net with its weights."""
    from netspec.schema.messages import TEST
    from port.engine.net import Net
    from port.engine.starting_weights import load
    net = Net(asked.loaded(), TEST, device=device)
    load(net, weights)
    return net


def label_all(given: Request, predict: Predictor, files: Sequence[Path],
              places: Sequence[Path], colours: tuple[np.ndarray, Sequence[str]]) -> list[str]:
    """Label every picture, and write while the next is computed; return what was wrong.

    colours: the palette, and the names of the classes where they are known.
    """
    from tqdm import tqdm

    from port.predict.labelled import Unusable, Writing, decoded
    rows, problems = zip(files, places, decoded(files), strict=True), []
    with Writing() as writing:
        for path, place, pixels in tqdm(rows, desc='infer', total=len(files),
                                        disable=not sys.stderr.isatty()):
            try:
                rgb = pixels.result()
                with framed(given.net.row, [rgb.shape[:2]], f'{path}:', 'resize it', Unusable):
                    labels = predict(rgb)
            except Unusable as error:
                problems.append(str(error))
            except MemoryError as error:
                problems.append(f'{path}: {error}')
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                writing(partial(write, place, rgb, labels, *colours))
    return problems


def write(place: Path, rgb: np.ndarray, labels: np.ndarray, colours: np.ndarray,
          names: Sequence[str]) -> None:
    """Write the labels of a picture, and the picture under them with a legend below it."""
    import numpy as np
    from PIL import Image

    from port.data.label_pictures import signature, vis_seg, write_beside, write_label
    from port.data.legend import over_legend
    overlay = over_legend(Image.fromarray(np.asarray(vis_seg(rgb, labels, colours))), labels,
                          names, colours)
    write_label(place, labels, colours)
    write_beside(overlay_file(place),
                 lambda part: overlay.save(part, 'PNG', pnginfo=signature()))
