"""FCNs on other trunks: GoogLeNet, SqueezeNet, ResNet-34, VGG16 with batch normalisation."""

from dataclasses import replace

from netspec.variants.data_splits import (
    CAMVID_MEAN,
    CAMVID_SPLITS,
    IMAGE,
    IMAGENET_MEAN,
    VOC_ONLY,
    VOC_SPLITS,
)
from netspec.variants.row import Head, Init, Input, Schedule, Variant

# FCN, PAMI 2017, section 4.1 and Table 1: VOC 2011 alone (1,112 images to train, 1,111 to test), 20
# accumulated, momentum 0.9, a rate of 5e-5; as in the published AlexNet, the loss is divided by
# the pixels. 175 epochs are 9,730 steps.
_GOOGLENET = Variant(
    'voc-fcn-googlenet', 'voc', 32, (Head(21, 'voc'),), VOC_ONLY, IMAGE,
    Schedule(5e-5, 10000, 1111, 1000, 1000, 10, 0.9, 20), (Init('GoogLeNet'),),
    trunk='googlenet', normalize=True)

# SqueezeNet's stride is 16: its coarsest FCN is a 16s, and two skips lead to a 4s. The rates are
# those of the VGG16 nets' stages.
_VOC_SQUEEZENET = Variant(
    'voc-fcn16s-squeezenet', 'voc', 16, (Head(21, 'voc'),), VOC_SPLITS, IMAGE,
    Schedule(1e-10, 100000, 736, 4000, 4000, 25), (Init('SqueezeNet'),), trunk='squeezenet',
    own_splits=VOC_ONLY)
_CAMVID_SQUEEZENET = replace(
    _VOC_SQUEEZENET, name='camvid-fcn16s-squeezenet', dataset='camvid',
    heads=(Head(11, 'camvid'),), splits=CAMVID_SPLITS, own_splits=None,
    inputs=(Input('data', 3, CAMVID_MEAN),), ignore_label=11,
    schedule=replace(_VOC_SQUEEZENET.schedule, test_iter=101))


def _finer(coarser: Variant, stride: int, base_lr: float) -> Variant:
    """Return the row of the next finer stride, trained from the coarser one's result."""
    name = coarser.name.replace(f'{coarser.stride}s', f'{stride}s')
    return replace(coarser, name=name, stride=stride, init=(Init(coarser.name),),
                   schedule=replace(coarser.schedule, base_lr=base_lr))


# The code that this follows: SGD of 1e-2 without momentum, 80 epochs of 1,464 images, a tenth of
# the rate after 50; batches of 64 crops of 320 x 480. One image a step here, at a 64th.
_RESNET34 = Variant(
    'voc-fcn8s-resnet34', 'voc', 8, (Head(21, 'voc'),), VOC_SPLITS,
    (Input('data', 3, IMAGENET_MEAN),),
    Schedule(1e-2, 117120, 736, 4000, 4000, 29, 0.0, solver=(
        ('lr_policy', 'multistep'), ('gamma', 0.1), ('stepvalue', [73200]),
        ('weight_decay', 1e-4))),
    (Init('ResNet34'),), trunk='resnet34', own_splits=VOC_ONLY, normalize=True)

# Adam, the rate halved every 50 epochs of 184 batches of two, 500 epochs; the unlabelled pixels
# are a twelfth class, which is trained.
_EPOCH = 184
_CAMVID_VGG_BN = Variant(
    'camvid-fcn8s-vggbn', 'camvid', 8,
    (Head(12, 'camvid', names=('Sky', 'Building', 'Pole', 'Road', 'Pavement', 'Tree', 'SignSymbol',
                               'Fence', 'Car', 'Pedestrian', 'Bicyclist', 'Unlabelled')),),
    CAMVID_SPLITS, (Input('data', 3, IMAGENET_MEAN),),
    Schedule(1e-4, 500 * _EPOCH, 101, 10 * _EPOCH, 10 * _EPOCH, 50, 0.9, solver=(
        ('type', 'Adam'), ('momentum2', 0.999), ('delta', 1e-8), ('lr_policy', 'step'),
        ('gamma', 0.5), ('stepsize', 50 * _EPOCH), ('weight_decay', 0.0))),
    (Init('VGG16-bn'),), trunk='vgg16_bn', normalize=True, batch=2, crop=(352, 480))

_VOC_SQUEEZENET_8S = _finer(_VOC_SQUEEZENET, 8, 1e-12)
_CAMVID_SQUEEZENET_8S = _finer(_CAMVID_SQUEEZENET, 8, 1e-12)

TRUNK_ROWS = (
    _GOOGLENET,
    _RESNET34,
    _VOC_SQUEEZENET,
    _VOC_SQUEEZENET_8S,
    _finer(_VOC_SQUEEZENET_8S, 4, 1e-14),
    _CAMVID_SQUEEZENET,
    _CAMVID_SQUEEZENET_8S,
    _finer(_CAMVID_SQUEEZENET_8S, 4, 1e-14),
    _CAMVID_VGG_BN,
)
