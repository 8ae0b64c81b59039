"""Folds what multiplies and adds to each channel into the layer before: BatchNorm and Scale into a
Convolution, or a Scale into a BatchNorm that no convolution precedes.
"""

from collections import Counter

import numpy as np

from port.onnx.graph_builder import Graph, OnnxNode

AFFINE = ('BatchNormalization', 'Mul', 'Add')
EPS = 1e-5                       # ONNX's default epsilon
Affine = tuple[np.ndarray, np.ndarray]    # y = factor x + summand, a number for each channel


def fold_affine(g: Graph) -> None:
    """Fold until nothing is left to fold."""
    while _fold_one(g):
        pass


def _fold_one(g: Graph) -> bool:
    maker = {out: op for op in g.ops for out in op.outputs}
    uses = Counter(name for op in g.ops for name in op.inputs)
    uses.update(g.outputs.values())
    for op in g.ops:
        before = maker.get(_source(g, op) or '')
        if op.kind not in AFFINE or before is None or uses[before.outputs[0]] != 1:
            continue
        if before.kind == 'Conv':
            found = affine(g, op, len(g.constants[before.inputs[1]]))
            done = found is not None and _into_conv(g, before, *found)
        elif before.kind == 'BatchNormalization':
            found = affine(g, op, len(g.constants[before.inputs[1]]))
            done = found is not None and _into_norm(g, before, *found)
        else:
            continue
        if done:
            before.outputs = op.outputs
            g.ops.remove(op)
            return True
    return False


def _source(g: Graph, op: OnnxNode) -> str | None:
    """Return the one input of an operation that is not a constant."""
    free = [name for name in op.inputs if name not in g.constants]
    return free[0] if len(free) == 1 else None


def affine(g: Graph, op: OnnxNode, channels: int) -> Affine | None:
    """Return the factor and the summand of each channel, None where the node does anything else."""
    if op.kind == 'BatchNormalization':
        scale, bias, mean, variance = (g.constants[name].astype(np.float64)
                                       for name in op.inputs[1:])
        factor = scale / np.sqrt(variance + op.attributes.get('epsilon', EPS))
        return factor, bias - mean * factor
    value = next(g.constants[name] for name in op.inputs if name in g.constants)
    if value.ndim and value.shape not in ((channels, 1, 1), (1, channels, 1, 1)):
        return None
    number = np.broadcast_to(value.astype(np.float64).reshape(-1), (channels,))
    idle = np.ones(channels) if op.kind == 'Add' else np.zeros(channels)
    return (number, idle) if op.kind == 'Mul' else (idle, number)


def _into_conv(g: Graph, conv: OnnxNode, factor: np.ndarray, summand: np.ndarray) -> bool:
    """Scale the filters and move the bias."""
    weight = g.constants[conv.inputs[1]]
    if weight.ndim != 4:
        return False
    bias = g.constants[conv.inputs[2]] if len(conv.inputs) > 2 else 0
    g.layer = conv.name.rpartition('/')[0]
    conv.inputs = [conv.inputs[0],
                   g.const(weight * factor[:, None, None, None], name='weight'),
                   g.const(bias * factor + summand, name='bias')]
    return True


def _into_norm(g: Graph, norm: OnnxNode, factor: np.ndarray, summand: np.ndarray) -> bool:
    """Scale the normalization's own scale and bias."""
    scale, bias = (g.constants[name] for name in norm.inputs[1:3])
    g.layer = norm.name.rpartition('/')[0]
    norm.inputs[1:3] = [g.const(scale * factor, name='scale'),
                        g.const(bias * factor + summand, name='bias')]
    return True
