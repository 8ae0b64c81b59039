"""fcn infer: pictures in, label PNGs and overlays out."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from port.commands._dense_crf import crf_option
from port.commands._frame import framed
from port.commands._pictures import find_pictures, label_files
from port.commands._ranks import ranked
from port.commands._shared import (
    MODEL_IS_NET,
    AskedNet,
    defining,
    given_as,
    looking,
    net_argument,
    renamed,
    stop_at,
    weights_option,
)
from port.commands._values import FOLDER, Context, Mean, Named, Param, Size
from port.commands._views import views_of, views_options

if TYPE_CHECKING:
    import numpy as np

    from port.crf.crf_weights import CrfWeights
    from port.distributed.alone import Alone
    from port.engine.net import Net
    from port.predict.labelled import Predictor
    from port.predict.tiled import TiledLabels

    Colours = tuple[np.ndarray, Sequence[str]]


class TileSide(Size):
    """The size of a tile, height first, or auto."""

    name = 'auto|HxW'

    def convert(self, value: Any, param: Param, ctx: Context) -> Any:
        return value if value == 'auto' else super().convert(value, param, ctx)


class Kinds(Named):
    """What to write of each picture, with commas."""

    name = 'KIND[,KIND…]'

    def convert(self, value: Any, param: Param, ctx: Context) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        from port.predict.saved import KINDS
        asked = [part.strip() for part in value.split(',')]
        wrong = [part for part in asked if part not in KINDS]
        if wrong:
            self.fail(f'{wrong[0]!r}: expected {", ".join(KINDS)}, one or several with commas',
                      param, ctx)
        return tuple(kind for kind in KINDS if kind in asked)


class Bytes(click.ParamType):
    """An amount of memory: 500M, 2G."""

    name = 'N[M|G]'

    def convert(self, value: Any, param: Param, ctx: Context) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r'(\d+(?:\.\d+)?)([MG]?)B?', value, re.IGNORECASE)
        found = int(float(match[1]) * {'': 1, 'M': 1e6, 'G': 1e9}[match[2].upper()]) if match else 0
        if not found:
            self.fail(f'{value!r}: expected an amount of memory, such as 2G or 500M', param, ctx)
        return found


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
    tile: tuple[int, int] | str | None
    memory: int | None
    kinds: tuple[str, ...]
    scales: tuple[float, ...]
    flip: bool
    resume: bool
    ranks: Alone
    device: str


@click.command(epilog='Example:  fcn infer voc-fcn8s street.jpg '
                      '--weights fcn8s-heavy-pascal.caffemodel --out labels')
@net_argument
@click.argument('images', nargs=-1, required=True, type=click.Path(path_type=Path))
@weights_option
@click.option('--out', type=FOLDER, default='.', show_default=True,
              help='Folder for NAME.png (labels) and NAME_overlay.png.')
@click.option('--save', 'kinds', type=Kinds(), default='labels,overlay', show_default=True,
              help='What to write: labels, overlay, probabilities (NAME_probabilities.npz: classes '
              'x H x W float32, and their names).')
@click.option('--mean', type=Mean(), help='The mean that the net expects subtracted, or the net '
              'that has it.  [default: that of NET; needed for a prototxt]')
@click.option('--precision', type=click.Choice(['float32', 'tf32', 'bfloat16', 'float16']),
              default='float32', show_default=True,
              help='Of all layers but the scores, which stay float32. tf32 and float16: on a GPU.')
@click.option('--output', metavar='BLOB', help='The scores to label by; siftflow nets have '
              'score_sem and score_geo.  [default: the first of the net\'s heads]')
@click.option('--fast/--exact', default=True, show_default=True, help='--exact computes all '
              'layers one by one, as Caffe does: slower, the same labels.')
@crf_option
@views_options
@click.option('--tile', type=TileSide(), help='Compute pictures in tiles of this size, which give '
              'the scores of the whole picture; auto: as large as --memory allows.')
@click.option('--memory', type=Bytes(), help='What the process may take, such as 2G: chooses the '
              'tile.  [default of --tile auto: half of what the machine has]')
@click.option('--resume', is_flag=True, help='Leave out pictures of which --out has all files '
              'already, made by fcn infer.')
@ranked()
@renamed('--model', MODEL_IS_NET)
@renamed('--layer', '--output')
@renamed('--no-skip', '--exact', flag=True)
@renamed('--no-fast', '--exact', flag=True)
@looking
@defining
@given_as(Request)
def command(given: Request) -> None:
    """Label IMAGES (files or folders, any size) with NET.

    NET is a published name (`fcn list`), a folder of `fcn new` or `fcn reproduce`, whose trained
    weights are found there, or a deploy prototxt.
    """
    with given.ranks.agreed():
        weights, mean = given.net.weights(given.weights), mean_of(given.net, given.mean)
        wanted, found = wanted_pictures(given)
        predict, colours = opened(given.net, weights, mean, given.device, given.output,
                                  precision=given.precision, exact=not given.fast, crf=given.crf,
                                  views=views_of(given.scales, given.flip))
        label = tiled(given, predict) if given.tile or given.memory else predict
    own = wanted[given.ranks.rank::given.ranks.size]
    problems = given.ranks.gathered(label_all(given, label, [path for path, _ in own],
                                              [place for _, place in own], colours))
    if not given.ranks.first:
        return
    listed = [problem for some in problems for problem in some]
    done = f'labelled {len(wanted) - len(listed)} picture(s) into {given.out}'
    done += f'; {found - len(wanted)} were there' if given.resume else ''
    stop_at(listed, done)
    click.echo(done)


def wanted_pictures(given: Request) -> tuple[list[tuple[Path, Path]], int]:
    """Return the pictures to label with their label files, and how many there are in all."""
    pictures = find_pictures(given.images, given.out)
    from port.predict.saved import files_of, made
    rows = list(zip(pictures, label_files(pictures, given.out, given.kinds), strict=True))
    # Each file is whole or not there.
    return [(path, place) for path, place in rows if not given.resume or not all(
        file.is_file() and made(file) for file in files_of(place, given.kinds))], len(rows)


def opened(asked: AskedNet, weights: str, mean: tuple[float, ...], device: str,
           output: str | None = None, **options: Any) -> tuple[Predictor, Colours]:
    """Return the net with its weights, ready for pictures; colours and names of its classes.

    options: precision, exact, crf and views of the Predictor.
    """
    from port.data.datasets import class_names, palette
    from port.predict.labelled import Predictor
    net = loaded_net(asked, weights, device)
    row = asked.row
    heads = {f'score{head.suffix}': head for head in row.heads} if row else {}
    output = output or next((name for name in heads if name in net.outputs), None)
    predict = Predictor(net, mean, output, **options)
    head = heads.get(output or '') or (row.heads[0] if row else None)
    return predict, (palette(head or ''), class_names(head) if head else ())


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


def tiled(given: Request, predict: Predictor) -> TiledLabels:
    """Return what labels tile by tile; UsageError for what needs the whole picture."""
    if given.crf:
        raise click.UsageError('--crf looks at the whole picture, --tile and --memory at parts')
    if predict.views.several:
        raise click.UsageError('--scales and --flip look at the whole picture, --tile and --memory '
                               'at parts')
    if given.kinds != ('labels', 'overlay'):
        raise click.UsageError('--tile and --memory write labels and overlays: leave --save out')
    if not given.fast:
        raise click.UsageError('--tile and --memory compute parts of the picture, which only the '
                               'fast engine can: leave --exact out')
    if given.memory and given.tile not in (None, 'auto'):
        raise click.UsageError('--memory chooses the tile: give --tile auto, or leave one out')
    from port.predict.predictor import predictor
    from port.predict.tiled import TiledLabels
    side = given.tile if isinstance(given.tile, tuple) else None
    cut = predictor(predict.net, None, given.precision, layer=predict.layer,
                    tile=side or 'auto').tiled
    assert cut is not None
    return TiledLabels(cut, predict.predict.planes, side, given.memory, predict.predict.grid)


def label_tiled(given: Request, label: TiledLabels, files: Sequence[Path],
                places: Sequence[Path], colours: Colours) -> list[str]:
    """Label every picture tile by tile, saying before each what it takes; return what was wrong."""
    from port.predict import tiled as pictures
    from port.predict.saved import files_of
    problems = []
    for path, place in zip(files, places, strict=True):
        try:
            with pictures.opened(path) as picture:
                plan = label.plan((picture.height, picture.width))
                click.echo(f'{path}: {plan}')
                place.parent.mkdir(parents=True, exist_ok=True)
                labels, overlay = files_of(place, given.kinds)
                label(picture, plan, labels, overlay, *colours)
        except (ValueError, MemoryError) as error:
            problems.append(f'{path}: {error}' if str(path) not in str(error) else str(error))
    return problems


def label_all(given: Request, predict: Predictor | TiledLabels, files: Sequence[Path],
              places: Sequence[Path], colours: Colours) -> list[str]:
    """Label every picture, and write while the next is computed; return what was wrong.

    colours: the palette, and the names of the classes where they are known.
    """
    from tqdm import tqdm

    from port.predict.labelled import Predictor, Unusable, Writing, decoded
    from port.predict.saved import save
    if not isinstance(predict, Predictor):
        return label_tiled(given, predict, files, places, colours)
    wanted = 'probabilities' in given.kinds
    rows, problems = zip(files, places, decoded(files), strict=True), []
    with Writing() as writing:
        for path, place, pixels in tqdm(rows, desc='infer', total=len(files),
                                        disable=not (given.ranks.first and sys.stderr.isatty())):
            try:
                rgb = pixels.result()
                with framed(given.net.row, [rgb.shape[:2]], f'{path}:', 'resize it', Unusable):
                    labels, shares = (predict.both(rgb, given.crf) if wanted else
                                      (predict(rgb), None))
            except Unusable as error:
                problems.append(str(error))
            except MemoryError as error:
                problems.append(f'{path}: {error}')
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                writing(partial(save, place, given.kinds, rgb, labels, shares, *colours))
    return problems
