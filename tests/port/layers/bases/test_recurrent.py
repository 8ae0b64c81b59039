"""LSTM and RNN against the net that Caffe unrolls for them, run by our executor layer by layer."""

import numpy as np
import pytest
import torch

from netspec.schema import parse_net
from netspec.schema.messages import TRAIN
from port.engine.net import Net

T, N, D = 3, 2, 4
FILL = 'weight_filler { type: "gaussian" std: 0.4 } bias_filler { type: "gaussian" std: 0.4 }'


def node(kind, bottoms, tops, rest='', names=()):
    parts = [f'type: "{kind}" name: "{tops[0]}_layer"', *(f'bottom: "{b}"' for b in bottoms),
             *(f'top: "{t}"' for t in tops), *(f'param {{ name: "{n}" }}' for n in names), rest]
    return f'layer {{ {" ".join(parts)} }}\n'


def inputs(shapes):
    return ''.join(node('Input', [], [name], 'input_param { shape { '
                        + ' '.join(f'dim: {d}' for d in shape) + ' } }')
                   for name, shape in shapes.items())


def dense(bottom, top, names, width, axis=2):
    fill = FILL if len(names) == 2 else FILL.split(' bias_filler')[0] + ' bias_term: false'
    return node('InnerProduct', [bottom], [top],
                f'inner_product_param {{ num_output: {width} axis: {axis} {fill} }}', names)


def step(kind, t, static):
    """The layers of one timestep."""
    rows = 4 * D if kind == 'LSTM' else D
    summed = [f'wh_{t}', f'wx_{t}'] + ['ws'] * static
    text = node('Scale', [f'h_{t - 1}', f'cont_{t}'], [f'held_{t}'], 'scale_param { axis: 0 }')
    text += dense(f'held_{t}', f'wh_{t}', ['W_h'], rows) + node('Eltwise', summed, [f'in_{t}'])
    if kind == 'LSTM':
        return text + node('LSTMUnit', [f'c_{t - 1}', f'in_{t}', f'cont_{t}'], [f'c_{t}', f'h_{t}'])
    return (text + node('TanH', [f'in_{t}'], [f'h_{t}'])
            + dense(f'h_{t}', f'wo_{t}', ['W_o', 'b_o'], D) + node('TanH', [f'wo_{t}'], [f'o_{t}']))


def unrolled(kind, shapes):
    """The text of the net over T steps; its output is `out`."""
    static, rows = 's' in shapes, 4 * D if kind == 'LSTM' else D
    start = {'h_0': (1, N, D), 'c_0': (1, N, D)}
    text = 'force_backward: true\n' + inputs({**shapes, **start})
    text += dense('x', 'wx', ['W_x', 'b_x'], rows)
    if static:
        text += dense('s', 'ws_flat', ['W_s'], rows, axis=1)
        text += node('Reshape', ['ws_flat'], ['ws'],
                     f'reshape_param {{ shape {{ dim: 1 dim: -1 dim: {rows} }} }}')
    for source, top in (('wx', 'wx'), ('cont', 'cont')):
        text += node('Slice', [source], [f'{top}_{t + 1}' for t in range(T)],
                     'slice_param { axis: 0 }')
    text += ''.join(step(kind, t + 1, static) for t in range(T))
    each = [f'{"h" if kind == "LSTM" else "o"}_{t + 1}' for t in range(T)]
    return text + node('Concat', each, ['out'], 'concat_param { axis: 0 }')


def owned(net):
    """The parameters in the order they are made, shared ones once."""
    return [row.blob for row in net.learnable]


@pytest.mark.parametrize('static', [False, True])
@pytest.mark.parametrize('kind', ['LSTM', 'RNN'])
def test_equals_the_unrolled_net(kind, static):
    shapes = {'x': (T, N, 5), 'cont': (T, N)} | ({'s': (N, 3)} if static else {})
    random = np.random.RandomState(0)
    long = Net(parse_net(unrolled(kind, shapes)), TRAIN, dtype=torch.float64)
    ours = Net(parse_net('force_backward: true\n' + inputs(shapes) + node(
        kind, list(shapes), ['out'], f'recurrent_param {{ num_output: {D} {FILL} }}')), TRAIN,
        dtype=torch.float64)
    for mine, theirs in zip(owned(ours), owned(long), strict=True):
        mine.data = theirs.data.clone()
    names = ['h', 'c'] if kind == 'LSTM' else ['h']
    for _ in range(2):  # the second batch goes on where the first ended
        fed = {name: random.randn(*shape) for name, shape in shapes.items()}
        fed['cont'] = random.randint(0, 2, (T, N))
        start = {f'{n}_0': long.blobs[f'{n}_{T}'].data.clone() for n in names}
        want, found = long.forward(**fed, **start)['out'], ours.forward(**fed)['out']
        torch.testing.assert_close(found, want)
        for net in (long, ours):
            net.blobs['out'].diff = torch.tensor(np.random.RandomState(1).randn(T, N, D))
            net.clear_param_diffs()
            net.backward()
        for name in [n for n in shapes if n != 'cont']:
            torch.testing.assert_close(ours.blobs[name].diff, long.blobs[name].diff)
        for mine, theirs in zip(owned(ours), owned(long), strict=True):
            torch.testing.assert_close(mine.diff, theirs.diff)
