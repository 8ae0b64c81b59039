"""Nets, solvers and layers drawn at random from a seed, as prototxt text that any Caffe reads."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

Shape = tuple[int, ...]


@dataclass
class Case:
    """What is to be run. text: the net. classes: how many its labels have. prepare: writes the
    files that it reads. feed: gives it arrays. after: reads what it wrote. followed: every pass
    is compared, not only the last. run: does something else with a Caffe than run the net.
    """

    text: str
    phase: int                        # 0 TRAIN, 1 TEST
    level: int = 0
    stages: tuple[str, ...] = ()
    solver: str = ''
    classes: int = 4
    prepare: Callable[[Path], None] | None = None
    feed: Callable[[Any], None] | None = None
    after: Callable[[], dict[str, Any]] | None = None
    passes: int = 2
    followed: bool = False
    run: Callable[[Any], dict[str, Any]] | None = None


def field(name: str, **values: object) -> str:
    """Write a message: strings that are no words are quoted, None left out, lists repeated."""
    parts = []
    for key, value in values.items():
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if one is not None:
                shown = str(one).lower() if isinstance(one, bool) else one
                parts.append(f'{key}: {shown}')
    return f'{name} {{ {" ".join(parts)} }}'


def layer(name: str, kind: str, bottoms: list[str], tops: list[str], more: str = '') -> str:
    reads = ''.join(f' bottom: "{b}"' for b in bottoms)
    makes = ''.join(f' top: "{t}"' for t in tops)
    return f'layer {{ name: "{name}" type: "{kind}"{reads}{makes} {more} }}\n'


def given(name: str, shape: Shape) -> str:
    dims = ' '.join(f'dim: {n}' for n in shape)
    return layer(name, 'Input', [], [name], f'input_param {{ shape {{ {dims} }} }}')


FILLED = 'weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.1 }'


# -- options of one layer with one bottom: a function of the dice -------------------------------

def convolution(r: Random, fewest: int = 1) -> str:
    return field('convolution_param', num_output=r.choice([2, 4]), kernel_size=r.randint(1, 3),
                 stride=r.randint(1, 2), pad=r.randint(0, 2), dilation=r.choice([1, 1, 2]),
                 group=r.choice([1, 1, 2]), bias_term=r.random() < .7)[:-1] + FILLED + ' }'


def pooling(r: Random) -> str:
    kernel = r.randint(1, 3)
    if r.random() < .15:
        return field('pooling_param', pool=r.choice(['MAX', 'AVE']), global_pooling=True)
    return field('pooling_param', pool=r.choice(['MAX', 'MAX', 'AVE']), kernel_size=kernel,
                 stride=r.randint(1, 3), pad=r.randint(0, kernel - 1),
                 round_mode=r.choice([None, 'FLOOR', 'CEIL']))


def lrn(r: Random) -> str:
    return field('lrn_param', local_size=r.choice([1, 3, 5]), alpha=r.uniform(.1, 3),
                 beta=r.uniform(.3, 1.5), k=r.uniform(.5, 2),
                 norm_region=r.choice(['ACROSS_CHANNELS', 'WITHIN_CHANNEL']))


def reshaping(r: Random) -> str:
    dims = r.choice([(0, -1), (-1, 0, 0), (0, 0, -1), (0, -1, 1), (1, 0, 0, -1)])
    return f'reshape_param {{ {field("shape", dim=dims)} }}'


Options = Callable[[Random], str]
PLACE: dict[str, Options] = {                   # these may work in place
    'ReLU': lambda r: field('relu_param', negative_slope=r.choice([None, .2])),
    'PReLU': lambda r: field('prelu_param', channel_shared=r.random() < .3),
    'ELU': lambda r: field('elu_param', alpha=r.uniform(.2, 2)),
    'Sigmoid': lambda r: '', 'TanH': lambda r: '', 'BNLL': lambda r: '',
    'Swish': lambda r: field('swish_param', beta=r.uniform(.5, 2)),
    'Clip': lambda r: field('clip_param', min=-r.random(), max=r.random()),
    'Power': lambda r: field('power_param', power=r.choice([1, 2, 3]), scale=r.uniform(-2, 2),
                             shift=r.choice([0, .5])),
    'Exp': lambda r: field('exp_param', base=r.choice([-1, 2]), scale=r.uniform(.2, 1)),
    'BatchNorm': lambda r: field('batch_norm_param', use_global_stats=r.choice([None, True, False]),
                                 eps=r.choice([None, .01])),
    'Scale': lambda r: field('scale_param', axis=r.choice([0, 1, 1, -1]),
                             num_axes=r.choice([1, 1, 0]), bias_term=r.random() < .5),
    'Bias': lambda r: field('bias_param', axis=r.choice([0, 1])),
    'MVN': lambda r: field('mvn_param', normalize_variance=r.random() < .7,
                           across_channels=r.random() < .3),
}
ONE: dict[str, Options] = {
    **PLACE, 'Convolution': convolution, 'Deconvolution': convolution, 'Pooling': pooling,
    'LRN': lrn, 'Reshape': reshaping,
    'AbsVal': lambda r: '', 'Threshold': lambda r: field('threshold_param', threshold=r.random()),
    'Flatten': lambda r: field('flatten_param', axis=r.choice([0, 1, 2]), end_axis=-1),
    'Softmax': lambda r: field('softmax_param', axis=r.choice([1, 1, 2])),
    'InnerProduct': lambda r: field('inner_product_param', num_output=r.randint(1, 5),
                                    axis=r.choice([1, 1, 2]), transpose=r.random() < .3)[:-1]
    + FILLED + ' }',
    'Reduction': lambda r: field('reduction_param', axis=r.randint(0, 2), coeff=r.uniform(-2, 2),
                                 operation=r.choice(['SUM', 'ASUM', 'SUMSQ', 'MEAN'])),
    'ArgMax': lambda r: field('argmax_param', top_k=r.choice([1, 2]), axis=r.choice([None, 1]),
                              out_max_val=r.random() < .4),
    'Tile': lambda r: field('tile_param', axis=r.randint(0, 3), tiles=r.randint(1, 3)),
    'Im2col': lambda r: field('convolution_param', kernel_size=r.randint(1, 3),
                              pad=r.randint(0, 1), stride=r.randint(1, 2)),
    'SPP': lambda r: field('spp_param', pyramid_height=r.randint(1, 2),
                           pool=r.choice(['MAX', 'AVE'])),
    'Concat': lambda r: field('concat_param', axis=r.choice([1, -1])),
    'Slice': lambda r: field('slice_param', axis=1),
    'Split': lambda r: '',
}
LOSSES: dict[str, Options] = {
    'SoftmaxWithLoss': lambda r: field(
        'loss_param', normalization=r.choice(['FULL', 'VALID', 'BATCH_SIZE', 'NONE']),
        ignore_label=r.choice([None, 1])),
    'HingeLoss': lambda r: field('hinge_loss_param', norm=r.choice(['L1', 'L2'])),
    'MultinomialLogisticLoss': lambda r: '',
    'Accuracy': lambda r: field('accuracy_param', top_k=r.choice([1, 2])),
}


# -- kinds of cases -------------------------------------------------------------------------------

def of_layer(r: Random) -> Case:
    """One layer, or one that joins two blobs, with options of its own."""
    shape = (r.randint(1, 3), r.choice([2, 4]), r.randint(2, 7), r.randint(2, 7))
    kind = r.choice([*ONE, 'Eltwise', 'Concat2', 'Scale2', 'Crop', 'Loss', 'Filter', 'Reindex'])
    text, phase = 'force_backward: true\n', r.randint(0, 1)
    if kind in ONE:
        in_place = kind in PLACE and r.random() < .3
        text += given('x', shape) + layer('a', kind, ['x'], ['x' if in_place else 'y'],
                                          ONE[kind](r))
        return Case(text, phase)
    if kind == 'Loss':
        loss = r.choice(list(LOSSES))
        text = given('x', (shape[0], 4)) + given('label', shape[:1])
        text += layer('s', 'Softmax', ['x'], ['p']) + layer('i', 'InnerProduct', ['p'], ['q'],
                      'inner_product_param { num_output: 4 weight_filler { type: "xavier" } }')
        text += layer('sig', 'Sigmoid', ['q'], ['v'])
        return Case(text + layer('l', loss, ['v', 'label'], ['t'], LOSSES[loss](r)), phase)
    text += given('x', shape)
    if kind == 'Eltwise':
        op = r.choice(['SUM', 'PROD', 'MAX'])
        coeff = [round(r.uniform(-2, 2), 2) for _ in range(2)] if op == 'SUM' else None
        more = field('eltwise_param', operation=op, coeff=coeff,
                     stable_prod_grad=r.random() < .5)
        return Case(text + given('z', shape) + layer('a', 'Eltwise', ['x', 'z'], ['y'], more),
                    phase)
    if kind == 'Concat2':
        return Case(text + given('z', shape) + layer('a', 'Concat', ['x', 'z', 'x'], ['y'],
                    field('concat_param', axis=r.randint(0, 3))), phase)
    if kind == 'Scale2':
        text += given('z', shape[1:2]) + layer('a', r.choice(['Scale', 'Bias']), ['x', 'z'], ['y'])
        return Case(text, phase)
    if kind == 'Crop':
        small = (*shape[:2], *(r.randint(1, n) for n in shape[2:]))
        more = field('crop_param', axis=2, offset=[n - m for n, m in
                                                   zip(shape[2:], small[2:], strict=True)])
        return Case(text + given('z', small) + layer('a', 'Crop', ['x', 'z'], ['y'], more), phase)
    text = text.replace('force_backward: true\n', '') + given('label', shape[:1])
    return Case(text + layer('a', 'Filter' if kind == 'Filter' else 'BatchReindex',
                             ['x', 'label'], ['y']), phase, classes=shape[0])


def rule(r: Random) -> str:
    """An include or exclude rule of a stage, a level or a phase."""
    body = r.choice(['stage: "a"', 'not_stage: "a"', 'stage: "a" stage: "b"', 'min_level: 1',
                     'max_level: 1', 'phase: TRAIN', 'phase: TEST not_stage: "b"'])
    return f'{r.choice(["include", "exclude"])} {{ {body} }}'


def of_net(r: Random, least: int = 3, most: int = 10) -> Case:
    """A net of several layers that read each other's blobs, several times and in place."""
    shape = (r.randint(1, 3), 4, r.randint(4, 8), r.randint(4, 8))
    text = 'force_backward: true\n' if r.random() < .6 else ''
    text += given('x', shape)
    blobs, read = ['x'], set()       # what others read cannot be worked on in place
    for i in range(r.randint(least, most)):
        source = r.choice(blobs[-3:])
        if r.random() < .25 and len(blobs) > 1:
            text += layer(f'l{i}', 'Eltwise', [source, source], [f'b{i}'], field(
                'eltwise_param', operation=r.choice(['SUM', 'PROD', 'MAX'])))
            blobs.append(f'b{i}')
            read.add(source)
            continue
        kind = r.choice([*ONE, 'Flatten', 'Reshape', 'Slice', 'BatchNorm', 'Pooling', 'LRN'])
        in_place = kind in PLACE and source not in read and r.random() < .7
        more = ONE[kind](r)
        if r.random() < .15:
            more += f' loss_weight: {r.uniform(.1, 2):.3f}'
        if kind in ('Convolution', 'InnerProduct') and r.random() < .3:
            more += ' param { lr_mult: 0 }'
        if r.random() < .1:
            more += f' propagate_down: {r.choice(["true", "false"])}'
        if in_place and r.random() < .3:
            more += ' ' + rule(r)
        text += layer(f'l{i}', kind, [source], [source if in_place else f'b{i}'], more)
        if not in_place:
            blobs.append(f'b{i}')
            read.add(source)
    stages = tuple(s for s in 'ab' if r.random() < .5)
    return Case(text, r.randint(0, 1), r.randint(0, 2), stages)


def of_solver(r: Random) -> Case:
    """A small net and a solver of any type and policy."""
    kind = r.choice(['SGD', 'Nesterov', 'AdaGrad', 'RMSProp', 'AdaDelta', 'Adam'])
    text = given('x', (4, 3)) + given('t', (4, 2)) + layer(
        'ip', 'InnerProduct', ['x'], ['h'], 'param { lr_mult: 1 decay_mult: 1 } '
        f'param {{ lr_mult: {r.choice([0, 2])} decay_mult: 0 }} inner_product_param {{ '
        'num_output: 5 weight_filler { type: "xavier" } }') + layer('s', 'TanH', ['h'], ['h'])
    text += layer('out', 'InnerProduct', ['h'], ['o'], 'inner_product_param { num_output: 2 '
                  'weight_filler { type: "xavier" } }')
    text += layer('l', 'EuclideanLoss', ['o', 't'], ['loss'])
    policy = r.choice(['lr_policy: "fixed"', 'lr_policy: "step" gamma: 0.5 stepsize: 2',
                       'lr_policy: "exp" gamma: 0.9', 'lr_policy: "inv" gamma: 0.1 power: 0.75',
                       'lr_policy: "multistep" gamma: 0.5 stepvalue: 2 stepvalue: 4',
                       'lr_policy: "poly" power: 0.9', 'lr_policy: "sigmoid" gamma: -0.5 '
                       'stepsize: 3'])
    momentum = r.choice([0, .9]) if kind == 'SGD' else .9
    extra = {'RMSProp': 'rms_decay: 0.95', 'AdaDelta': 'delta: 1e-6', 'Adam': 'momentum2: 0.99',
             'AdaGrad': 'delta: 1e-4'}.get(kind, '')
    if kind not in ('AdaGrad', 'RMSProp'):
        extra += f' momentum: {momentum}'
    if r.random() < .5:
        extra += f' weight_decay: 0.01 regularization_type: "{r.choice(["L1", "L2"])}"'
    if r.random() < .3:
        extra += ' clip_gradients: 0.5'
    solver = (f'net: "net.prototxt" type: "{kind}" base_lr: {r.choice([.1, .01])} {policy} '
              f'{extra} iter_size: {r.choice([1, 1, 2])} max_iter: 20 display: 0 '
              'snapshot_after_train: false')
    return Case(text, 0, solver=solver)


# -- rules of phases, levels and stages ------------------------------------------------------------

def rules(r: Random, what: str = '') -> str:
    """Return several rules, all of one kind; what: include or exclude."""
    what = what or r.choice(['include', 'exclude'])
    out = []
    for _ in range(r.randint(1, 3)):
        values = {'phase': r.choice(['TRAIN', 'TEST']), 'min_level': r.randint(-1, 2),
                  'max_level': r.randint(-1, 2),
                  'stage': [f'"{s}"' for s in r.sample('abc', r.randint(1, 2))],
                  'not_stage': [f'"{s}"' for s in r.sample('abc', r.randint(1, 2))]}
        out.append(field(what, **{key: values[key] for key in
                                  r.sample(list(values), r.randint(0, 3))}))
    return ' '.join(out)


def of_rules(r: Random) -> Case:
    """A net whose layers each have rules, and a state; some states stand in the net itself."""
    text = given('x', (2, 3))
    phase, level, stages = r.randint(0, 1), r.randint(-1, 2), [s for s in 'abc' if r.random() < .5]
    if r.random() < .4:
        kept = field('state', level=r.choice([None, r.randint(-1, 2)]),
                     stage=[f'"{s}"' for s in 'abc' if r.random() < .3])
        text = kept + '\n' + text
    for i in range(r.randint(2, 7)):
        more = f'power_param {{ scale: {r.uniform(-2, 2):.3f} shift: 1 }} ' + rules(r)
        if r.random() < .01:
            more += rules(r)                         # both kinds at once are refused
        text += layer(f'l{i}', 'Power', ['x'], ['x' if r.random() < .4 else f'b{i}'], more)
    return Case(text, phase, level, tuple(stages))


# -- sequences -------------------------------------------------------------------------------------

def of_sequence(r: Random) -> Case:
    """LSTM, RNN or LSTMUnit: with a static input, with exposed states, over broken sequences."""
    steps, count, width, wide = r.randint(1, 5), r.randint(1, 3), r.randint(1, 4), r.randint(1, 4)
    kind = r.choice(['LSTM', 'RNN', 'LSTMUnit'])
    text = 'force_backward: true\n'
    if kind == 'LSTMUnit':
        text += given('c', (1, count, wide)) + given('g', (1, count, 4 * wide))
        text += given('label', (1, count))
        return Case(text + layer('l', kind, ['c', 'g', 'label'], ['c1', 'h1']), r.randint(0, 1),
                    classes=2)
    text += given('x', (steps, count, *[width, 2][:r.randint(1, 2)]))
    text += given('label', (steps, count))
    below, above = ['x', 'label'], ['y']
    if r.random() < .5:
        text += given('s', (count, r.randint(1, 3)))
        below.append('s')
    exposed = r.random() < .4
    if exposed:
        for name in ('h', 'c')[:2 if kind == 'LSTM' else 1]:
            text += given(name, (1, count, wide))
            below.append(name)
            above.append(f'{name}1')
    more = field('recurrent_param', num_output=wide, expose_hidden=exposed or None)[:-1] + (
        'weight_filler { type: "uniform" min: -1 max: 1 } bias_filler { type: "constant" } }')
    return Case(text + layer('l', kind, below, above, more), r.randint(0, 1), classes=2, passes=3)


def draw(kind: str, seed: int) -> Case:
    """Return the case of a kind and a seed, always the same."""
    from drawn_data import of_data
    from drawn_old import of_old_net, of_older_net
    from drawn_scripts import of_script
    kinds: dict[str, Callable[[Random], Case]] = {
        'layers': of_layer, 'nets': of_net, 'solvers': of_solver, 'old': of_old_net,
        'older': of_older_net, 'rules': of_rules, 'sequences': of_sequence,
        'data': of_data, 'scripts': of_script}
    return kinds[kind](Random(f'{kind} {seed}'))


KINDS = ('layers', 'nets', 'solvers', 'old', 'older', 'rules', 'sequences', 'data', 'scripts')
