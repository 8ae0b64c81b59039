"""The FCNs: 15 published by shelhamer/fcn.berkeleyvision.org (1305c73), and CamVid's.

One more net is one more row.
"""

from dataclasses import replace
from typing import Any

from netspec.variants.data_splits import (
    CAMVID_MEAN,
    CAMVID_SPLITS,
    CONTEXT_MEAN,
    CONTEXT_SPLITS,
    DEPTH_MEAN,
    HHA_MEAN,
    IMAGE,
    NYUD_MEAN,
    NYUD_SPLITS,
    SIFTFLOW_MEAN,
    SIFTFLOW_SPLITS,
    VOC_ONLY,
    VOC_SPLITS,
)
from netspec.variants.row import Head, Init, Input, Schedule, Stream, Variant

VGG16, CAFFENET = (Init('VGG16'),), (Init('CaffeNet'),)

_VOC_32S = Variant(
    'voc-fcn32s', 'voc', 32, (Head(21, 'voc'),), VOC_SPLITS, IMAGE,
    Schedule(1e-10, 100000, 736, 4000, 4000, 25), VGG16, own_splits=VOC_ONLY)
_CONTEXT_32S = Variant(
    'pascalcontext-fcn32s', 'pascalcontext', 32, (Head(60, 'pascalcontext'),), CONTEXT_SPLITS,
    (Input('data', 3, CONTEXT_MEAN),), Schedule(1e-10, 300000, 5105, 4000, 8000, 50), VGG16,
    data='../../data')
_SIFTFLOW_32S = Variant(
    'siftflow-fcn32s', 'siftflow', 32,
    # The semantic loss is plain `loss`: that is the output which seg_tests asks for.
    (Head(33, 'siftflow_sem', '_sem', 'sem', 'loss'),
     Head(3, 'siftflow_geo', '_geo', 'geo', 'loss_geo')),
    SIFTFLOW_SPLITS, (Input('data', 3, SIFTFLOW_MEAN),),
    Schedule(1e-10, 300000, 200, None, 2000, 50), VGG16)
_NYUD_COLOR = Variant(
    'nyud-fcn32s-color', 'nyud', 32, (Head(40, 'nyud'),), NYUD_SPLITS,
    (Input('data', 3, NYUD_MEAN),), Schedule(1e-10, 300000, 654, 2000, 2000, 50), VGG16)
_CAMVID_32S = Variant(
    'camvid-fcn32s', 'camvid', 32, (Head(11, 'camvid'),), CAMVID_SPLITS,
    (Input('data', 3, CAMVID_MEAN),), Schedule(1e-10, 100000, 101, 4000, 4000, 25), VGG16,
    ignore_label=11)  # SegNet's index after the last class: unlabelled


def _staged(coarser: Variant, stride: int, base_lr: float, **changes: Any) -> Variant:
    """Return the row of the next finer stride, trained from the coarser row's result."""
    name = coarser.name.replace(f'{coarser.stride}s', f'{stride}s')
    return replace(coarser, name=name, stride=stride, init=(Init(coarser.name),),
                   schedule=replace(coarser.schedule, base_lr=base_lr), **changes)


_VOC_16S = _staged(_VOC_32S, 16, 1e-12, data='../../data')
_CONTEXT_16S = _staged(_CONTEXT_32S, 16, 1e-12)
_SIFTFLOW_16S = _staged(_SIFTFLOW_32S, 16, 1e-12)
_CAMVID_16S = _staged(_CAMVID_32S, 16, 1e-12)

FCN_ROWS = (
    _VOC_32S,
    _VOC_16S,
    _staged(_VOC_16S, 8, 1e-14, data='../data'),
    replace(_VOC_32S, name='voc-fcn8s-atonce', stride=8,
            skip_scales=(('pool4', 0.01), ('pool3', 0.0001)),
            schedule=Schedule(1e-10, 300000, 736, 4000, 4000, 75)),
    replace(_VOC_32S, name='voc-fcn-alexnet', trunk='alexnet', normalize=True,
            init=CAFFENET, schedule=Schedule(1e-4, 100000, 736, 4000, 4000, 25, 0.9, 20)),
    _CONTEXT_32S,
    _CONTEXT_16S,
    _staged(_CONTEXT_16S, 8, 1e-14),
    _SIFTFLOW_32S,
    _SIFTFLOW_16S,
    _staged(_SIFTFLOW_16S, 8, 1e-12),
    _NYUD_COLOR,
    replace(_NYUD_COLOR, name='nyud-fcn32s-hha', inputs=(Input('data', 3, HHA_MEAN, 'hha'),)),
    replace(_NYUD_COLOR, name='nyud-fcn32s-color-d',
            inputs=(Input('color', 3, NYUD_MEAN), Input('depth', 1, DEPTH_MEAN, 'depth')),
            streams=(Stream('', 'data', 'conv1_1_bgrd'),),
            init=(Init('VGG16', mean_channel=('conv1_1', 'conv1_1_bgrd')),)),
    replace(_NYUD_COLOR, name='nyud-fcn32s-color-hha',
            inputs=(Input('color', 3, NYUD_MEAN), Input('hha', 3, HHA_MEAN, 'hha')),
            streams=(Stream('color', 'color'), Stream('hha', 'hha')),
            schedule=replace(_NYUD_COLOR.schedule, base_lr=1e-12),
            init=(Init('nyud-fcn32s-color', 'color'), Init('nyud-fcn32s-hha', 'hha'))),
    _CAMVID_32S,
    _CAMVID_16S,
    _staged(_CAMVID_16S, 8, 1e-14),
)
