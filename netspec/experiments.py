"""The papers' other experiments as named rows: PAMI's Tables 1, 2, 3 and 8, sections 4.4 and 6.1,
and two nets of the CVPR paper alone.

A row is a Variant with other numbers, and where the net itself differs an edit of its message.
What the paper does not state is our reading, and the row's `note` says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from netspec.changed_nets import (
    NetMaker,
    fixed_trunk,
    from_random,
    sampled,
    sigmoid,
    truncated,
)
from netspec.families import make_net
from netspec.families.fcn import TRUNKS, fcn
from netspec.own_dataset import find_own, place_of
from netspec.schema import print_net, print_solver
from netspec.solver_param import solver
from netspec.spec import unknown
from netspec.variants import VARIANTS, Variant, find_variant
from netspec.variants.data_splits import VOC_LAYER, VOC_ONLY, VOC_VAL
from netspec.variants.row import Head, Init, Schedule, Split
from netspec.variants.segnet_rows import MEDIAN_FREQUENCY

Builder = Callable[[Variant], 'Experiment']


@dataclass(frozen=True)
class Experiment:
    """What `fcn reproduce` runs: a row, how its nets are made, and what is read from it.

    train, test: further entries of the data layers' param_str. weights_of: an experiment whose
    trained weights this one only tests. foreground: scored without the background class.
    rate_times: what a rate that is given for all nets is multiplied by for this one.
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
    rate_times: float = 1.0

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


_SAME_RATE = ('The paper does not give the rate of this regime; ours is that of heavy learning. '
              'Its update sums the gradients over the images of a step; iter_size averages them, '
              'so the rate is multiplied by their number. Weight decay so acts as often as images '
              'are seen.')
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
                           base_lr=old.base_lr * images,
                           max_iter=max(1, old.max_iter // images), snapshot=block)
        return Experiment(name, replace(base, name=name, schedule=schedule), title,
                          '' if name == 'heavy' else _SAME_RATE, rate_times=images)
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


def _changed(name: str, title: str, make: NetMaker, note: str = '',
             train: Mapping[str, Any] = MappingProxyType({})) -> Builder:
    """Make a row whose net or training data is another; all else is the base's."""
    def build(base: Variant) -> Experiment:
        return Experiment(name, replace(base, name=name), title, note or _HALF, make, train)
    return build


def _sampling(name: str, keep: float) -> Builder:
    """Make a row that keeps a share of the cells, and sees 1 / share times the images a step."""
    def build(base: Variant) -> Experiment:
        images = round(1 / keep)
        old = base.schedule
        schedule = replace(old, iter_size=images * old.iter_size, base_lr=old.base_lr * images)
        return Experiment(name, replace(base, name=name, schedule=schedule),
                          f'PAMI Figure 5: {keep:.0%} of cells, {images} images a step',
                          _SAMPLED, sampled(keep), rate_times=images)
    return build


def _drop_rate(base: Variant) -> Experiment:
    schedule = replace(base.schedule, base_lr=base.schedule.base_lr / 100)
    row = replace(base, name='drop-rate', init=(Init(place_of(base)),), schedule=schedule)
    return Experiment('drop-rate', row, 'PAMI section 4.3: rate / 100, no skip is added', _HALF)


def _at_once(base: Variant) -> Experiment:
    """Make a row that trains all skips at once, from what the coarsest net starts from."""
    if base.name == 'voc-fcn32s':
        row = replace(VARIANTS['voc-fcn8s-atonce'], name='at-once')
        return Experiment('at-once', row, 'PAMI Table 3: all skips trained at once')
    coarse = base
    while coarse.init and (donor := _known(coarse.init[0].donor)):
        coarse = donor
    row = replace(base, name='at-once', init=coarse.init, schedule=coarse.schedule,
                  skip_scales=tuple(zip(TRUNKS[base.trunk].skips, (0.01, 0.0001), strict=False)))
    return Experiment('at-once', row, 'PAMI section 4.3: all skips trained at once', _AT_ONCE)


def _scratch(base: Variant) -> Experiment:
    return Experiment('scratch', replace(base, name='scratch', init=()),
                      'PAMI section 4.4: from random weights', _FILLERS, from_random)


def _balanced(name: str, title: str, power: float = 1.0) -> Builder:
    """Make a row whose loss weighs the classes, by the dataset's weights to a power."""
    def build(base: Variant) -> Experiment:
        if base.dataset not in WEIGHTS or len(base.heads) > 1:
            raise ValueError(f'{name}: no class weights are known for {base.name}; there are some '
                             f'for {" and ".join(WEIGHTS)}')
        weights = tuple(weight ** power for weight in WEIGHTS[base.dataset])
        return Experiment(name, replace(base, name=name, class_weighting=weights), title,
                          _WEIGHED if power == 1 else f'{_WEIGHED} {_ROOT}')
    return build


def _table1_vgg16(base: Variant) -> Experiment:
    _only(base, 'table1-vgg16', 'voc-fcn32s')
    row = replace(base, name='table1-vgg16', splits=VOC_ONLY, normalize=True,
                  schedule=Schedule(1e-4, 10000, 1111, 1000, 1000, 10, 0.9, 20))
    return Experiment('table1-vgg16', row, 'PAMI Table 1: FCN-VGG16 without SBD', _TABLE1)


def _nyud_16s(base: Variant) -> Experiment:
    name, coarse = 'nyud-fcn16s-color-hha', 'nyud-fcn32s-color-hha'
    _only(base, name, 'voc-fcn32s', coarse)
    old = VARIANTS[coarse]
    row = replace(old, name=name, stride=16, init=(Init(coarse),),
                  schedule=replace(old.schedule, base_lr=old.schedule.base_lr / 100))
    return Experiment(name, row, 'CVPR Table 4: RGB-HHA with a skip from pool4', _NYUD)


def _context33(stride: int) -> Builder:
    """Make a row of PASCAL-Context's task of 33 classes; 16s and 8s start from the coarser."""
    def build(base: Variant) -> Experiment:
        name, net = f'context33-fcn{stride}s', f'pascalcontext-fcn{stride}s'
        _only(base, name, 'voc-fcn32s', net)
        old = VARIANTS[net]
        init = old.init if stride == 32 else (Init(f'context33-fcn{2 * stride}s'),)
        row = replace(old, name=name, init=init, heads=(Head(34, 'pascalcontext33'),))
        keys = {'task': '33_labels.txt'}
        return Experiment(name, row, 'CVPR Table 6: PASCAL-Context, 33 classes', _CONTEXT33,
                          fcn, keys, keys)
    return build


def _only(base: Variant, name: str, *nets: str) -> None:
    """Raise ValueError where an experiment is asked for with a net that it is not of."""
    if base.name not in nets:
        raise ValueError(f'{name} is for {nets[-1]}, not {base.name}')


# Of VOC's pixels three quarters are background (PAMI section 4.4): it and all others weigh alike.
WEIGHTS = {'voc': (2 / 3, *(2.0,) * 20), 'camvid': MEDIAN_FREQUENCY}
_WEIGHED = ('The paper does not say how it balanced. Ours weighs the background, three quarters '
            "of VOC's pixels, like all other classes together; on CamVid by median frequency. "
            + _HALF)
_ROOT = 'Their square roots, which the paper does not try, weigh thin classes more gently.'
_SIGMOID = 'Ignored pixels have no loss. ' + _HALF
_SAMPLED = ('Sampled by a mask of the coarsest scores, upsampled as they are. The loss sums over '
            'the images of a step: the rate is multiplied by their number. ' + _HALF)
_FILLERS = 'The paper does not say from which random weights; ours are those of msra. ' + _HALF
_AT_ONCE = 'The skips are scaled by 0.01 and 0.0001, as those of VGG16.'
_TABLE1 = ('As in the published AlexNet the loss is divided by the pixels; 10,000 steps are 180 '
           'epochs, the paper says at least 175.')
_NYUD = ("The paper does not say how the streams' skips are fused; ours are averaged as their "
         'scores are. The rate is a hundredth of that of the 32s.')
_CONTEXT33 = ('Rates and lengths are those of the 59-class nets. All other labels are background, '
              'which is scored as a class, as in the task of 59.')

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
                                  'PAMI Table 1: FCN-AlexNet without SBD'),
    'table1-vgg16': _table1_vgg16,
    'drop-rate': _drop_rate, 'at-once': _at_once,
    'sigmoid': _changed('sigmoid', 'PAMI section 4.4: sigmoid cross-entropy loss', sigmoid(),
                        _SIGMOID),
    'null-background': _changed('null-background', 'PAMI section 6.1: the background scores 0',
                                sigmoid(null_background=True), _SIGMOID),
    'sampling-50': _sampling('sampling-50', 0.5), 'sampling-25': _sampling('sampling-25', 0.25),
    'augmented': _changed('augmented', 'PAMI section 4.4: mirrored, moved up to 32 px',
                          make_net, train={'mirror': True, 'jitter': 32}),
    'balanced': _balanced('balanced', 'PAMI section 4.4: classes weighed in the loss'),
    'balanced-root': _balanced('balanced-root', "classes weighed by the weights' roots (ours)",
                               0.5),
    'scratch': _scratch,
    'nyud-fcn16s-color-hha': _nyud_16s,
    'context33-fcn32s': _context33(32), 'context33-fcn16s': _context33(16),
    'context33-fcn8s': _context33(8)}
EXPERIMENTS: dict[str, Experiment] = {name: build(VARIANTS['voc-fcn32s'])
                                     for name, build in BUILDERS.items()}


def find_experiment(name: str | Variant, net: str | Variant | None = None) -> Experiment:
    """Return the experiment of that name; a net's name is the experiment of training it.

    net: do it with this net in place of voc-fcn32s. Either may be a folder of `fcn new`. Raises
    KeyError for an unknown name, ValueError for a net that the experiment cannot be done with.
    """
    row = _known(name)
    if row:
        if net is not None:
            raise ValueError(f'{row.name} is a net already; --net is for the '
                             f'experiments ({", ".join(BUILDERS)})')
        return Experiment(row.name, row)
    if name not in BUILDERS:
        raise unknown('no net or experiment is named', str(name), [*VARIANTS, *BUILDERS])
    if net is None:
        return EXPERIMENTS[name]
    return BUILDERS[name](_known(net) or find_variant(net))


def _known(name: str | Variant) -> Variant | None:
    """Return a row of the table, or of a user's own folder; None where there is none."""
    if isinstance(name, Variant):
        return name
    return VARIANTS.get(name) or (None if name in BUILDERS else find_own(name))


def is_known(name: str) -> bool:
    """Tell whether a name is a net's or an experiment's that `find_experiment` finds."""
    return name in BUILDERS or _known(name) is not None
