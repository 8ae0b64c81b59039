"""Name tables as data: torchvision's and timm's modules beside Caffe's layers.

Sources of the Caffe names: VGG_ILSVRC_16_layers, bvlc_reference_caffenet, bvlc_googlenet and
He's ResNet-{50,101,152}-deploy; ResNet-18 and 34, never published for Caffe, are named likewise.
"""

from collections.abc import Iterator
from typing import NamedTuple

from .pixels import HALVES, IMAGENET, Pixels


class Module(NamedTuple):
    """One weighted module and its layer.

    norm: the module of the batch norm behind it, '' for none. kept: the BatchNorm and Scale layers
    that it becomes; without, it is folded into the layer. window: the kernel that timm gives a
    fully connected layer; for `inner` only. kernel: Caffe's kernel where torch's is smaller.
    head: may be absent.
    """

    module: str
    layer: str
    norm: str = ''
    kept: tuple[str, ...] = ()
    inner: bool = False
    window: int = 0
    kernel: int = 0
    head: bool = False


class Table(NamedTuple):
    """One architecture under one library's names; the first row sees the image."""

    name: str
    rows: tuple[Module, ...]
    pixels: Pixels = IMAGENET
    eps: float = 1e-5                              # of batch norm
    library: str = 'torchvision'

    @property
    def folds(self) -> bool:
        """Tell whether some batch norm is folded, so that there is no way back."""
        return any(row.norm and not row.kept for row in self.rows)


DEPTHS = {'vgg11': (1, 1, 2, 2, 2), 'vgg13': (2, 2, 2, 2, 2), 'vgg16': (2, 2, 3, 3, 3),
          'vgg19': (2, 2, 4, 4, 4)}
VGG_HEADS = {
    'torchvision': (('classifier.0', 'fc6', 0), ('classifier.3', 'fc7', 0),
                    ('classifier.6', 'fc8', 0)),
    'timm': (('pre_logits.fc1', 'fc6', 7), ('pre_logits.fc2', 'fc7', 1), ('head.fc', 'fc8', 0))}
ALEXNET = {'features.0': 'conv1', 'features.3': 'conv2', 'features.6': 'conv3',
           'features.8': 'conv4', 'features.10': 'conv5', 'classifier.1': 'fc6',
           'classifier.4': 'fc7', 'classifier.6': 'fc8'}
GOOGLENET = {'conv1': 'conv1/7x7_s2', 'conv2': 'conv2/3x3_reduce', 'conv3': 'conv2/3x3'}
INCEPTIONS = ('3a', '3b', '4a', '4b', '4c', '4d', '4e', '5a', '5b')
BRANCHES = {'branch1': '1x1', 'branch2.0': '3x3_reduce', 'branch2.1': '3x3',
            'branch3.0': '5x5_reduce', 'branch3.1': '5x5', 'branch4.1': 'pool_proj'}
# blocks of each stage, convolutions of a block
RESNETS = {'resnet18': ((2, 2, 2, 2), 2), 'resnet34': ((3, 4, 6, 3), 2),
           'resnet50': ((3, 4, 6, 3), 3), 'resnet101': ((3, 4, 23, 3), 3),
           'resnet152': ((3, 8, 36, 3), 3)}
NUMBERED = {'resnet101': (3, 4), 'resnet152': (3, 4)}  # stages whose blocks are a, b1, b2, …


def _vgg(name: str, norm: bool, library: str) -> Table:
    """VGG: features are counted through ReLU, pooling and (norm) batch norm."""
    rows, at = [], 0
    for block, depth in enumerate(DEPTHS[name], 1):
        for i in range(1, depth + 1):
            rows.append(Module(f'features.{at}', f'conv{block}_{i}',
                            f'features.{at + 1}' if norm else ''))
            at += 3 if norm else 2
        at += 1
    rows += [Module(module, layer, inner=True, window=window, head=True)
             for module, layer, window in VGG_HEADS[library]]
    return Table(name + '_bn' * norm, tuple(rows), library=library)


def _alexnet() -> Table:
    """torchvision's AlexNet: Krizhevsky's second, not CaffeNet; only the names agree."""
    return Table('alexnet', tuple(
        Module(module, layer, inner=layer.startswith('fc'), head=layer.startswith('fc'))
        for module, layer in ALEXNET.items()))


def _googlenet() -> Table:
    """GoogLeNet: torchvision's came from TensorFlow, trained on pixels of -1..1.

    Batch norm is folded, as Caffe's has none; the 3 x 3 that stands for each 5 x 5 gets a ring of
    zeros. Caffe's LRN layers and its last pooling of 3 x 3 have no counterpart there.
    """
    rows = [Module(f'{module}.conv', layer, f'{module}.bn') for module, layer in GOOGLENET.items()]
    rows += [Module(f'inception{i}.{branch}.conv', f'inception_{i}/{layer}',
                 f'inception{i}.{branch}.bn', kernel=5 if layer == '5x5' else 0)
             for i in INCEPTIONS for branch, layer in BRANCHES.items()]
    for i in (1, 2):
        rows += [Module(f'aux{i}.conv.conv', f'loss{i}/conv', f'aux{i}.conv.bn', head=True),
                 Module(f'aux{i}.fc1', f'loss{i}/fc', inner=True, head=True),
                 Module(f'aux{i}.fc2', f'loss{i}/classifier', inner=True, head=True)]
    rows.append(Module('fc', 'loss3/classifier', inner=True, head=True))
    return Table('googlenet', tuple(rows), HALVES, 1e-3)


def _resnet(name: str) -> Table:
    """ResNet: batch norm stays, as BatchNorm and Scale (bn2a_branch2a, scale2a_branch2a)."""
    rows = [Module('conv1', 'conv1', 'bn1', ('bn_conv1', 'scale_conv1')), *_blocks(name),
            Module('fc', 'fc1000', inner=True, head=True)]
    return Table(name, tuple(rows))


def _blocks(name: str) -> Iterator[Module]:
    """Yield the convolutions of every block, the projection of a stage's first one before them."""
    counts, convs = RESNETS[name]
    for stage, count in enumerate(counts, 2):
        for i in range(count):
            numbered = stage in NUMBERED.get(name, ())
            block = f'{stage}{"a" if i == 0 else f"b{i}" if numbered else chr(ord("a") + i)}'
            module = f'layer{stage - 1}.{i}'
            if i == 0 and (stage > 2 or convs == 3):
                yield _normed(f'{module}.downsample.0', f'{module}.downsample.1', block, '1')
            for j in range(1, convs + 1):
                yield _normed(f'{module}.conv{j}', f'{module}.bn{j}', block, f'2{"abc"[j - 1]}')


def _normed(module: str, norm: str, block: str, branch: str) -> Module:
    end = f'{block}_branch{branch}'
    return Module(module, f'res{end}', norm, (f'bn{end}', f'scale{end}'))


TABLES: tuple[Table, ...] = (
    *(_vgg(name, norm, library) for name in DEPTHS for norm in (False, True)
      for library in VGG_HEADS),
    _alexnet(), _googlenet(), *(_resnet(name) for name in RESNETS))
