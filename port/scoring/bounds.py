"""What the labels alone tell: the upper bound of mean IU at each stride (PAMI section 6.3), and
the classes that a test split lacks (PAMI section 5, footnote 6). Needs no net.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from netspec.families.fcn import param_str
from netspec.generate import data_roots
from netspec.schema import read_net
from netspec.variants import Variant
from port.data.listed import ListedSplit
from port.data.seg_layer import SegDataLayer, read_params
from port.layers.python import builtin_module
from port.scoring.metrics import Scores, fast_hist

FACTORS = (128, 64, 32, 16, 8, 4)
Progress = Callable[[Sequence[int]], Iterable[int]]


def open_layer(row: Variant, data: Path, test: bool = True,
               name: str = '') -> SegDataLayer | ListedSplit:
    """Open a row's split, or the list of that name in its layout; reads the list, no image."""
    split = replace(row.splits[test], name=name or row.splits[test].name)
    if split.layer.type == 'ImageSegData':
        roots = data_roots(row, data)
        return ListedSplit(roots['root_folder'], Path(roots['source'], f'{split.name}.txt'))
    layer = getattr(builtin_module(split.layer.module), split.layer.type)()
    roots = data_roots(row, data)
    return _listed(layer, param_str(row, split, {key: roots[key] for key, _ in split.layer.dirs}))


def open_net_layer(file: Path, name: str = '') -> SegDataLayer | ListedSplit:
    """Open the split that a net's file reads, or the list of that name beside it; reads the list,
    no image.

    ValueError where the file has no data layer of the kinds that our rows have.
    """
    for layer in read_net(file).layer:
        if layer.type == 'ImageSegData':
            source = Path(layer.image_data_param.source)
            return ListedSplit(layer.image_data_param.root_folder,
                               source.with_name(f'{name}{source.suffix}') if name else source)
        module = builtin_module(layer.python_param.module) if layer.type == 'Python' else None
        if module and not layer.bottom:
            found = getattr(module, layer.python_param.layer)()
            params = read_params(layer.python_param.param_str, f'{file}: layer {layer.name!r}')
            return _listed(found, str(params | ({'split': name} if name else {})))
    raise ValueError(f'{file}: has no layer that reads the labels of a dataset')


def _listed(layer: SegDataLayer, param_str: str) -> SegDataLayer:
    layer.param_str = param_str
    layer.read_param_str()
    layer.indices, layer.lines = layer.read_list()
    return layer


def votes(label: np.ndarray, factor: int, classes: int) -> np.ndarray:
    """Count the pixels of each class in each factor x factor block, rows x columns x classes.

    Blocks begin at the upper left corner; void pixels do not vote.
    """
    rows, columns = (-(-n // factor) for n in label.shape)
    y, x = np.nonzero(label < classes)
    block = (y // factor) * columns + x // factor
    counts = np.bincount(block * classes + label[y, x], minlength=rows * columns * classes)
    return counts.reshape(rows, columns, classes)


def majority(label: np.ndarray, factor: int, classes: int) -> np.ndarray:
    """Sample labels down by the majority of each block, and up again by repetition."""
    small = votes(label, factor, classes).argmax(2)
    return _repeat(small, factor, label.shape)


def nearest(label: np.ndarray, factor: int, classes: int) -> np.ndarray:
    """Sample labels down at the middle of each block, and up again by repetition.

    Where void lies in the middle, the block's majority stands.
    """
    rows, columns = (np.minimum(np.arange(-(-n // factor)) * factor + factor // 2, n - 1)
                     for n in label.shape)
    small = label[np.ix_(rows, columns)].astype(int)
    void = small >= classes
    small[void] = votes(label, factor, classes).argmax(2)[void]
    return _repeat(small, factor, label.shape)


def smooth(label: np.ndarray, factor: int, classes: int) -> np.ndarray:
    """Sample the share of each class down by averages, up bilinearly, and take the largest."""
    from PIL import Image
    counts = votes(label, factor, classes).astype(np.float32)
    share = counts / np.maximum(counts.sum(2, keepdims=True), 1)
    height, width = (n * factor for n in share.shape[:2])
    best, labels = np.full(label.shape, -1, np.float32), np.zeros(label.shape, int)
    for index in np.flatnonzero(counts.any((0, 1))):
        plane = np.asarray(Image.fromarray(share[:, :, index]).resize(
            (width, height), Image.Resampling.BILINEAR))[:label.shape[0], :label.shape[1]]
        higher = plane > best
        best[higher], labels[higher] = plane[higher], index
    return labels


def _repeat(small: np.ndarray, factor: int, shape: tuple[int, int]) -> np.ndarray:
    return small.repeat(factor, 0).repeat(factor, 1)[:shape[0], :shape[1]]


METHODS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    'nearest': nearest, 'majority': majority, 'bilinear': smooth}


def bound(layer: SegDataLayer | ListedSplit, row: Variant, methods: Sequence[str] = tuple(METHODS),
          progress: Progress = iter) -> dict[str, dict[int, float]]:
    """Return {method: {factor: mean IU in percent}} of the labels against themselves resampled."""
    classes, top = row.classes, row.heads[0].label
    hists = {(method, factor): np.zeros((classes, classes), np.int64)
             for method in methods for factor in FACTORS}
    for index in progress(range(len(layer.indices))):
        label = layer.load_top(top, layer.indices[index])[0]
        for (method, factor), hist in hists.items():
            hist += fast_hist(label, METHODS[method](label, factor, classes), classes)
    return {method: {factor: 100 * Scores(hists[method, factor]).mean_iu for factor in FACTORS}
            for method in methods}


def counts(layer: SegDataLayer | ListedSplit, row: Variant,
           progress: Progress = iter) -> dict[str, np.ndarray]:
    """Return the pixels of each class in the test split, by the label top."""
    found = {head.label: np.zeros(head.classes, np.int64) for head in row.heads}
    for index in progress(range(len(layer.indices))):
        for head in row.heads:
            label = layer.load_top(head.label, layer.indices[index]).reshape(-1)
            known = label[label < head.classes]
            found[head.label] += np.bincount(known, minlength=head.classes)
    return found
