"""Fully convolutional nets, row by row: fcn(variant, split) is what each published net.py wrote.

Long, Shelhamer and Darrell, section 4: a trunk, class scores, skips that are fused from coarse
to fine, bilinear upsampling to the input, and a loss summed over the pixels.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from netspec.atrous import a_trous
from netspec.blocks import FIXED, PADDING, Style, fuse, score, upscore
from netspec.coord_map import AlignmentError, crop
from netspec.families.a_trous_trunk import a_trous_trunk, covering
from netspec.families.learnt_upsampling import fcn_resnet34, fcn_vgg16_bn
from netspec.families.segnet import fcn_basic, segnet, segnet_basic
from netspec.schema.messages import NetParameter
from netspec.spec import NetSpec, Top, unknown
from netspec.spec import layers as L
from netspec.spec import params as P
from netspec.trunks.alexnet import alexnet
from netspec.trunks.googlenet import DISCARDED, googlenet
from netspec.trunks.squeezenet import squeezenet
from netspec.trunks.vgg16 import vgg16
from netspec.variants import Variant, find_variant
from netspec.variants.row import SEED, Head, Split


class Trunk(NamedTuple):
    """A base net, the stride of its last features, and its tops at half, a quarter … that stride.

    odd: all its windows have odd sizes. An even bilinear kernel would then lie half a pixel off,
    so every upsampling has a kernel of 2 stride - 1; and as such a trunk is not padded by 100,
    the upsampled scores, not the skip, are the larger of the two, and are cropped.
    discarded: the side of a pooling behind them that the classifier has and the FCN has not.
    """

    make: Callable[..., Top]
    stride: int
    skips: tuple[str, ...] = ()
    odd: bool = False
    discarded: int = 0


TRUNKS = {
    'vgg16': Trunk(vgg16, 32, ('pool4', 'pool3')),
    'alexnet': Trunk(alexnet, 32, odd=True),
    'googlenet': Trunk(googlenet, 32, ('inception_4e/output', 'inception_3b/output'), odd=True,
                       discarded=DISCARDED),
    'squeezenet': Trunk(squeezenet, 16, ('fire8/concat', 'fire4/concat'), odd=True)}
# Nets that are no trunk with FCN's heads: they make their scores themselves.
WHOLE: dict[str, Callable[..., Top]] = {
    'segnet_basic': segnet_basic, 'fcn_basic': fcn_basic, 'segnet': segnet,
    'resnet34': fcn_resnet34, 'vgg16_bn': fcn_vgg16_bn}
DECODED = ('segnet_basic', 'fcn_basic', 'segnet')     # whose decoders undo each stride
NARROW = 1 / 64         # how a net lies on images does not hang on how many channels it has
PADDED = ('vgg16', 'alexnet')  # trunks that are published with PADDING around the image
FILLERS = ('msra', 'xavier')
DEPLOY_SIZE = (500, 500)  # only an example: the net takes any size

V = TypeVar('V', bound=Variant)
DataRoot = str | os.PathLike | Mapping[str, str | os.PathLike]


def fcn(variant: str | Variant, split: str, width: float | None = None,
        classes: int | tuple[int, ...] | None = None, data_root: DataRoot | None = None,
        filler: str | None = None, loss: bool = True, ignore_label: int | None = None,
        data_params: Mapping[str, Any] | None = None, aligned: bool = False,
        pad: int | None = None, output_stride: int | None = None,
        pooling: str = 'dilated') -> NetParameter:
    """Return the NetParameter of a row for one of its splits, or for 'deploy'.

    width scales the trunk's channels (never the classes); None is the row's own. A narrow net has
    no published weights, so its trunk gets weight fillers (msra unless told); scores start at zero
    as in the paper.
    classes, ignore_label, data_root and data_params (entries of param_str) fit it to other data:
    a data_root is one folder for the whole dataset, or a folder for each key of param_str.
    aligned mends upsampling that lies half a pixel off (FCN-ResNet34). pad takes the place of the
    100 pixels around the image; AlignmentError where it is too little for the scores to be laid
    on the image. output_stride makes the trunk a trous, so that its scores lie so many pixels
    apart; pooling is how it pools then (netspec.atrous).
    """
    published = find_variant(variant)
    row = fitted(published, classes, ignore_label)
    if aligned:
        row = _mended(row)
    width = checked_width(row.width if width is None else width)
    style = Style(width, checked_filler(filler, width), split != 'deploy', _checked_pad(row, pad),
                  output_stride, pooling)
    changed = {} if split == 'deploy' else _changed(
        published, row, find_split(row, split, data_root)) | dict(data_params or {})
    if output_stride is not None:
        style = covering(style, 0 if pad is not None or row.trunk in WHOLE else
                         2 * TRUNKS[row.trunk].stride, lambda tried: _deploy(row, tried))
    return _net(row, split, style, data_root, changed, loss)


def _deploy(row: Variant, style: Style) -> NetParameter:
    """Return the narrow deploy net of a row, to see how it lies on images."""
    net = _net(row, 'deploy', replace(style, width=NARROW, dropout=False), None, {}, False)
    if row.trunk in DECODED:
        a_trous(net, style.output_stride or 1)
    return net


def _net(row: Variant, split: str, style: Style, data_root: DataRoot | None,
         changed: Mapping[str, Any], loss: bool) -> NetParameter:
    """Return the net of a fitted row; changed: entries of param_str."""
    n = NetSpec()
    if split == 'deploy':
        _inputs(n, row)
    else:
        chosen = find_split(row, split, data_root)
        _data(n, row, chosen, param_str(row, chosen, data_root, changed))
    whole = WHOLE.get(row.trunk)
    ends = {} if whole else _trunks(n, row, style)
    for head in row.heads:
        if whole:
            whole(n, row, style)
        else:
            _head(n, row, head, ends, style)
        if loss and split != 'deploy':
            n[head.loss] = L.SoftmaxWithLoss(n['score' + head.suffix], n[head.label],
                                             loss_param=_loss_param(row, head))
    return n.to_proto()


def _mended(row: V) -> V:
    """Return the row with upsampling that lies right; ValueError where it does anyway."""
    if row.trunk != 'resnet34':
        raise ValueError(f'{row.name}: its upsampling lies right already; only that of '
                         'FCN-ResNet34 is half a pixel off')
    return replace(row, aligned=True)


def _loss_param(row: Variant, head: Head) -> dict[str, Any]:
    """Return the options of a head's loss."""
    options: dict[str, Any] = dict(normalize=row.normalize, ignore_label=row.ignore_label)
    if row.class_weighting:
        if len(row.class_weighting) != head.classes:
            raise ValueError(f'{row.name} weighs {len(row.class_weighting)} classes; it cannot be '
                             f'fitted to {head.classes}')
        options |= dict(weight_by_label_freqs=True, class_weighting=list(row.class_weighting))
    return options


def fitted(row: V, classes: int | tuple[int, ...] | None = None,
           ignore_label: int | None = None) -> V:
    """Return the row with other class counts: one number is the first head's, the rest stay.

    An ignored label that followed the last class (CamVid's 11) follows the new last class.
    """
    if classes is None:
        return row if ignore_label is None else replace(row, ignore_label=ignore_label)
    counts = (classes,) if isinstance(classes, int) else tuple(classes)
    if len(counts) > len(row.heads) or min(counts, default=0) < 1:
        raise ValueError(f'classes {classes}: expected positive counts for {row.name}, at most '
                         f'one for each of {", ".join(h.labels for h in row.heads)}')
    counts += tuple(head.classes for head in row.heads[len(counts):])
    if ignore_label is None:
        ignore_label = counts[0] if row.ignore_label == row.classes else row.ignore_label
    heads = tuple(replace(head, classes=count)
                  for head, count in zip(row.heads, counts, strict=True))
    return replace(row, heads=heads, ignore_label=ignore_label)


def find_split(row: Variant, split: str, data_root: DataRoot | None = None) -> Split:
    """Return the split of that file name (train) or list name (seg11valid)."""
    for candidate in splits(row, data_root):
        if split in (candidate.file, candidate.name):
            return candidate
    raise unknown(f'{row.name} has no split', split,
                  [s.file for s in splits(row, data_root)] + ['deploy'])


def splits(row: Variant, data_root: DataRoot | None = None) -> tuple[Split, Split]:
    """Return the training and the testing split.

    One folder for all data cannot be SBDD and VOC at once: there both splits are in VOC's layout.
    """
    if row.own_splits and data_root is not None and not isinstance(data_root, Mapping):
        return row.own_splits
    return row.splits


def checked_width(width: float) -> float:
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f'width {width}: expected a factor above 0, such as 0.25')
    return width


def _checked_pad(row: Variant, pad: int | None) -> int:
    if pad is None:
        return PADDING
    if row.trunk not in PADDED:
        raise ValueError(f'{row.name} does not pad the image; only nets on {" and ".join(PADDED)} '
                         f'do, by {PADDING}')
    if pad < 0:
        raise ValueError(f'pad {pad}: expected 0 or more')
    return pad


def checked_filler(filler: str | None, width: float) -> str | None:
    if filler is None:
        return None if width == 1 else FILLERS[0]
    if filler not in FILLERS:
        raise ValueError(f'filler {filler!r}: expected {" or ".join(FILLERS)}')
    return filler


def _inputs(n: NetSpec, row: Variant) -> None:
    """Add an Input layer for each image top, as in the published deploy net of voc-fcn8s."""
    for image in row.inputs:
        name = 'input' if len(row.inputs) == 1 else f'input_{image.top}'
        size = row.frame or row.crop or DEPLOY_SIZE
        n[image.top] = L.Input(name=name, shape=dict(dim=[1, image.channels, *size]))


def _data(n: NetSpec, row: Variant, split: Split, params: str) -> None:
    """Add the Python data layer: images first, then a label top for each head."""
    names = [image.top for image in row.inputs] + [head.label for head in row.heads]
    tops = L.Python(module=split.layer.module, layer=split.layer.type, ntop=len(names),
                    param_str=params)
    for name, top in zip(names, tops, strict=True):
        n[name] = top


def param_str(row: Variant, split: Split, data_root: DataRoot | None = None,
              data_params: Mapping[str, Any] | None = None) -> str:
    """Return the data layer's parameters as a dict literal, keys in the published order."""
    values = {'seed': SEED, 'split': split.name, 'mean': row.mean,
              'tops': [image.kind for image in row.inputs] + [h.label for h in row.heads],
              **data_dirs(row, split, data_root)}
    more: dict[str, Any] = {}
    if row.batch > 1 and split.file == row.splits[0].file:
        more['batch'] = row.batch
    if row.crop:
        more['centre_crop'] = row.crop
    return repr({key: values[key] for key in split.layer.keys} | dict(row.told) | more
                | dict(data_params or {}))


def _changed(published: Variant, row: Variant, split: Split) -> dict[str, int]:
    """Return what a fitted row's data layer must be told: entries of param_str."""
    return {key: getattr(row, key) for key in split.layer.options
            if getattr(row, key) != getattr(published, key)}


def data_dirs(row: Variant, split: Split, data_root: DataRoot | None) -> dict[str, str]:
    published = {key: f'{row.data}/{folder}' for key, folder in split.layer.dirs}
    if data_root is None:
        return published | dict(row.places)
    if not isinstance(data_root, Mapping):
        return dict.fromkeys(published, os.fspath(data_root))
    known = {key for other in row.splits for key, _ in other.layer.dirs}
    for key in data_root:
        if key not in known:
            raise unknown(f'{row.name} has no data folder', key, known)
    return {key: os.fspath(data_root.get(key, folder)) for key, folder in published.items()}


def _trunks(n: NetSpec, row: Variant, style: Style) -> dict[str, Top]:
    """Add each stream's trunk and return where it ends; several streams have their scores too."""
    ends = {}
    for stream in row.streams:
        if stream.data not in n.tops:
            n[stream.data] = L.Concat(*(n[image.top] for image in row.inputs))
        ends[stream.suffix] = TRUNKS[row.trunk].make(n, n[stream.data], stream.suffix,
                                                     stream.first, style)
        if len(row.streams) > 1:
            for head in row.heads:
                n[f'score_fr{stream.suffix}{head.suffix}'] = score(ends[stream.suffix],
                                                                   head.classes)
    return dict(zip(ends, a_trous_trunk(n, style, list(ends.values())), strict=True))


def _coarse(n: NetSpec, head: Head, ends: dict[str, Top]) -> Top:
    """Add and return the scores at stride 32: the trunk's, or the mean of several trunks'."""
    if len(ends) == 1:
        n['score_fr' + head.suffix] = score(next(iter(ends.values())), head.classes)
        return n['score_fr' + head.suffix]
    fused = 'score_fused' + head.suffix
    n[fused] = L.Eltwise(*(n[f'score_fr{stream}{head.suffix}'] for stream in ends),
                         operation=P.Eltwise.SUM, coeff=[1 / len(ends)] * len(ends))
    return n[fused]


def _head(n: NetSpec, row: Variant, head: Head, ends: dict[str, Top], style: Style) -> None:
    """Add the scores of one labelling: coarse, fused with each skip, then as fine as the data."""
    classes, s = head.classes, head.suffix
    trunk, stride = TRUNKS[row.trunk], style.end_stride(row.stride)
    top, finer, step = _coarse(n, head, ends), 'upscore2', style.end_stride(trunk.stride)
    for i, source in enumerate(trunk.skips[:_skip_count(row, trunk)], 1):
        skip_name = source.partition('/')[0]
        factor, step = step // style.end_stride(trunk.stride >> i), style.end_stride(
            trunk.stride >> i)
        if factor > 1:
            top = n[finer + s] = upscore(top, classes, factor, _kernel(trunk, factor))
        skip = _skip_scores(n, row, head, source)
        top = n[f'fuse_{skip_name}{s}'] = _fused(
            n, top, skip, (f'{finer}{s}c', f'score_{skip_name}{s}c'), trunk.odd and factor > 1)
        finer = f'upscore_{skip_name}'
    finer = 'upscore' if row.stride == trunk.stride else f'upscore{stride}'
    if stride > 1:
        top = n[finer + s] = upscore(top, classes, stride, _kernel(trunk, stride))
    n['score' + s] = crop(top, n[row.streams[0].data])


def _fused(n: NetSpec, up: Top, skip: Top, names: tuple[str, str], odd: bool) -> Top:
    """Return the sum of a skip and what comes up; the larger of the two is cropped (Trunk.odd).

    names: of the Crop of `up`, and of `skip`.
    """
    if odd:
        try:
            n[names[0]], top = fuse(skip, up)
            return top
        except AlignmentError:               # an a trous trunk may begin inside its skip
            pass
    n[names[1]], top = fuse(up, skip)
    return top


def _skip_scores(n: NetSpec, row: Variant, head: Head, source: str) -> Top:
    """Add and return the scores of a skip: the trunk's, or the mean of several trunks'."""
    name = f'score_{source.partition("/")[0]}'
    if len(row.streams) == 1:
        n[name + head.suffix] = score(_skip(n, row, source), head.classes)
        return n[name + head.suffix]
    each = [f'{name}{stream.suffix}{head.suffix}' for stream in row.streams]
    for top, stream in zip(each, row.streams, strict=True):
        n[top] = score(n[source + stream.suffix], head.classes)
    n[name + head.suffix] = L.Eltwise(*(n[top] for top in each), operation=P.Eltwise.SUM,
                                      coeff=[1 / len(each)] * len(each))
    return n[name + head.suffix]


def _kernel(trunk: Trunk, factor: int) -> int:
    """Return the size of the bilinear kernel that upsamples by a factor (see Trunk.odd)."""
    return 2 * factor - trunk.odd


def _skip_count(row: Variant, trunk: Trunk) -> int:
    """Return how many skips bring the trunk's stride down to the row's; ValueError for none."""
    strides = [trunk.stride >> i for i in range(len(trunk.skips) + 1)]
    if row.stride not in strides:
        raise ValueError(f'{row.name}: stride {row.stride} of a {row.trunk}; expected one of '
                         f'{", ".join(map(str, strides))}')
    return strides.index(row.stride)


def _skip(n: NetSpec, row: Variant, source: str) -> Top:
    """Return the top that a skip starts from, scaled where the row says so."""
    factor = dict(row.skip_scales).get(source)
    if factor is None:
        return n[source]
    n[f'scale_{source}'] = L.Scale(n[source], filler=dict(type='constant', value=factor),
                                   param=FIXED)
    return n[f'scale_{source}']
