"""The papers' other experiments as named rows: PAMI Tables 2, 3 and 8, and VOC without SBD.

A row is a Variant with other numbers, and where the net itself differs an edit of its message.
What the paper does not state is our reading, and the row's `note` says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from netspec.blocks import score, upscore
from netspec.coord_map import crop
from netspec.families import make_net
from netspec.families.fcn import fcn, fitted
from netspec.schema import print_net, print_solver
from netspec.schema.messages import LayerParameter, NetParameter
from netspec.solver_param import solver
from netspec.spec import NetSpec, unknown
from netspec.spec import layers as L
from netspec.trunks.vgg16 import vgg16
from netspec.variants import VARIANTS, Variant, find_variant
from netspec.variants.data_splits import VOC_LAYER, VOC_VAL
from netspec.variants.row import Split

NetMaker = Callable[..., NetParameter]
Builder = Callable[[Variant], 'Experiment']


@dataclass(frozen=True)
class Experiment:
    """What `fcn reproduce` runs: a row, how its nets are made, and what is read from it.

    train, test: further entries of the data layers' param_str. weights_of: an experiment whose
    trained weights this one only tests. foreground: scored without the background class.
    """

    name: str
    row: Variant
    title: str = ''
    note: str = ''
    make: NetMaker = make_net
    train: Mapping[str, Any] = field(default_factory=dict)
    test: Mapping[str, Any] = field(default_factory=dict)
    weights_of: str = ''
    foreground: bool = False

    def contents(self, folder: str | Path, solver_options: Mapping[str, Any],
                 **net_options: Any) -> dict[Path, str]:
        """Return the text of the two data nets, the deploy net and the solver, by path."""
        texts = {}
        for name, extra in zip([s.file for s in self.row.splits] + ['deploy'],
                               (self.train, self.test, {}), strict=True):
            net = self.make(self.row, name, data_params=extra, **net_options)
            texts[Path(folder, f'{name}.prototxt')] = print_net(net)
        texts[Path(folder, 'solver.prototxt')] = print_solver(solver(self.row, **solver_options))
        return texts


def fixed_trunk(row: Variant, split: str, **options: Any) -> NetParameter:
    """Return the net with every layer but the scores fixed (lr_mult 0)."""
    net = fcn(row, split, **options)
    for layer in net.layer:
        if not layer.name.startswith('score'):
            for param in layer.param:
                param.lr_mult = param.decay_mult = 0
    return net


def truncated(pool: int) -> NetMaker:
    """Return what makes FCN-pool<n>: the trunk up to a pooling, scored and upsampled from there."""
    def make(row: Variant, split: str, classes: int | None = None,
             ignore_label: int | None = None, **options: Any) -> NetParameter:
        row = fitted(row, classes, ignore_label)
        whole = fcn(row, split, **options)
        net, n = NetParameter(), NetSpec()
        end = next(i for i, layer in enumerate(whole.layer) if layer.name == f'pool{pool}')
        net.layer.extend(whole.layer[:end + 1])
        net.layer.extend(_head(n, row, pool))
        net.layer.extend(layer for layer in whole.layer if layer.type == 'SoftmaxWithLoss')
        return net
    return make


def _head(n: NetSpec, row: Variant, pool: int) -> list[LayerParameter]:
    """Return the layers from pool<n> to the scores; offsets from the published trunk's maps."""
    data = n['data'] = L.Input(shape=dict(dim=[1, 3, 500, 500]))
    vgg16(n, data)
    kept = set(n.tops)
    n[f'score_pool{pool}'] = score(n[f'pool{pool}'], row.classes)
    n.upscore = upscore(n[f'score_pool{pool}'], row.classes, 2 ** pool)
    n.score = crop(n.upscore, data)
    return [layer for layer in n.to_proto().layer if layer.name not in kept]


_SAME_RATE = ('The paper does not give the rate of this regime; ours is that of heavy learning, '
              'with gradients averaged over the images of a step, as iter_size does.')
_MASKS = ('The paper does not say what masked pixels become. Ours become the mean colour, void '
          'ones with them; where both are masked, the foreground white and the rest the mean '
          'colour, so that only its shape is left.')
_HALF = 'Learning rate and length are those of the 32s net; the paper gives no others.'


def _regime(name: str, title: str, momentum: float, images: int) -> Builder:
    """Make a row of PAMI Table 2, which sees as many images as heavy learning in each block, in
    fewer steps.
    """
    def build(base: Variant) -> Experiment:
        old = base.schedule
        block = max(1, old.block // images)
        schedule = replace(old, momentum=momentum, iter_size=images, block=block,
                           max_iter=max(1, old.max_iter // images), snapshot=block)
        return Experiment(name, replace(base, name=name, schedule=schedule), title,
                          '' if name == 'heavy' else _SAME_RATE)
    return build


def _fixed(base: Variant) -> Experiment:
    return Experiment('fixed', replace(base, name='fixed'),
                      'PAMI Table 3: only the scores learn', _HALF, fixed_trunk)


def _pool(n: int) -> Builder:
    def build(base: Variant) -> Experiment:
        if base.trunk != 'vgg16' or len(base.streams) > 1 or len(base.heads) > 1:
            raise ValueError(f'pool{n} is for nets of one VGG16 trunk and one head, not '
                             f'{base.name}')
        return Experiment(f'pool{n}', replace(base, name=f'pool{n}', stride=2 ** n),
                          f'PAMI Table 3: the trunk ends at pool{n}', _HALF, truncated(n))
    return build


def _mask(name: str, title: str, train: str, test: str, weights_of: str = '') -> Builder:
    def keys(mask: str) -> dict[str, str]:
        return {'mask': mask} if mask else {}

    def build(base: Variant) -> Experiment:
        return Experiment(name, replace(base, name=name), f'PAMI Table 8: {title}', _MASKS, fcn,
                          keys(train), keys(test), weights_of, True)
    return build


def _voc_only(name: str, net: str, title: str) -> Builder:
    def build(base: Variant) -> Experiment:
        if base.name not in ('voc-fcn32s', net):
            raise ValueError(f'{name} is for {net}, not {base.name}')
        row = replace(VARIANTS[net], name=name, own_splits=None,
                      splits=(Split('train', 'train', VOC_LAYER), VOC_VAL))
        return Experiment(name, row, title, _HALF if net == 'voc-fcn32s' else '')
    return build


BUILDERS: dict[str, Builder] = {
    'accum': _regime('accum', 'PAMI Table 2: 20 images a step, momentum 0.9', 0.9, 20),
    'online': _regime('online', 'PAMI Table 2: 1 image a step, momentum 0.9', 0.9, 1),
    'heavy': _regime('heavy', 'PAMI Table 2: 1 image a step, momentum 0.99', 0.99, 1),
    'fixed': _fixed, 'pool5': _pool(5), 'pool4': _pool(4), 'pool3': _pool(3),
    'mask-reference': _mask('mask-reference', 'nothing masked', '', ''),
    'mask-reference-fg': _mask('mask-reference-fg', 'background masked in testing', '',
                               'background', 'mask-reference'),
    'mask-reference-bg': _mask('mask-reference-bg', 'foreground masked in testing', '',
                               'foreground', 'mask-reference'),
    'mask-fg-only': _mask('mask-fg-only', 'background masked', 'background', 'background'),
    'mask-bg-only': _mask('mask-bg-only', 'foreground masked', 'foreground', 'foreground'),
    'mask-shape': _mask('mask-shape', 'both masked', 'both', 'both'),
    'voc-only': _voc_only('voc-only', 'voc-fcn32s', 'PAMI text: FCN-32s on VOC 2011 without SBD'),
    'voc-only-alexnet': _voc_only('voc-only-alexnet', 'voc-fcn-alexnet',
                                  'PAMI Table 1: FCN-AlexNet without SBD')}
EXPERIMENTS: dict[str, Experiment] = {name: build(VARIANTS['voc-fcn32s'])
                                     for name, build in BUILDERS.items()}


def find_experiment(name: str | Variant, net: str | Variant | None = None) -> Experiment:
    """Return the experiment of that name; a net's name is the experiment of training it.

    net: do it with this net in place of voc-fcn32s. Raises KeyError for an unknown name,
    ValueError for a net that the experiment cannot be done with.
    """
    if isinstance(name, Variant) or name in VARIANTS:
        if net is not None:
            raise ValueError(f'{getattr(name, "name", name)} is a net already; --net is for the '
                             f'experiments ({", ".join(BUILDERS)})')
        row = find_variant(name)
        return Experiment(row.name, row)
    if name not in BUILDERS:
        raise unknown('no net or experiment is named', name, [*VARIANTS, *BUILDERS])
    return EXPERIMENTS[name] if net is None else BUILDERS[name](find_variant(net))
