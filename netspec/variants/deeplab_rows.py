"""DeepLab v1 (arXiv 1412.7062) and v2 (arXiv 1606.00915): their nets on PASCAL VOC 2012.

What the authors published is written as they did; where no file of theirs is left the comment
says what was taken instead.
"""

from dataclasses import dataclass, replace

from netspec.variants.row import DataLayer, Head, Init, Input, Schedule, Split, Variant

MEAN = (104.008, 116.669, 122.675)
EXP = 'voc12'  # the authors' ${EXP}, which is part of the last layers' names
IMAGES = 1449  # of VOC 2012's val


@dataclass(frozen=True)
class Release:
    """How the authors published a net: below which name, which files, in which syntax."""

    net_id: str
    v1: bool = False  # `layers { type: CONVOLUTION }`, else `layer { type: "Convolution" }`
    files: tuple[str, ...] = ('train', 'test', 'solver', 'solver2')
    # The first release alone was written for one machine, tested in the training file, and did
    # not ignore VOC's 255: its lists had labels without.
    first: bool = False
    # Files whose fc6, fc7 and fc8 have `strict_dim: false`: they took VGG16's weights as they are.
    loose: tuple[str, ...] = ()
    v2_data: bool = False  # the third top, data_dim, is named


@dataclass(frozen=True)
class DeepLab(Variant):
    """One DeepLab net: a trunk at stride 8, classifiers with holes, their fusion."""

    release: Release = Release('')
    head: str = f'fc8_{EXP}'  # the layer of the class scores
    kernel: int = 3  # of fc6, or of ResNet's fc1
    rates: tuple[int, ...] = (12,)  # its dilations; several are added up
    hidden: int = 1024  # channels of fc6 and fc7
    average: bool = False  # pool5a, an average before fc6
    pool_kernel: int = 3
    # VGG16: paths from the image and pool1 to pool4 to the scores, learnt on top of a finished
    # net; ResNet-101: three sizes of the image.
    multiscale: bool = False
    head_multipliers: tuple[int, int] = (10, 20)  # of the rate, for weights and biases of `head`
    crops: tuple[int, int] = (321, 513)  # in training, in testing
    crop_begin: int = 0  # what is cut off the zoomed scores at the top and on the left
    scale_factors: tuple[float, ...] = ()
    more_splits: tuple[Split, ...] = ()
    second: Schedule | None = None  # of solver2, which goes on with more images

    @property
    def net_files(self) -> tuple[str, ...]:
        """Names of the nets' files, without their ending."""
        train, test = self.splits
        return (train.file, *(split.file for split in self.more_splits), test.file, 'deploy')

    @property
    def grid(self) -> int:
        """Heights and widths of images are a multiple of this plus 1; 1 where any size will do.

        ResNet's strided convolutions round down, and three sizes must meet again.
        """
        if self.trunk != 'resnet101':
            return 1
        return 32 if self.multiscale else 8


# Lists of lines "image label", both below root_folder: /JPEGImages/X.jpg
# /SegmentationClassAug/X.png.
LISTED = DataLayer('', 'ImageSegData', ('root_folder', 'source'),
                   (('root_folder', 'VOC2012'), ('source', 'VOC2012/list')))
SPLITS = (Split('train', 'train_aug', LISTED), Split('test', 'val', LISTED))
TRAINVAL = Split('train2', 'trainval_aug', LISTED)


def _step(max_iter: int, **more: object) -> Schedule:
    """Return v1's schedule: a tenth of the rate after every 2000 iterations."""
    options = dict(lr_policy='step', gamma=0.1, stepsize=2000, display=10, average_loss=None)
    return Schedule(0.001, max_iter, IMAGES, 2000, 2000, max_iter // 2000, 0.9,
                    solver=tuple((options | more).items()))


def _poly(base_lr: float, snapshot: int, iter_size: int = 1) -> Schedule:
    """Return v2's schedule: the rate falls to 0 with the power 0.9."""
    return Schedule(base_lr, 20000, IMAGES, snapshot, snapshot, 20000 // snapshot, 0.9, iter_size,
                    solver=(('lr_policy', 'poly'), ('power', 0.9), ('display', 20),
                            ('average_loss', 20)))


# v1, section 3.1: of fc6's 7 x 7 taps and 4096 filters some are kept where fewer are wanted.
VGG16, RESNET101 = (Init('VGG16', sampled=('fc6', 'fc7')),), (Init('ResNet101'),)
_LARGEFOV = DeepLab(
    'deeplab-largefov', 'voc', 8, (Head(21, 'voc'),), SPLITS, (Input('data', 3, MEAN),),
    _step(6000), VGG16, batch=30, average=True, more_splits=(TRAINVAL,), second=_step(8000),
    release=Release('deeplab_largeFOV', True,
                    ('train', 'test', 'test_crf', 'deploy21', 'solver', 'solver2'),
                    loose=('test', 'test_crf', 'deploy21')))
# No file of the two is left: the later trunk, with the classifier that the paper's table 2 states.
_R8 = replace(
    _LARGEFOV, name='deeplab-4x4-r8', head='fc8_pascal', kernel=4, rates=(8,), hidden=4096,
    average=False, batch=20,
    release=Release('vgg128_noup_r8', True, loose=('test',)))
_4X4 = replace(
    _R8, name='deeplab-4x4', rates=(4,), pool_kernel=2, crops=(306, 514), crop_begin=7,
    release=Release('vgg128_noup', True, ('train', 'test', 'solver'), first=True,
                    loose=('train', 'test')))
# TheLegendAli/DeepLab-Context (bd4aac5, config/DeepLab-MSc) has these numbers, on the later trunk.
_MSC = replace(
    _R8, name='deeplab-msc', rates=(4,), multiscale=True, init=(Init('deeplab-4x4'),),
    head_multipliers=(1, 2),
    release=Release('vgg128_ms_pool3', True, loose=('train', 'test')))
_ASPP_L = replace(
    _LARGEFOV, name='deeplab-vgg16-aspp-l', rates=(6, 12, 18, 24), average=False, batch=10,
    schedule=_poly(1e-3, 20000), second=_poly(1e-3, 20000),
    release=Release('vgg16', v2_data=True))
_RESNET = replace(
    _ASPP_L, name='deeplab-resnet101', trunk='resnet101', head=f'fc1_{EXP}', multiscale=True,
    batch=1, scale_factors=(0.5, 0.75, 1, 1.25, 1.5), init=RESNET101,
    schedule=_poly(2.5e-4, 10000, 10), second=_poly(2.5e-4, 10000, 10),
    release=Release('resnet101'))

DEEPLAB_ROWS = (
    _4X4,
    replace(_R8, name='deeplab-7x7', kernel=7, rates=(4,),
            release=replace(_R8.release, net_id='vgg224_noup')),
    _R8,
    _LARGEFOV,
    _MSC,
    replace(_LARGEFOV, name='deeplab-msc-largefov', multiscale=True, head_multipliers=(0, 0),
            init=(Init('deeplab-largefov'),), schedule=_step(6000, average_loss=10, snapshot=1000),
            # Left in v2's syntax by meng-tang/rloss, which also edited the solver.
            release=Release('deeplab_msc_largeFOV', files=('train', 'test', 'solver'))),
    # The paper's table 2 of v2 trains v1's net by its new schedule.
    replace(_LARGEFOV, name='deeplab-vgg16-largefov', batch=10, schedule=_ASPP_L.schedule,
            second=_ASPP_L.second, release=Release('vgg16_largeFOV', v2_data=True)),
    replace(_ASPP_L, name='deeplab-vgg16-aspp-s', rates=(2, 4, 8, 12),
            release=Release('vgg16_aspp_s', v2_data=True)),
    _ASPP_L,
    # The first rows of v2's table of ResNet-101: the paper does not say how its classifier looks
    # before LargeFOV; one of 1 x 1 is what every other convolutional ResNet has.
    replace(_RESNET, name='deeplab-resnet101-plain', kernel=1, rates=(1,), multiscale=False,
            scale_factors=(), release=Release('resnet101_plain')),
    replace(_RESNET, name='deeplab-resnet101-msc', kernel=1, rates=(1,), scale_factors=(),
            release=Release('resnet101_msc')),
    replace(_RESNET, name='deeplab-resnet101-largefov', rates=(12,),
            release=Release('resnet101_largeFOV')),
    _RESNET,
)
