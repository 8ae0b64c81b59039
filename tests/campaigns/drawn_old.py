"""Nets in the syntax of 2014 (V1) and of 2013 (V0), drawn at random."""

from random import Random

from drawn_nets import FILLED, ONE, PLACE, Case, convolution, lrn, pooling, rules

V1 = {'CONVOLUTION': convolution, 'POOLING': pooling, 'RELU': PLACE['ReLU'], 'LRN': lrn,
      'INNER_PRODUCT': ONE['InnerProduct'], 'SIGMOID': lambda r: '', 'TANH': lambda r: '',
      'POWER': PLACE['Power'], 'ABSVAL': lambda r: '', 'FLATTEN': lambda r: '', 'MVN': PLACE['MVN'],
      'BNLL': lambda r: '', 'SOFTMAX': lambda r: '', 'EXP': PLACE['Exp']}


def of_old_net(r: Random) -> Case:
    """A net in the syntax of 2014 (V1) or of 2013 (V0), its inputs as fields of the net."""
    text = 'name: "old" input: "x" input_dim: 2 input_dim: 4 input_dim: 6 input_dim: 7\n'
    text += 'force_backward: true\n'
    if r.random() < .3:
        text = text.split('input_dim')[0] + 'input_shape { dim: 2 dim: 4 dim: 6 dim: 7 }\n'
    below, old = 'x', r.random() < .5
    for i in range(r.randint(1, 4)):
        top = f'b{i}'
        text += (_v0 if old else _v1)(r, f'l{i}', below, top)
        below = top
    return Case(text, r.randint(0, 1))


def _v1(r: Random, name: str, bottom: str, top: str) -> str:
    kind = r.choice(list(V1))
    more = V1[kind](r)
    if kind in ('CONVOLUTION', 'INNER_PRODUCT') and r.random() < .5:
        more += ' blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0'
    return (f'layers {{ name: "{name}" type: {kind} bottom: "{bottom}" top: "{top}" {more} }}\n')


def _v0(r: Random, name: str, bottom: str, top: str) -> str:
    kind, more = r.choice([
        ('conv', f'num_output: 4 kernelsize: {r.randint(1, 3)} pad: {r.randint(0, 1)} '
                 f'stride: {r.randint(1, 2)} group: {r.choice([1, 2])} {FILLED} blobs_lr: 1. '
                 'blobs_lr: 2. weight_decay: 1. weight_decay: 0.'),
        ('pool', f'pool: {r.choice(["MAX", "AVE"])} kernelsize: {r.randint(1, 3)} '
                 f'stride: {r.randint(1, 2)}'),
        ('relu', ''), ('sigmoid', ''), ('tanh', ''), ('bnll', ''), ('flatten', ''),
        ('lrn', f'local_size: {r.choice([3, 5])} alpha: {r.uniform(.1, 1):.3f} beta: 0.75'),
        ('innerproduct', f'num_output: 3 biasterm: {r.choice(["true", "false"])} {FILLED}'),
        ('softmax', '')])
    return (f'layers {{ layer {{ name: "{name}" type: "{kind}" {more} }} bottom: "{bottom}" '
            f'top: "{top}" }}\n')


INPUTS = '''name: "older" input: "x" input_dim: 2 input_dim: 4 input_dim: 6 input_dim: 7
input: "label" input_dim: 2 input_dim: 1 input_dim: 1 input_dim: 1
'''


def of_older_net(r: Random) -> Case:
    """Padding layers, joins, dropout and losses of V0; layers of V1 with rules and rates."""
    text, phase = INPUTS, r.randint(0, 1)
    if r.random() < .5:
        return Case(text + _rows_v0(r, phase), phase)
    below = 'x'
    for i in range(r.randint(1, 4)):
        line = _v1(r, f'l{i}', below, below if r.random() < .4 else f'b{i}')
        if f'top: "{below}"' in line:
            line = line.replace(' }\n', f' {rules(r)} }}\n')
            if not any(f'type: {kind} ' in line for kind in ('RELU', 'SIGMOID', 'TANH', 'POWER',
                                                            'BNLL', 'EXP', 'MVN')):
                continue                            # works on nothing in place
        else:
            below = f'b{i}'
        text += line
    stages = tuple(s for s in 'abc' if r.random() < .5)
    return Case(text, phase, r.randint(-1, 2), stages)


def _rows_v0(r: Random, phase: int) -> str:
    def row(name: str, kind: str, bottoms: list[str], top: str, more: str = '') -> str:
        reads = ' '.join(f'bottom: "{b}"' for b in bottoms)
        tops = f'top: "{top}"' if top else ''
        return f'layers {{ layer {{ name: "{name}" type: "{kind}" {more} }} {reads} {tops} }}\n'
    pad, size = r.randint(0, 2), r.randint(1, 3)
    text = row('pad', 'padding', ['x'], 'p', f'pad: {pad}')
    text += row('c', 'conv', ['p'], 'c', f'num_output: 4 kernelsize: {size} stride: '
                f'{r.randint(1, 2)} group: {r.choice([1, 2])} {FILLED} blobs_lr: 1. blobs_lr: 2.')
    text += row('r', r.choice(['relu', 'tanh', 'sigmoid', 'bnll']), ['c'], 'c')
    if phase and r.random() < .5:
        text += row('d', 'dropout', ['c'], 'c', f'dropout_ratio: {r.choice([.2, .5])}')
    kind = r.choice(['concat', 'im2col', 'pool', 'lrn', 'flatten'])
    more = {'concat': f'concat_dim: {r.choice([0, 1])}', 'im2col': 'kernelsize: 1 stride: 2',
            'pool': f'pool: {r.choice(["MAX", "AVE"])} kernelsize: 2 stride: 1',
            'lrn': 'local_size: 3 alpha: 0.5 beta: 0.75', 'flatten': ''}[kind]
    text += row('k', kind, ['c', 'c'] if kind == 'concat' else ['c'], 'k', more)
    if 'concat_dim: 0' in more:
        return text
    text += row('i', 'innerproduct', ['k'], 'i',
                f'num_output: 4 {FILLED} blobs_lr: 1. blobs_lr: 0.')
    loss = r.choice(['softmax_loss', 'softmax', 'accuracy', 'multinomial_logistic_loss'])
    if loss == 'multinomial_logistic_loss':
        text += row('s', 'softmax', ['i'], 's')
    source = 's' if loss == 'multinomial_logistic_loss' else 'i'
    return text + row('loss', loss, [source] if loss == 'softmax' else [source, 'label'],
                      '' if loss == 'softmax_loss' else 'loss')
