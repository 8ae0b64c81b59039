"""The row of a user's own dataset: FCN-32s, 16s or 8s on a folder of images and one of labels.

All strides start from VGG16 in one training, the finer ones with their skips scaled as in the
published voc-fcn8s-atonce, so that one command trains the net.
"""

from dataclasses import replace

from netspec.spec import unknown
from netspec.variants import VARIANTS, Variant
from netspec.variants.row import DataLayer, Head, Input, Split

FOLDER_LAYER = DataLayer('folder_layers', 'FolderSegDataLayer',
                         ('images', 'labels', 'lists', 'seed', 'split', 'mean'),
                         (('images', 'images'), ('labels', 'labels'), ('lists', '.')))
BASES = {32: 'voc-fcn32s', 16: 'voc-fcn16s', 8: 'voc-fcn8s-atonce'}
SKIP_SCALES = {32: (), 16: (('pool4', 0.01),), 8: (('pool4', 0.01), ('pool3', 0.0001))}
VOID = 255         # the label that is neither learnt nor scored where none is named
# The published rate goes with losses summed over a VOC image; one from scratch was tried here.
VOC_PIXELS, RATE, RATE_FROM_SCRATCH = 500 * 375, 1e-10, 1e-9


def own_row(name: str, classes: int, mean: tuple[float, float, float], val_images: int,
            ignore_label: int = VOID, stride: int = 32, pixels: float = VOC_PIXELS,
            width: float = 1.0) -> Variant:
    """Return the row of a dataset: `pixels` is the mean size of its images.

    The loss is summed over the pixels, so the rate goes down as images grow. A net of another
    width than 1 is trained from scratch. Raises ValueError for another stride.
    """
    if stride not in BASES:
        raise ValueError(f'stride {stride}: expected {", ".join(map(str, BASES))}')
    base = VARIANTS[BASES[stride]]
    rate = (RATE if width == 1 else RATE_FROM_SCRATCH) * VOC_PIXELS / pixels
    schedule = replace(VARIANTS['voc-fcn32s'].schedule, base_lr=float(f'{rate:.2g}'),
                       test_iter=val_images)
    return replace(
        base, name=name, dataset='own', heads=(Head(classes, 'own'),),
        splits=(Split('train', 'train', FOLDER_LAYER), Split('val', 'val', FOLDER_LAYER)),
        own_splits=None, inputs=(Input('data', 3, mean),), schedule=schedule,
        init=VARIANTS['voc-fcn32s'].init, ignore_label=ignore_label,
        skip_scales=SKIP_SCALES[stride], width=width)


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


def data_params(row: Variant, suffix: str = '') -> dict[str, object]:
    """Return what a row's data layer must be told beside the folders."""
    if row.dataset != 'own':
        raise unknown('no own dataset is named', row.name, ())
    params: dict[str, object] = {'classes': row.classes, 'ignore_label': row.ignore_label}
    return params | ({'label_suffix': suffix} if suffix else {})
