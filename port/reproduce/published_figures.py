"""Every published figure that a run is laid beside, with its source; in percent.

Rows that others wrote from memory are not among them. `target` marks the figures of the very
recipe that the row trains; the others are older versions, other recipes, sets or retrainings.
"""

from dataclasses import dataclass

SOURCES = {
    'PAMI': 'Shelhamer, Long, Darrell, PAMI 39(4) 2017 = arXiv 1605.06211',
    'CVPR-v2': 'Long, Shelhamer, Darrell, arXiv 1411.4038v2 (2015)',
    'CVPR-AUTH': "the CVPR paper, the authors' page version (Sep 2015)",
    'UP': 'the published repository shelhamer/fcn.berkeleyvision.org at 1305c73',
    'CH': 'wkentaro/fcn README (released weights converted and evaluated again; Chainer)',
    'PT': 'wkentaro/pytorch-fcn README, PR #89 and issue #84',
    'MCN': 'vlfeat/matconvnet-fcn README at 273020a',
    'ZOO': 'cards of the Caffe Model Zoo: weights older than those of PAMI',
    'GITLANX': 'GitLanx/Semantic-Segmentation-PyTorch README',
    'FANGZHOU': 'fangzhou2000/FCN README',
    'FMAHOUDEAU': 'fmahoudeau/FCN-Segmentation-TensorFlow README',
    'WARMSPRING': 'warmspringwinds/pytorch-segmentation-detection README',
    'PYSEMSEG': 'petko-nikolov/pysemseg issue #2',
    'MEETPS': 'meetps/pytorch-semseg issue #20, its author',
    'ITER': 'adri-romsor/iterative_inference_segm README at 0591dbc',
    'SEG': 'Badrinarayanan, Kendall, Cipolla, arXiv 1511.00561v3',
    'TUT': 'the SegNet tutorial, as chainercv examples/segnet/README.md quotes it',
    'CHAINERCV': 'chainer/chainercv examples/segnet/README.md',
    'DL1': 'Chen, Papandreou, Kokkinos, Murphy, Yuille, ICLR 2015 = arXiv 1412.7062',
    'DL2': 'Chen, Papandreou, Kokkinos, Murphy, Yuille, PAMI 40(4) 2018 = arXiv 1606.00915',
    'KAZUTO': 'kazuto1011/deeplab-pytorch README (released weights converted and evaluated again)'}
# What a table calls them, where the key says nothing to a reader.
NAMES = {
    'CVPR-v2': 'CVPR (arXiv v2)', 'CVPR-AUTH': "CVPR (authors' page)",
    'UP': "authors' repository", 'CH': 'wkentaro/fcn', 'PT': 'wkentaro/pytorch-fcn',
    'MCN': 'matconvnet-fcn', 'ZOO': 'Caffe Model Zoo', 'GITLANX': 'GitLanx',
    'FANGZHOU': 'fangzhou2000', 'FMAHOUDEAU': 'fmahoudeau',
    'WARMSPRING': 'warmspringwinds', 'PYSEMSEG': 'pysemseg',
    'MEETPS': 'meetps', 'ITER': 'adri-romsor', 'SEG': 'SegNet paper',
    'TUT': 'SegNet tutorial', 'CHAINERCV': 'ChainerCV', 'DL1': 'DeepLab v1 paper',
    'DL2': 'DeepLab v2 paper', 'KAZUTO': 'kazuto1011'}
FOUR = ('pixel accuracy', 'mean accuracy', 'mean IU', 'f.w. IU')
GEOMETRIC, FOREGROUND = 'geometric accuracy', 'mean IU without background'


@dataclass(frozen=True)
class Figure:
    """One line of a table: what `values` says of `net`, where; target: the recipe of our row.

    split: the images that it was scored on, '' for the row's own test list.
    """

    net: str
    source: str
    values: dict[str, float]
    where: str = ''
    note: str = ''
    target: bool = False
    split: str = ''

    def cite(self) -> str:
        """Name the source and the table."""
        return f'{NAMES.get(self.source, self.source)} {self.where}'.strip()


def _four(net: str, source: str, where: str, *values: float | None, note: str = '',
          target: bool = False, split: str = '', **more: float) -> Figure:
    """Make a figure from up to four metrics in the papers' order, None where one is not given."""
    given = {name: v for name, v in zip(FOUR, values, strict=False) if v is not None}
    return Figure(net, source, given | {k.replace('_', ' '): v for k, v in more.items()}, where,
                  note, target, split)


def _iu(net: str, source: str, where: str, value: float, note: str = '',
        target: bool = False, split: str = '') -> Figure:
    return Figure(net, source, {'mean IU': value}, where, note, target, split)


def _refined(net: str, source: str, where: str, plain: float, refined: float | None,
             test: float | None, note: str) -> list[Figure]:
    """Make DeepLab's figures of a net: of its own labels, after the dense CRF, on the server."""
    after = '; '.join(part for part in (note, REFINED) if part)
    found = [_iu(net, source, where, plain, note, True)]
    if refined is not None:
        found.append(_iu(net, source, where, refined, after))
    if test is not None:
        found.append(_iu(net, source, '', test, f'{SERVER}; {after}', split='VOC 2012 test'))
    return found


REFINED, COCO = 'after a dense CRF', 'begun with weights from MS COCO'
OLD = 'the CVPR recipe: 20 images by accumulation, loss normalised'
UNSTATED = 'split not stated'
SERVER = 'the PASCAL VOC test server'
ADAM = 'Adam, heavy augmentation'
FIGURES = (
    # PASCAL VOC, seg11valid (736 images), trained on SBD
    _four('voc-fcn32s', 'PAMI', 'Table 3', 90.5, 76.5, 63.6, 83.5, target=True),
    _four('voc-fcn16s', 'PAMI', 'Table 3', 91.0, 78.1, 65.0, 84.3, target=True),
    _four('voc-fcn8s', 'PAMI', 'Table 3', 91.2, 77.6, 65.5, 84.5, target=True),
    _four('voc-fcn8s-atonce', 'PAMI', 'Table 3', 91.1, 78.5, 65.4, 84.4, target=True),
    _iu('voc-fcn32s', 'UP', 'README', 63.6, target=True),
    _iu('voc-fcn16s', 'UP', 'README', 65.0, target=True),
    _iu('voc-fcn8s', 'UP', 'README', 65.5, target=True),
    _iu('voc-fcn8s-atonce', 'UP', 'README', 65.4, target=True),
    _iu('voc-fcn-alexnet', 'UP', 'README', 48.0, target=True),
    _iu('voc-fcn-alexnet', 'PAMI', 'text', 48.0, target=True),
    _iu('voc-fcn-googlenet', 'PAMI', 'Table 1', 42.5, 'VOC 2011 alone', target=True),
    _four('voc-fcn32s', 'CVPR-v2', 'Table 2', 89.1, 73.3, 59.4, 81.4, note=OLD),
    _four('voc-fcn16s', 'CVPR-v2', 'Table 2', 90.0, 75.7, 62.4, 83.0, note=OLD),
    _four('voc-fcn8s', 'CVPR-v2', 'Table 2', 90.3, 75.9, 62.7, 83.2, note=OLD),
    _iu('voc-fcn8s', 'PAMI', 'Table 4', 67.5, SERVER, split='VOC 2011 test'),
    _iu('voc-fcn8s', 'PAMI', 'Table 4', 67.2, SERVER, split='VOC 2012 test'),
    _iu('voc-fcn8s', 'UP', 'README', 67.2, SERVER, split='VOC 2012 test'),
    _iu('voc-fcn8s', 'CVPR-v2', 'Table 3', 62.7, f'{SERVER}; {OLD}', split='VOC 2011 test'),
    _iu('voc-fcn8s', 'CVPR-v2', 'Table 3', 62.2, f'{SERVER}; {OLD}', split='VOC 2012 test'),
    *(_four(net, 'MCN', 'README, original weights', *values,
            note='the weights of the CVPR paper, evaluated again')
      for net, values in (('voc-fcn32s', (89.12, 73.28, 59.43)),
                          ('voc-fcn16s', (90.02, 75.74, 62.35)),
                          ('voc-fcn8s', (90.33, 75.86, 62.69)))),
    _iu('voc-fcn32s', 'ZOO', 'fcn-32s-pascal', 64.0,
        'weights older than PAMI; the whole val overlaps the training images', split='val'),
    # the same nets by other recipes, from other weights, on other images
    *(_four(net, 'MCN', 'README', *values, note='their own training, its recipe not stated')
      for net, values in (('voc-fcn32s', (89.61, 75.49, 60.80)),
                          ('voc-fcn16s', (90.08, 77.81, 62.25)))),
    _iu('voc-fcn8s-atonce', 'PT', 'issue #84', 59.04,
        "the same code from torchvision's VGG16; best in 100,000 iterations"),
    *(_four(net, 'FANGZHOU', 'README', *values, note='from other VGG16 weights, 100,000 iterations',
            split=UNSTATED)
      for net, values in (('voc-fcn32s', (89.08, 71.31, 58.30, 81.40)),
                          ('voc-fcn16s', (89.63, 73.74, 59.95, 82.21)))),
    *(_four(net, 'FMAHOUDEAU', 'README', *values, split='VOC 2012 val',
            note='VOC 2012 trainaug, 10,582 images; Adam, rate 1e-5')
      for net, values in (('voc-fcn32s', (91.3, 79.3, 64.5)), ('voc-fcn8s', (92.4, 77.9, 67.2)),
                          ('voc-fcn8s-atonce', (92.7, 78.5, 68.5)))),
    _iu('voc-fcn32s', 'WARMSPRING', 'README', 60.0, 'recipe not stated',
        split='restricted VOC 2012 val'),
    _iu('voc-fcn8s', 'PYSEMSEG', '', 62.2, 'recipe not stated', split=UNSTATED),
    _iu('voc-fcn8s', 'MEETPS', '', 61.0, 'their default settings', split=UNSTATED),
    _four('voc-fcn8s-atonce', 'FMAHOUDEAU', 'README, train only', 91.2, 72.2, 62.5,
          note='trained on VOC 2012 alone', split=UNSTATED),
    _four('voc-fcn8s-atonce', 'GITLANX', 'at 0eb9465', 89.55, 68.98, 57.37,
          note='trained on VOC 2012 alone', split=UNSTATED),
    # NYUDv2, test (654 images)
    _four('nyud-fcn32s-color', 'PAMI', 'Table 5', 61.8, 44.7, 31.6, 46.0, target=True),
    _four('nyud-fcn32s-color-d', 'PAMI', 'Table 5', 62.1, 44.8, 31.7, 46.3, target=True),
    _four('nyud-fcn32s-hha', 'PAMI', 'Table 5', 58.3, 35.7, 25.2, 41.7, target=True),
    _four('nyud-fcn32s-color-hha', 'PAMI', 'Table 5', 65.3, 44.0, 33.3, 48.6, target=True),
    _four('nyud-fcn32s-color', 'CVPR-v2', 'Table 4', 60.0, 42.2, 29.2, 43.9, note=OLD),
    _four('nyud-fcn32s-color-d', 'CVPR-v2', 'Table 4', 61.5, 42.4, 30.5, 45.5, note=OLD),
    _four('nyud-fcn32s-hha', 'CVPR-v2', 'Table 4', 57.1, 35.2, 24.2, 40.4, note=OLD),
    _four('nyud-fcn32s-color-hha', 'CVPR-v2', 'Table 4', 64.3, 44.9, 32.8, 48.0, note=OLD),
    # SIFT Flow, test (200 images); means over the classes that occur
    _four('siftflow-fcn8s', 'PAMI', 'Table 6', 85.9, 53.9, 41.2, 77.2, target=True,
          geometric_accuracy=94.6),
    _four('siftflow-fcn16s', 'CVPR-v2', 'Table 5', 85.2, 51.7, 39.5, 76.1, note=OLD,
          geometric_accuracy=94.3),
    # PASCAL-Context, the task of 59 classes, val (5,105 images)
    _four('pascalcontext-fcn32s', 'PAMI', 'Table 7', 65.5, 49.1, 36.7, 50.9, target=True),
    _four('pascalcontext-fcn16s', 'PAMI', 'Table 7', 66.9, 51.3, 38.4, 52.3, target=True),
    _four('pascalcontext-fcn8s', 'PAMI', 'Table 7', 67.5, 52.3, 39.1, 53.0, target=True),
    _four('pascalcontext-fcn32s', 'CVPR-AUTH', 'Table 6', 65.4, 47.2, 35.1, 50.3, note=OLD),
    _four('pascalcontext-fcn16s', 'CVPR-AUTH', 'Table 6', 66.8, 49.6, 37.6, 52.3, note=OLD),
    _four('pascalcontext-fcn8s', 'CVPR-AUTH', 'Table 6', 67.0, 50.7, 37.8, 52.5, note=OLD),
    _four('pascalcontext-fcn32s', 'CVPR-v2', 'Table 6', 63.8, 42.7, 31.8, 48.3, note=OLD),
    _four('pascalcontext-fcn16s', 'CVPR-v2', 'Table 6', 65.7, 46.2, 34.8, 50.7, note=OLD),
    _four('pascalcontext-fcn8s', 'CVPR-v2', 'Table 6', 65.9, 46.5, 35.1, 51.0, note=OLD),
    *(_iu(f'pascalcontext-fcn{stride}s', 'ZOO', f'fcn-{stride}s-pascalcontext', value,
          'weights older than PAMI') for stride, value in ((32, 35.1), (8, 37.8))),
    # CamVid: no published training of FCN-32s, 16s and 8s is this one
    _four('camvid-fcn8s', 'ITER', 'README', 88.06, None, 57.03, split='test'),
    _four('camvid-fcn8s', 'ITER', 'README, later', 88.41, None, 57.41, split='test'),
    *(_four(net, 'FMAHOUDEAU', where, *values, note=ADAM, split='val')
      for net, where, values in (
          ('camvid-fcn32s', 'README', (92.6, 73.4, 65.0)),
          ('camvid-fcn16s', 'README, staged', (93.8, 77.9, 69.7)),
          ('camvid-fcn16s', 'README, one-off', (93.9, 79.2, 70.4)),
          ('camvid-fcn8s', 'README, staged', (94.6, 81.5, 72.9)),
          ('camvid-fcn8s', 'README, one-off', (94.5, 81.0, 73.2)))),
    *(_four(net, 'GITLANX', where, *values, note='lr 0.01, mean loss; size not stated',
            split=UNSTATED)
      for net, where, values in (('camvid-fcn8s', 'at 699eb32', (83.62, 66.79, 50.36)),
                                 ('camvid-fcn32s', 'at 699eb32', (82.04, 66.38, 48.62)),
                                 ('camvid-fcn32s', 'at 82521fd', (85.71, 59.66, 49.34)))),
    *(_four(net, 'SEG', 'Table 1', *values, split='test', target=True)
      for net, values in (('camvid-segnet-basic', (84.0, 54.6, 46.3)),
                          ('camvid-segnet-basic-balanced', (82.7, 62.0, 47.7)),
                          ('camvid-fcn-basic', (83.9, 55.6, 45.0)),
                          ('camvid-fcn-basic-balanced', (81.7, 62.4, 47.3)))),
    _four('camvid-segnet', 'TUT', '', 88.6, 65.9, 50.2, note='its encoder starts from VGG16',
          split='test', target=True),
    _four('camvid-segnet-basic-balanced', 'TUT', '', 82.8, 62.3, 46.3, split='test'),
    _four('camvid-segnet-basic-balanced', 'CHAINERCV', '', 82.7, 67.1, 47.2,
          note='16,000 iterations', split=UNSTATED),
    # DeepLab: VOC 2012 val (1,449 images), trained on train_aug
    *(figure for net, source, where, plain, refined, test, note in (
        ('deeplab-4x4', 'DL1', 'Table 1', 59.80, 63.74, 66.4, ''),
        ('deeplab-msc', 'DL1', 'Table 1', 61.30, 65.21, 67.1, ''),
        ('deeplab-7x7', 'DL1', 'Table 1', 64.38, 67.64, 70.3, ''),
        ('deeplab-4x4-r8', 'DL1', 'Table 2', 63.41, 67.14, None, ''),
        ('deeplab-largefov', 'DL1', 'Table 1', 62.25, 67.64, 70.3, ''),
        ('deeplab-msc-largefov', 'DL1', 'Table 1', 64.21, 68.70, 71.6, ''),
        ('deeplab-vgg16-largefov', 'DL2', 'Tables 2 and 3', 65.88, 69.84, None, ''),
        ('deeplab-vgg16-aspp-s', 'DL2', 'Table 3', 66.98, 69.73, None, ''),
        ('deeplab-vgg16-aspp-l', 'DL2', 'Table 3', 68.96, 71.57, 72.6, ''),
        ('deeplab-resnet101-plain', 'DL2', 'Table 4', 68.72, None, None, ''),
        ('deeplab-resnet101-msc', 'DL2', 'Table 4', 71.27, None, None, ''),
        ('deeplab-resnet101-largefov', 'DL2', 'Table 4', 75.54, None, None, COCO),
        ('deeplab-resnet101', 'DL2', 'Table 4', 76.35, 77.69, 79.7, COCO))
      for figure in _refined(net, source, where, plain, refined, test, note)),
    _iu('deeplab-vgg16-largefov', 'DL2', 'text', 67.7, SERVER, split='VOC 2012 test'),
    _iu('deeplab-resnet101', 'KAZUTO', '', 76.65, f'{COCO}; the authors\' weights'),
    _iu('deeplab-resnet101', 'KAZUTO', '', 77.93, f'{COCO}; the authors\' weights; {REFINED}'),
    # the papers' other experiments (netspec.experiments)
    _four('accum', 'PAMI', 'Table 2', 86.0, 66.5, 51.9, 76.5, target=True),
    _four('online', 'PAMI', 'Table 2', 89.3, 76.2, 60.7, 81.8, target=True),
    _four('heavy', 'PAMI', 'Table 2', 90.5, 76.5, 63.6, 83.5, target=True),
    _four('fixed', 'PAMI', 'Table 3', 82.9, 64.6, 46.6, 72.3, target=True),
    _four('fixed', 'CVPR-v2', 'Table 2', 83.0, 59.7, 45.4, 72.0, note=OLD),
    _four('pool5', 'PAMI', 'Table 3', 87.4, 60.5, 50.0, 78.5, target=True),
    _four('pool4', 'PAMI', 'Table 3', 78.7, 31.7, 22.4, 67.0, target=True),
    _four('pool3', 'PAMI', 'Table 3', 70.9, 13.7, 9.2, 57.6, target=True),
    _four('at-once', 'PAMI', 'Table 3', 91.1, 78.5, 65.4, 84.4, target=True),
    _iu('table1-vgg16', 'PAMI', 'Table 1', 56.0, target=True),
    _four('nyud-fcn16s-color-hha', 'CVPR-v2', 'Table 4', 65.4, 46.1, 34.0, 49.5, target=True),
    _four('context33-fcn32s', 'CVPR-v2', 'Table 6', 69.8, 65.1, 50.4, 54.9, target=True),
    _four('context33-fcn16s', 'CVPR-v2', 'Table 6', 71.8, 68.0, 53.4, 57.5, target=True),
    _four('context33-fcn8s', 'CVPR-v2', 'Table 6', 71.8, 67.6, 53.5, 57.7, target=True),
    _iu('voc-only', 'PAMI', 'text', 57.7, target=True),
    _iu('voc-only', 'CVPR-v2', 'Table 1', 56.0, OLD, split='val'),
    _four('voc-only', 'GITLANX', 'at 0eb9465', 89.37, 68.53, 56.93,
          note='trained on VOC 2012 in place of 2011', split=UNSTATED),
    _four('voc-only', 'FMAHOUDEAU', 'README, train only', 90.7, 69.3, 60.0,
          note='trained on VOC 2012 in place of 2011', split=UNSTATED),
    _iu('voc-only-alexnet', 'PAMI', 'text', 39.8, target=True),
    _iu('voc-only-alexnet', 'PAMI', 'Table 1', 39.8, target=True, split='val'),
    *(Figure(net, 'PAMI', {FOREGROUND: value}, 'Table 8',
             'far above what Table 3 gives for the same net; the paper does not say how it was '
             'scored', True)
      for net, value in (('mask-reference', 84.8), ('mask-reference-fg', 81.0),
                         ('mask-reference-bg', 19.8), ('mask-fg-only', 76.1),
                         ('mask-bg-only', 37.8), ('mask-shape', 29.1))))

# The authors' caffemodels on seg11valid, to four decimals (CH README).
RELEASED = tuple(
    _four(net, 'CH', 'README, original weights', *values, target=True) for net, values in {
        'voc-fcn32s': (90.4810, 76.4824, 63.6261, 83.4580),
        'voc-fcn16s': (90.9971, 78.0710, 65.0050, 84.2614),
        'voc-fcn8s': (91.2212, 77.6146, 65.5126, 84.5445),
        'voc-fcn8s-atonce': (91.1288, 78.4979, 65.3998, 84.4326)}.items())

# Others' trainings by the same recipe, as far as they state it: how far apart runs lie.
RETRAINED = (
    _iu('voc-fcn32s', 'PT', 'README', 62.84), _iu('voc-fcn32s', 'PT', 'PR #89, run 1', 62.8708),
    _iu('voc-fcn32s', 'PT', 'PR #89, run 2', 62.3003),
    _four('voc-fcn32s', 'CH', 'README, trained', 90.5668, 76.8740, 63.8180, 83.5067),
    _four('voc-fcn32s', 'GITLANX', 'at b1f756b', 90.17, 75.56, 61.81),
    _iu('voc-fcn16s', 'PT', 'README', 64.91), _iu('voc-fcn16s', 'PT', 'PR #89', 65.1225),
    _four('voc-fcn16s', 'CH', 'README, from the original 32s', 90.9671, 78.0617, 65.0911, 84.2604),
    _four('voc-fcn16s', 'CH', 'README, from their own 32s', 91.1009, 77.2522, 65.3628, 84.3675),
    _iu('voc-fcn8s', 'PT', 'README', 65.49), _iu('voc-fcn8s', 'PT', 'PR #89', 65.4783),
    _four('voc-fcn8s', 'CH', 'README, from the original 16s', 91.2513, 77.1490, 65.4789, 84.5460),
    _four('voc-fcn8s', 'CH', 'README, from their own 16s', 91.2608, 78.1484, 65.8444, 84.6447),
    _iu('voc-fcn8s-atonce', 'PT', 'README', 64.74),
    _iu('voc-fcn8s-atonce', 'PT', 'PR #89, run 1', 64.1524),
    _iu('voc-fcn8s-atonce', 'PT', 'PR #89, run 2', 63.9817),
    _iu('voc-fcn8s-atonce', 'PT', 'issue #84', 63.5, '"same setting", 96,000 iterations'),
    _four('voc-fcn8s-atonce', 'CH', 'README, trained', 91.0883, 77.3528, 65.3433, 84.4276),
    _four('voc-fcn8s-atonce', 'GITLANX', 'at b1f756b', 90.27, 74.95, 62.13))
SAME_AS = {'heavy': 'voc-fcn32s'}
SAME_CODE_SPREAD = 0.6  # the same code trained twice or thrice (PT): 62.3-62.9, 64.0-64.7

# Mean IU of labels sampled down and up again (PAMI section 6.3, CVPR-v2 appendix A).
BOUND = {128: 50.9, 64: 73.3, 32: 86.1, 16: 92.8, 8: 96.4, 4: 98.5}
ABSENT_SIFTFLOW = 3  # classes that its test set lacks (CVPR-v2 footnote 10, PAMI footnote 6)


def figures(net: str, released: bool = False) -> list[Figure]:
    """Return what is published of a net: the figures of its own recipe first.

    Of released weights their four decimals, where there are such.
    """
    decimals = [f for f in RELEASED if f.net == net] if released else []
    rows = decimals or [f for f in FIGURES if f.net == net]
    return sorted(rows, key=lambda figure: not figure.target)


def retrained(net: str) -> list[Figure]:
    """Return others' trainings of a net by its recipe."""
    return [figure for figure in RETRAINED if figure.net == SAME_AS.get(net, net)]


def spread(net: str) -> tuple[float, float] | None:
    """Return the lowest and highest mean IU of others' trainings, None where there are none."""
    values = [figure.values['mean IU'] for figure in retrained(net)]
    return (min(values), max(values)) if values else None


def published_on(figure: Figure) -> str:
    """Return the name of the list that a figure was scored on."""
    from netspec.experiments import find_experiment
    return figure.split or find_experiment(figure.net).row.splits[1].name
