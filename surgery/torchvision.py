"""State dicts under torchvision's or timm's names to Caffe's weights, and back.

Only names, layouts and the first layer change: a Linear behind a flattened (channels, height,
width) is an InnerProduct as it stands. The tables are in torch_names, the pixels in pixels.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from netspec.schema.lexer import closest

from .caffemodel import Weights
from .pixels import Pixels, to_bgr, to_rgb
from .torch_names import RESNETS, TABLES, Module, Table

Tensors = Mapping[str, np.ndarray]
NORM = ('running_mean', 'running_var', 'weight', 'bias')
WRAPPERS = ('module', '_orig_mod', 'model', 'backbone', 'encoder', 'net')
COUNTER = '.num_batches_tracked'                   # of training; plays no part in what is computed
# Which of these architectures are a trunk's; a trunk that is not listed is not checked.
FITS = {'vgg16': ('vgg16', 'vgg16_bn'), 'alexnet': (), 'resnet101': ('resnet101',),
        'vgg16_bn': ('vgg16_bn',), 'resnet34': ('resnet34',)}
NORMED = ('vgg16_bn', 'segnet')      # trunks with batch norm where Caffe's VGG16 has none


def to_caffe(tensors: Tensors, mean: Sequence[float], pixels: Pixels | None = None,
             keep_norm: bool = False) -> Weights:
    """Return a classifier's state dict as Caffe's layers, for BGR in 0..255 less `mean`.

    pixels: what the net was trained on, where that is not the library's habit. The first layer is
    rewritten (see pixels; exact inside the image), all other numbers stay as they are but for
    batch norm where Caffe's net has none: it is folded, or with keep_norm becomes the layers
    <layer>_bn and <layer>_scale. Raises ValueError for a dict that is none of TABLES.
    """
    tensors = _unwrapped(tensors)
    table = find_table(tensors)
    weights = Weights(version=table.library, name=table.name)
    for i, row in enumerate(table.rows):
        if f'{row.module}.weight' not in tensors:
            continue
        if keep_norm and row.norm and not row.kept:
            row = row._replace(kept=(f'{row.layer}_bn', f'{row.layer}_scale'))
        rewrite = (pixels or table.pixels, mean) if i == 0 else None
        for layer, (kind, blobs) in _layers(row, tensors, table.eps, rewrite).items():
            weights[layer], weights.types[layer] = blobs, kind
    return weights


def find_table(tensors: Tensors) -> Table:
    """Return the architecture whose names these are; ValueError says what is closest."""
    keys = {key for key in tensors if not key.endswith(COUNTER)}
    near, off = TABLES[0], None
    for table in TABLES:
        must, may = _keys(table)
        strange, absent = sorted(keys - may), sorted(must - keys)
        if not strange and not absent:
            return table
        if off is None or len(strange) + len(absent) < len(off[0]) + len(off[1]):
            near, off = table, (strange, absent)
    if off is None or len(off[1]) > len(_keys(near)[0]) / 2:
        raise ValueError(f'tensors {_some(list(tensors))} are named neither <layer>.<index> nor as '
                         'torchvision or timm name VGG, AlexNet, GoogLeNet or ResNet')
    said = [f'{what} {_some(names)}' for what, names in
            (('lack', off[1]), ('have besides', off[0])) if names]
    raise ValueError(f'tensors {_some(list(tensors))} are almost those of {near.library}\'s '
                     f'{near.name}, but {" and ".join(said)}')


def _some(names: Sequence[str]) -> str:
    return ', '.join(names[:3]) + (', …' if len(names) > 3 else '')


def _keys(table: Table) -> tuple[set[str], set[str]]:
    """Return the names that a state dict must have, and those that it may have."""
    must, may = set(), set()
    for row in table.rows:
        names = {f'{row.module}.weight'}
        if row.norm:
            names |= {f'{row.norm}.{part}' for part in NORM}
        if row.inner or not row.norm or table.name.startswith('vgg'):
            names.add(f'{row.module}.bias')
        may |= names
        must |= set() if row.head else names
    return must, may


def _unwrapped(tensors: Tensors) -> dict[str, np.ndarray]:
    """Take away what wraps every name: DataParallel's `module.`, Lightning's `model.`, …"""
    tensors = dict(tensors)
    while tensors:
        first = {key.partition('.')[0] for key in tensors}
        if len(first) > 1 or not first <= set(WRAPPERS):
            break
        tensors = {key.partition('.')[2]: value for key, value in tensors.items()}
    return tensors


def _layers(row: Module, tensors: Tensors, eps: float, rewrite: tuple | None
            ) -> dict[str, tuple[str, list[np.ndarray]]]:
    """Return the layers that one row becomes: name -> (type, blobs)."""
    weight, bias = tensors[f'{row.module}.weight'], tensors.get(f'{row.module}.bias')
    norm = [tensors[f'{row.norm}.{part}'] for part in NORM] if row.norm else []
    dtype = weight.dtype
    if rewrite:
        weight, shift = to_bgr(weight, *rewrite)
        if norm:
            norm[0] = norm[0] - shift
        else:
            bias = shift if bias is None else bias + shift
    if norm and not row.kept:
        weight, bias = _folded(weight, bias, norm, eps)
    if row.inner:
        weight = weight.reshape(len(weight), -1)
    weight = _widened(weight, row.kernel)
    kind = 'InnerProduct' if row.inner else 'Convolution'
    found = {row.layer: (kind, _cast(dtype, weight, bias))}
    if row.kept:
        found[row.kept[0]] = ('BatchNorm', _cast(dtype, norm[0], norm[1], np.ones(1)))
        found[row.kept[1]] = ('Scale', _cast(dtype, norm[2], norm[3]))
    return found


def _cast(dtype: np.dtype, *arrays: np.ndarray | None) -> list[np.ndarray]:
    return [np.ascontiguousarray(a, dtype).reshape(a.shape) for a in arrays if a is not None]


def _folded(weight: np.ndarray, bias: np.ndarray | None, norm: list[np.ndarray],
            eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Fold batch norm: gamma (w x + b - mean) / sqrt(var + eps) + beta."""
    mean, var, gamma, beta = (np.asarray(part, np.float64) for part in norm)
    factor = gamma / np.sqrt(var + eps)
    offset = mean if bias is None else mean - bias
    return weight * factor[:, None, None, None], beta - offset * factor


def _widened(weight: np.ndarray, kernel: int) -> np.ndarray:
    """Put a ring of zeros round a kernel that is smaller than Caffe's."""
    ring = (kernel - weight.shape[-1]) // 2 if kernel else 0
    return np.pad(weight, ((0, 0), (0, 0), (ring, ring), (ring, ring))) if ring > 0 else weight


def from_caffe(weights: Mapping[str, Sequence[np.ndarray]], mean: Sequence[float],
               pixels: Pixels | None = None, library: str = 'torchvision'
               ) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return Caffe's layers as a state dict for RGB in 0..1, and the layers without a name there.

    The inverse of to_caffe, the first layer to rounding. Raises ValueError for weights of no net
    in TABLES, and for CaffeNet, whose groups torchvision's AlexNet has not.
    """
    table = _table_of_layers(weights, library)
    tensors: dict[str, np.ndarray] = {}
    for i, row in enumerate(table.rows):
        if row.layer in weights:
            tensors |= _modules(row, weights, (pixels or table.pixels, mean) if i == 0 else None)
    used = {layer for row in table.rows for layer in (row.layer, *row.kept)}
    return tensors, [layer for layer in weights if layer not in used and len(weights[layer])]


def _table_of_layers(weights: Mapping[str, Sequence[np.ndarray]], library: str) -> Table:
    """Return the largest architecture all of whose layers are there."""
    shared = [table for table in TABLES if table.library == library or table.name in RESNETS]
    fits = [table for table in shared
            if not table.folds and _layer_names(table) <= weights.keys()]
    if not fits:
        raise ValueError(f'layers {_some(list(weights))} are those of no net that {library} has: '
                         'expected VGG, AlexNet or ResNet under Caffe\'s names')
    table = max(fits, key=lambda table: len(table.rows))
    if table.name == 'alexnet' and weights['conv2'][0].shape[1] != len(weights['conv1'][0]):
        raise ValueError('these are CaffeNet\'s weights, whose conv2, 4 and 5 have 2 groups; '
                         'torchvision\'s AlexNet has none and other channels')
    return table


def _layer_names(table: Table) -> set[str]:
    return {layer for row in table.rows if not row.head for layer in (row.layer, *row.kept)}


def _modules(row: Module, weights: Mapping[str, Sequence[np.ndarray]], rewrite: tuple | None
             ) -> dict[str, np.ndarray]:
    """Return the tensors of one row."""
    weight, *rest = weights[row.layer]
    bias, dtype = rest[0].reshape(-1) if rest else None, weight.dtype
    shift: np.ndarray | float = 0
    if rewrite:
        weight, shift = to_rgb(weight, *rewrite)
    if row.inner:
        shape = (-1, row.window, row.window) if row.window else (-1,)
        weight = weight.reshape(weight.shape[-2] if weight.shape[:2] == (1, 1) else len(weight),
                                *shape)
    found = {f'{row.module}.weight': weight}
    if row.kept:
        mean, var, factor = weights[row.kept[0]]
        scale = 1 / factor.item() if factor.item() else 0
        offset = shift if bias is None else shift - bias
        parts = (mean * scale + offset, var * scale, *weights[row.kept[1]])
        found |= {f'{row.norm}.{part}': value for part, value in zip(NORM, parts, strict=True)}
    elif bias is not None:
        found[f'{row.module}.bias'] = bias - shift
    return {key: _cast(dtype, value)[0] for key, value in found.items()}


def check_trunk(weights: Mapping, trunk: str, net: str) -> None:
    """Raise ValueError where weights came from an architecture that is not the net's trunk."""
    library, name = getattr(weights, 'version', ''), getattr(weights, 'name', '')
    if library not in ('torchvision', 'timm') or trunk not in FITS or name in FITS[trunk]:
        return
    if name == trunk == 'alexnet':
        raise ValueError(f'{net} is made of CaffeNet, and torchvision\'s AlexNet is another net: '
                         'no groups, 64, 192, 384, 256, 256 channels, no LRN; take '
                         'bvlc_reference_caffenet.caffemodel')
    near = closest(name, list(FITS[trunk]))
    raise ValueError(f'{net} is made of {trunk}, these are the weights of {library}\'s {name}'
                     f'{f"; take those of {near}" if near else ""}')
