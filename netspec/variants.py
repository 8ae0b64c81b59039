"""The table of nets: 15 published by shelhamer/fcn.berkeleyvision.org (1305c73), and CamVid's,
among them the small nets of the SegNet paper (arXiv 1511.00561, Table 1).

One more net is one more row. What a published net does unlike its neighbours is a field whose
comment gives the reason.
"""

from dataclasses import dataclass, replace

from netspec.spec import unknown

BGR = tuple[float, ...]

# Mean over the training images, blue green red; facts of the published data layers.
VOC_MEAN = (104.00699, 116.66877, 122.67892)
CONTEXT_MEAN = (104.007, 116.669, 122.679)
SIFTFLOW_MEAN = (114.578, 115.294, 108.353)
NYUD_MEAN, DEPTH_MEAN, HHA_MEAN = (116.190, 97.203, 92.318), (7.844,), (132.431, 94.076, 118.477)
# All pixels of CamVid's 367 training frames (480 x 360, SegNet's split), counted here.
CAMVID_MEAN = (110.257, 108.362, 104.991)

SEED = 1337


@dataclass(frozen=True)
class DataLayer:
    """A Python data layer: where its class stands, and the keys of its param_str in order."""

    module: str
    type: str
    keys: tuple[str, ...]
    dirs: tuple[tuple[str, str], ...]  # key of param_str, folder below Variant.data
    options: tuple[str, ...] = ()  # what else of a fitted row it must be told


@dataclass(frozen=True)
class Split:
    """One data net: its file (train.prototxt), the list it reads (seg11valid) and its layer."""

    file: str
    name: str
    layer: DataLayer


@dataclass(frozen=True)
class Input:
    """One image top: its blob, channels, mean, and what the data layer calls it."""

    top: str
    channels: int
    mean: BGR
    kind: str = 'color'


@dataclass(frozen=True)
class Stream:
    """One trunk: what closes its names, the top it reads, and its first layer if renamed."""

    suffix: str
    data: str
    first: str | None = None


@dataclass(frozen=True)
class Head:
    """One labelling: classes, what closes its names, its label top, its loss, its class list.

    names: the classes of a user's own dataset, whose list is no published one.
    """

    classes: int
    labels: str
    suffix: str = ''
    label: str = 'label'
    loss: str = 'loss'
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Init:
    """Where weights come from: the donor is VGG16, CaffeNet or another row."""

    donor: str
    suffix: str = ''  # transplant into the layers closed by it
    # (donor's layer, ours): ours has one input channel more, which starts at the others' mean
    mean_channel: tuple[str, str] | None = None


@dataclass(frozen=True)
class Schedule:
    """The solver's numbers; `heavy` learning (momentum 0.99, a step an image) is the default."""

    base_lr: float
    max_iter: int
    test_iter: int
    snapshot: int | None
    block: int  # the original runs `repeats` blocks of so many iterations and scores after each
    repeats: int
    momentum: float = 0.99
    iter_size: int = 1


@dataclass(frozen=True)
class Variant:
    """One net: data, trunk, heads, loss, schedule and the weights it starts from."""

    name: str
    dataset: str
    stride: int
    heads: tuple[Head, ...]
    splits: tuple[Split, Split]  # training, testing
    inputs: tuple[Input, ...]
    schedule: Schedule
    init: tuple[Init, ...]
    streams: tuple[Stream, ...] = (Stream('', 'data'),)
    trunk: str = 'vgg16'
    ignore_label: int = 255
    # The splits for a user's own folder, where the published ones need several layouts.
    own_splits: tuple[Split, Split] | None = None
    # voc-fcn16s and PASCAL-Context were written to run one folder deeper.
    data: str = '../data'
    # AlexNet's training divides the loss by the pixels, with standard momentum; the others sum.
    normalize: bool = False
    # AlexNet's upscore has an odd kernel: all windows below it are odd, so that an even one would
    # lie half a pixel off and have no offset. None: twice the stride.
    upscore_kernel: int | None = None
    # Training all strides at once needs the skips scaled to the range of fc7 (paper section 4.3).
    skip_scales: tuple[tuple[int, float], ...] = ()  # pool, factor
    # SegNet's nets train on batches, weigh the classes against each other, and (where they undo
    # pooling) are made for one image size: height, width.
    batch: int = 1
    class_weighting: tuple[float, ...] = ()
    frame: tuple[int, int] | None = None
    # A user's own net may be narrow; its folder says so. The published ones are not.
    width: float = 1.0

    @property
    def classes(self) -> int:
        """Number of classes of the (first) head."""
        return self.heads[0].classes

    @property
    def mean(self) -> BGR:
        """Mean of the first input, blue green red."""
        return self.inputs[0].mean

    @property
    def labels(self) -> str:
        """Key of the class list of the (first) head."""
        return self.heads[0].labels


IMAGE = (Input('data', 3, VOC_MEAN),)
VGG16, CAFFENET = (Init('VGG16'),), (Init('CaffeNet'),)

_VOC_KEYS = ('seed', 'split', 'mean')
_FITS = ('classes', 'ignore_label')
SBDD_LAYER = DataLayer('voc_layers', 'SBDDSegDataLayer', ('sbdd_dir', *_VOC_KEYS),
                       (('sbdd_dir', 'sbdd/dataset'),), _FITS)
VOC_LAYER = DataLayer('voc_layers', 'VOCSegDataLayer', ('voc_dir', *_VOC_KEYS),
                      (('voc_dir', 'pascal/VOC2011'),), _FITS)
CONTEXT_LAYER = DataLayer(
    'pascalcontext_layers', 'PASCALContextSegDataLayer',
    ('context_dir', 'seed', 'split', 'voc_dir'),
    (('context_dir', 'pascal-context'), ('voc_dir', 'pascal')))
SIFTFLOW_LAYER = DataLayer('siftflow_layers', 'SIFTFlowSegDataLayer',
                           ('siftflow_dir', 'seed', 'split'), (('siftflow_dir', 'sift-flow'),))
NYUD_LAYER = DataLayer('nyud_layers', 'NYUDSegDataLayer', ('tops', 'seed', 'nyud_dir', 'split'),
                       (('nyud_dir', 'nyud'),))
CAMVID_LAYER = DataLayer('camvid_layers', 'CamVidSegDataLayer', ('camvid_dir', *_VOC_KEYS),
                         (('camvid_dir', 'camvid'),), _FITS)

VOC_VAL = Split('val', 'seg11valid', VOC_LAYER)
VOC_SPLITS = (Split('train', 'train', SBDD_LAYER), VOC_VAL)
VOC_ONLY = (Split('train', 'train', VOC_LAYER), Split('val', 'val', VOC_LAYER))
CONTEXT_SPLITS = (Split('train', 'train', CONTEXT_LAYER), Split('val', 'val', CONTEXT_LAYER))
SIFTFLOW_SPLITS = (Split('trainval', 'trainval', SIFTFLOW_LAYER),
                   Split('test', 'test', SIFTFLOW_LAYER))
NYUD_SPLITS = (Split('trainval', 'trainval', NYUD_LAYER), Split('test', 'test', NYUD_LAYER))
CAMVID_SPLITS = (Split('train', 'train', CAMVID_LAYER), Split('val', 'val', CAMVID_LAYER))

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


def _staged(coarser: Variant, stride: int, base_lr: float, **changes: object) -> Variant:
    """Return the row of the next finer stride, trained from the coarser row's result."""
    name = coarser.name.replace(f'{coarser.stride}s', f'{stride}s')
    return replace(coarser, name=name, stride=stride, init=(Init(coarser.name),),
                   schedule=replace(coarser.schedule, base_lr=base_lr), **changes)


# SegNet-Tutorial's weights: the median of the classes' frequencies over each one's.
MEDIAN_FREQUENCY = (0.2595, 0.1826, 4.5640, 0.1417, 0.9051, 0.3826, 9.6446, 1.8418, 0.6823, 6.2478,
                    7.3614)
_SEGNET_BASIC = Variant(
    'camvid-segnet-basic', 'camvid', 1, (Head(11, 'camvid'),), CAMVID_SPLITS,
    (Input('data', 3, (0.0, 0.0, 0.0)),),  # LRN normalises the pixels, no mean is subtracted
    Schedule(0.1, 10000, 101, 1000, 1000, 10, 0.9), (), trunk='segnet_basic', ignore_label=11,
    normalize=True, batch=12, frame=(360, 480))
_FCN_BASIC = replace(_SEGNET_BASIC, name='camvid-fcn-basic', trunk='fcn_basic', frame=None)


def _balanced(row: Variant) -> Variant:
    """Return the row with each class's loss weighted by median frequency balancing."""
    return replace(row, name=f'{row.name}-balanced', class_weighting=MEDIAN_FREQUENCY)


_VOC_16S = _staged(_VOC_32S, 16, 1e-12, data='../../data')
_CONTEXT_16S = _staged(_CONTEXT_32S, 16, 1e-12)
_SIFTFLOW_16S = _staged(_SIFTFLOW_32S, 16, 1e-12)
_CAMVID_16S = _staged(_CAMVID_32S, 16, 1e-12)

ROWS = (
    _VOC_32S,
    _VOC_16S,
    _staged(_VOC_16S, 8, 1e-14, data='../data'),
    replace(_VOC_32S, name='voc-fcn8s-atonce', stride=8, skip_scales=((4, 0.01), (3, 0.0001)),
            schedule=Schedule(1e-10, 300000, 736, 4000, 4000, 75)),
    replace(_VOC_32S, name='voc-fcn-alexnet', trunk='alexnet', upscore_kernel=63, normalize=True,
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
    _SEGNET_BASIC,
    _balanced(_SEGNET_BASIC),
    _FCN_BASIC,
    _balanced(_FCN_BASIC),
)

VARIANTS: dict[str, Variant] = {row.name: row for row in ROWS}


def find_variant(variant: str | Variant) -> Variant:
    """Return the row of that name (a row is returned as it is); KeyError with the closest name."""
    if isinstance(variant, Variant):
        return variant
    if variant not in VARIANTS:
        raise unknown('no variant is named', variant, VARIANTS)
    return VARIANTS[variant]
