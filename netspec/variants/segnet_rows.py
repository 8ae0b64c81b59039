"""SegNet and the small nets of its paper (arXiv 1511.00561, section 3 and Table 1), on CamVid."""

from dataclasses import replace

from netspec.variants.data_splits import CAMVID_SPLITS
from netspec.variants.row import Head, Init, Input, Schedule, Variant

# SegNet-Tutorial's weights: the median of the classes' frequencies over each one's.
MEDIAN_FREQUENCY = (0.2595, 0.1826, 4.5640, 0.1417, 0.9051, 0.3826, 9.6446, 1.8418, 0.6823, 6.2478,
                    7.3614)
_SEGNET_BASIC = Variant(
    'camvid-segnet-basic', 'camvid', 1, (Head(11, 'camvid'),), CAMVID_SPLITS,
    (Input('data', 3, (0.0, 0.0, 0.0)),),  # LRN normalises the pixels, no mean is subtracted
    Schedule(0.1, 10000, 101, 1000, 1000, 10, 0.9), (), trunk='segnet_basic', ignore_label=11,
    normalize=True, batch=12, frame=(360, 480))
_FCN_BASIC = replace(_SEGNET_BASIC, name='camvid-fcn-basic', trunk='fcn_basic', frame=None)
# As the authors' tutorial trains it: batches of 4, its own rate; its encoder starts from VGG16.
_SEGNET = replace(
    _SEGNET_BASIC, name='camvid-segnet', trunk='segnet', batch=4, init=(Init('VGG16'),),
    class_weighting=MEDIAN_FREQUENCY, schedule=Schedule(1e-3, 40000, 101, 1000, 1000, 40, 0.9))


def _balanced(row: Variant) -> Variant:
    """Return the row with each class's loss weighted by median frequency balancing."""
    return replace(row, name=f'{row.name}-balanced', class_weighting=MEDIAN_FREQUENCY)


SEGNET_ROWS = (
    _SEGNET_BASIC,
    _balanced(_SEGNET_BASIC),
    _FCN_BASIC,
    _balanced(_FCN_BASIC),
    _SEGNET,
)
