"""The row of a user's own dataset: FCN-32s, 16s or 8s on a folder of images and one of labels.

All strides start from the trunk's classifier in one training, the finer ones with their skips
scaled as in the published voc-fcn8s-atonce, so that one command trains the net. `staged_row` has
them start from one another, as the published stages do.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import Any

from netspec.schema.files import read_json
from netspec.variants import VARIANTS, Variant
from netspec.variants.row import DataLayer, Head, Init, Input, Schedule, Split

ROW_FILE = 'dataset.json'      # `fcn new` describes its dataset and net here
FOLDER_LAYER = DataLayer('folder_layers', 'FolderSegDataLayer',
                         ('images', 'labels', 'lists', 'seed', 'split', 'mean'),
                         (('images', 'images'), ('labels', 'labels'), ('lists', '.')))
BASES = {32: 'voc-fcn32s', 16: 'voc-fcn16s', 8: 'voc-fcn8s-atonce'}
SKIP_SCALES = {32: (), 16: (('pool4', 0.01),), 8: (('pool4', 0.01), ('pool3', 0.0001))}
KEPT = 'camvid-fcn16s-squeezenet'        # whose trunk, which comes along, a SqueezeNet starts from
TRUNKS = {'vgg16': BASES, 'squeezenet': {16: KEPT, 8: 'camvid-fcn8s-squeezenet',
                                         4: 'camvid-fcn4s-squeezenet'}}
SQUEEZENET_SCALES = {16: (), 8: (('fire8/concat', 0.01),),
                     4: (('fire8/concat', 0.01), ('fire4/concat', 0.0001))}
STAGED = '-fcn{}s'  # what follows the dataset's name in that of a net trained in stages
VOID = 255         # the label that is neither learnt nor scored where none is named
# The published rate goes with losses summed over a VOC image; one from scratch was tried here.
VOC_PIXELS, RATE, RATE_FROM_SCRATCH = 500 * 375, 1e-10, 1e-9
# What got narrow nets from scratch furthest on CamVid (README): a poly rate and clipped gradients.
CAMVID_PIXELS, SCRATCH_RATE, SCRATCH_CLIP, SCRATCH_MOMENTUM = 480 * 360, 3e-8, 1e6, 0.9
# The published nets saw 100,000 images, SBD's 8,498 a dozen times. Fewer are seen more often.
PASSES, LEAST, MOST = 40, 2000, 100_000
# Adam with a poly rate: how those weights were trained, 7 passes over CamVid's frames.
ADAM_RATE, ADAM_SHARE = 3e-4, 4      # a fourth of the iterations
FALL = log2(100)  # power of the stride by which a stage's rate falls: a hundredth each
BLOCKS = 20        # parts of a training, each ended by a scoring


def iterations_for(images: int, trunk: str = 'vgg16') -> int:
    """Return for how many iterations to train on so many images, one at a time."""
    count = -(-min(MOST, max(LEAST, PASSES * images)) // 1000) * 1000
    return count if trunk == 'vgg16' else count // ADAM_SHARE


def own_row(name: str, classes: int, mean: tuple[float, ...], val_images: int,
            ignore_label: int = VOID, stride: int = 32, pixels: float = VOC_PIXELS,
            width: float = 1.0, iterations: int = MOST, trunk: str = 'vgg16') -> Variant:
    """Return the row of a dataset: `pixels` is the mean size of its images.

    The loss is summed over the pixels, so the rate goes down as images grow. A net of another
    width than 1 is trained from scratch, by another schedule. Raises ValueError for another stride.
    """
    bases = TRUNKS[trunk]
    if stride not in bases:
        raise ValueError(f'stride {stride}: expected {", ".join(map(str, bases))}')
    base, coarsest = VARIANTS[bases[stride]], VARIANTS[bases[max(bases)]]
    make = _from_scratch if width != 1 else _heavy if trunk == 'vgg16' else _adam
    schedule = make(pixels, iterations, val_images)
    return replace(
        base, name=name, dataset='own', heads=(Head(classes, 'own'),),
        splits=(Split('train', 'train', FOLDER_LAYER), Split('val', 'val', FOLDER_LAYER)),
        own_splits=None, inputs=(Input('data', 3, tuple(mean)),), schedule=schedule,
        init=coarsest.init, ignore_label=ignore_label, width=width,
        skip_scales=(SKIP_SCALES if trunk == 'vgg16' else SQUEEZENET_SCALES)[stride],
        told=(('classes', classes), ('ignore_label', ignore_label)))


def _heavy(pixels: float, iterations: int, val_images: int, rate: float = RATE) -> Schedule:
    """Return the published schedule, its rate fitted to the size of the images."""
    block = max(1, iterations // BLOCKS)
    return Schedule(_short(rate * VOC_PIXELS / pixels), iterations, val_images, block, block,
                    BLOCKS)


def _from_scratch(pixels: float, iterations: int, val_images: int) -> Schedule:
    """Return the schedule of a narrow net, rate and limit fitted to the size of the images."""
    share = pixels / CAMVID_PIXELS
    return replace(_heavy(pixels, iterations, val_images), base_lr=_short(SCRATCH_RATE / share),
                   momentum=SCRATCH_MOMENTUM, solver=(
                       ('lr_policy', 'poly'), ('power', 0.9),
                       ('clip_gradients', _short(SCRATCH_CLIP * share))))


def _adam(pixels: float, iterations: int, val_images: int) -> Schedule:
    """Return the schedule of a SqueezeNet: Adam's steps do not go with the size of the images."""
    return replace(_heavy(pixels, iterations, val_images), base_lr=ADAM_RATE, momentum=0.9, solver=(
        ('type', 'Adam'), ('momentum2', 0.999), ('lr_policy', 'poly'), ('power', 0.9)))


def _short(value: float) -> float:
    return float(f'{value:.2g}')


def row_of(about: Mapping[str, Any], folder: str | Path) -> Variant:
    """Return the row that a dataset.json describes; folder: where it lies, with the lists."""
    counts = about['images_in']
    row = own_row(about['name'], len(about['classes']), tuple(about['mean']), counts['val'],
                  about['ignore_label'], about['stride'], about['pixels'], float(about['width']),
                  about.get('iterations', MOST), about.get('trunk', 'vgg16'))
    head = replace(row.heads[0], names=tuple(about['classes']),
                   palette=tuple(tuple(colour) for colour in about.get('palette', ())))
    told = {key: about[key] for key in ('image_suffix', 'label_suffix') if about.get(key)}
    return replace(row, heads=(head,), class_weighting=tuple(about.get('class_weighting', ())),
                   told=(*row.told, *told.items()),
                   places=(*((key, about[key]) for key in ('images', 'labels') if key in about),
                           ('lists', str(Path(folder).resolve()))))


def is_own(name: str | Path) -> bool:
    """Tell whether `fcn new` wrote a folder of that name."""
    return (Path(name) / ROW_FILE).is_file()


def read_about(folder: str | Path) -> dict[str, Any]:
    """Read what `fcn new` noted in its folder."""
    path = Path(folder) / ROW_FILE
    try:
        found = read_json(path, 'note of `fcn new`')
        return {**found, 'name': str(found['name'])}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path}: not what `fcn new` writes ({error}); write it again') from error


def read_row(folder: str | Path) -> Variant:
    """Return the row of a folder that `fcn new` wrote."""
    about = read_about(folder)
    try:
        return row_of(about, folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{Path(folder) / ROW_FILE}: not what `fcn new` writes ({error}); '
                         'write it again') from error


def staged_row(folder: str | Path, stride: int) -> Variant:
    """Return the row of one of three stages on a user's own data: each starts from the coarser.

    As published, the rate falls to a hundredth with each; of narrow nets, which start from scratch
    and learn little at such rates, it stays.
    """
    about = read_about(folder) | {'stride': stride, 'trunk': 'vgg16'}
    row = row_of(about, folder)
    rate = RATE * (stride / max(BASES)) ** FALL if row.width == 1 else RATE_FROM_SCRATCH
    init = row.init if stride == max(BASES) else (Init(staged_place(folder, 2 * stride)),)
    return replace(row, name=staged_name(about['name'], stride), skip_scales=(), init=init,
                   schedule=_heavy(about['pixels'], row.schedule.max_iter, row.schedule.test_iter,
                                   rate))


def staged_name(name: str, stride: int) -> str:
    """Return what the net of a stage is called: my-cars-fcn16s."""
    return name + STAGED.format(stride)


def staged_place(folder: str | Path, stride: int) -> str:
    """Return by what `find_own` finds the net of a stage: a folder's path and its ending."""
    return str(Path(folder).resolve()) + STAGED.format(stride)


def place_of(row: Variant) -> str:
    """Return by what a row is found again: its name, or that of the stage on a user's own data."""
    places = dict(row.places)
    return staged_place(places['lists'], row.stride) if places else row.name


def find_own(given: str) -> Variant | None:
    """Return the row that a folder of `fcn new` describes, or a stage on its data; else None."""
    if is_own(given):
        return read_row(given)
    for stride in BASES:
        folder = given.removesuffix(STAGED.format(stride))
        if folder != given and is_own(folder):
            return staged_row(folder, stride)
    return None


def check_names(names: list[str], where: str) -> tuple[str, ...]:
    """Check a class list: not empty, at most 255, none twice."""
    if not names:
        raise ValueError(f'{where}: holds no class names; expected one a line, the first for '
                         'label 0')
    if len(names) > 255:
        raise ValueError(f'{where}: {len(names)} class names; labels of 8 bits hold 255 classes')
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ValueError(f'{where}: class {name!r} stands twice, for labels '
                             f'{names.index(name)} and {number}')
    return tuple(names)


def check_ignored(label: int, names: tuple[str, ...]) -> None:
    """Raise ValueError where the label to ignore is a class, which would be lost."""
    if label < len(names):
        raise ValueError(f'--ignore-label {label} would drop the class {names[label]!r}, which the '
                         f'class list gives that label; name a value of no class, {len(names)} to '
                         '255, or leave the class out and number the labels anew')


def check_name(*names: str) -> None:
    """Raise ValueError where commands would take a folder's name for the published net's."""
    taken = next((name for name in names if name in VARIANTS), None)
    if taken:
        raise ValueError(f'{taken!r} is a published net, and commands would take the name of '
                         f'the folder for that net; choose another, as my-{taken}')
