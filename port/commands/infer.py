"""fcn infer: pictures in, label PNGs and overlays out."""

import os
import sys
from functools import partial
from pathlib import Path

import click
import numpy as np
from PIL import Image
from tqdm import tqdm

from netspec.schema.messages import TEST
from netspec.variants import Variant
from port.commands._dense_crf import crf_option
from port.commands._frame import framed
from port.commands._shared import (
    VariantName,
    defining,
    deploy_net,
    device,
    fitting,
    gpu_option,
    looking,
    stop_at,
)
from port.crf.crf_weights import CrfWeights
from port.data.datasets import palette
from port.data.label_pictures import (
    made_here,
    signature,
    vis_seg,
    write_beside,
    write_label,
)
from port.data.readers import missing
from port.engine.net import Net
from port.engine.starting_weights import load
from port.predict.labelled import Predictor, Unusable, Writing, decoded
from port.predict.predictor import PRECISIONS

PICTURES = {'.jpg', '.jpeg', '.png', '.bmp', '.ppm', '.tif', '.tiff', '.webp'}


def pictures(paths: tuple[Path, ...]) -> list[Path]:
    """Return the picture files given, those of a folder in order of name.

    A folder may hold what only looks like one, such as a broken link: it comes along, to be
    listed as unusable. Raises FileNotFoundError for a file given that is none.
    """
    found = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
            if not inside:
                raise FileNotFoundError(f'{path}: no pictures in this folder '
                                        f'({", ".join(sorted(PICTURES))})')
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise missing(path, 'image')
    return found


def places_of(path: Path, out: Path) -> tuple[Path, Path]:
    """Name the files of a picture's labels and of their overlay."""
    return out / f'{path.stem}.png', out / f'{path.stem}_overlay.png'


def label_files(files: list[Path], out: Path) -> list[Path]:
    """Name each picture's label file.

    Raises ValueError where that, or the overlay, is a picture, another's already, or a file that
    no labelling made.
    """
    taken: dict[Path, Path] = {}
    pictures = {path.resolve() for path in files}
    for path in files:
        for place in places_of(path, out):
            real = place.resolve()
            if real in taken or real in pictures:
                what = f'{taken[real]} and {path}' if real in taken else path
                raise ValueError(f'{what}: the labels would go to {place}, over '
                                 f'{"one another" if real in taken else "a picture"}; '
                                 'give another folder with --out')
            if os.path.lexists(place) and not (place.is_file() and made_here(place)):
                raise ValueError(f'{path}: the labels would go to {place}, which is there and was '
                                 'not made by fcn infer; give another folder with --out')
            taken[real] = path
    return [places_of(path, out)[0] for path in files]


def write(path: Path, place: Path, rgb: np.ndarray, labels: np.ndarray,
          colours: np.ndarray) -> None:
    """Write the labels of a picture and their overlay."""
    overlay = Image.fromarray(np.asarray(vis_seg(rgb, labels, colours)))
    write_label(place, labels, colours)
    write_beside(places_of(path, place.parent)[1],
                 lambda part: overlay.save(part, 'PNG', pnginfo=signature()))


@click.command(epilog='Example:  fcn infer voc-fcn8s --weights fcn8s-heavy-pascal.caffemodel '
                      'street.jpg --out labels')
@click.argument('variant', type=VariantName())
@click.argument('images', nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option('--weights', required=True, help='The weights.')
@click.option('--model', type=click.Path(path_type=Path, dir_okay=False),
              help='The deploy prototxt.  [default: VARIANT\'s]')
@click.option('--out', type=click.Path(path_type=Path, file_okay=False), default='.',
              show_default=True, help='Folder for NAME.png (labels) and NAME_overlay.png.')
@fitting
@click.option('--precision', type=click.Choice(list(PRECISIONS)), default='float32',
              show_default=True, help='Of the trunk; scores stay float32. tf32, float16: GPU.')
@click.option('--layer', help='The score blob to label by; siftflow nets have score_sem and '
              'score_geo.  [default: the first of the net\'s heads]')
@click.option('--no-skip', is_flag=True, help='Compute the padding that no image reaches as well.')
@crf_option
@gpu_option
@looking
@defining
def command(variant: Variant, images: tuple[Path, ...], weights: str, model: Path | None,
            out: Path, width: float | None, classes, precision: str, layer: str | None,
            no_skip: bool, crf: CrfWeights | None, gpu: int | None) -> None:
    """Label IMAGES (files or folders, any size) with VARIANT."""
    source = deploy_net(variant, model, width, classes)
    files = pictures(images)
    places = label_files(files, out)
    net = Net(source, TEST, device=device(gpu))
    load(net, weights)
    heads = {f'score{head.suffix}': head for head in variant.heads}
    layer = layer or next((name for name in heads if name in net.outputs), None)
    predict = Predictor(net, variant.mean, layer, precision, not no_skip, crf)
    colours = palette(heads[layer].labels if layer in heads else variant.labels)
    rows, problems = zip(files, places, decoded(files), strict=True), []
    with Writing() as writing:
        for path, place, pixels in tqdm(rows, desc='infer', total=len(files),
                                        disable=not sys.stderr.isatty()):
            try:
                rgb = pixels.result()
                with framed(variant, [rgb.shape[:2]], f'{path}:', 'resize it', Unusable):
                    labels = predict(rgb)
            except Unusable as error:
                problems.append(str(error))
                continue
            except MemoryError as error:
                problems.append(f'{path}: {error}')
                continue
            out.mkdir(parents=True, exist_ok=True)
            writing(partial(write, path, place, rgb, labels, colours))
    done = f'labelled {len(files) - len(problems)} picture(s) into {out}'
    stop_at(problems, done)
    click.echo(done)
