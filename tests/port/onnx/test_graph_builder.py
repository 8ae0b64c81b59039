"""The ONNX graph that layers write into: constants held once, names, reading of sizes."""

import numpy as np
import torch

from port.onnx.graph_builder import Graph


def graph(**shapes: tuple) -> Graph:
    g = Graph(shapes)
    g.layer, g.shapes = 'some', dict(shapes)
    return g


def test_equal_constants_are_one() -> None:
    g = graph()
    first = g.const(torch.ones(2, 3), name='weight')
    assert g.const(np.ones((2, 3)), name='other') == first == 'some.weight'
    assert g.const(np.ones((3, 2))) != first
    assert g.const(np.ones((2, 3)), np.int64) != first
    assert g.constants[first].dtype == np.float32 and g.constants[first].shape == (2, 3)
    assert g.constants[g.const(0.5)].shape == ()


def test_constants_are_contiguous_and_not_the_views() -> None:
    g = graph()
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert g.constants[g.const(array)].flags.c_contiguous
    np.testing.assert_array_equal(g.constants[g.const(array)], array)


def test_names_are_unique() -> None:
    g = graph(x=(2,))
    assert [g.unique('x'), g.unique('x'), g.unique('y')] == ['x_1', 'x_2', 'y']
    values = [g.add('Relu', 'x'), g.add('Abs', 'x'), g.add_many('Relu', 'y', out=[None])[0]]
    assert values == ['some/Relu', 'some/Abs', 'some/Relu_1']
    assert len({op.name for op in g.ops}) == 3


def test_equal_unnamed_nodes_are_one() -> None:
    g = graph(x=('n', 3, 'h', 'w'))
    assert g.add('Shape', 'x', start=2, end=4) == g.sizes('x', 2, 4)
    assert g.add('Shape', 'x', start=1, end=4) != g.sizes('x', 2, 4)
    assert g.add('Relu', 'x', out='y') == 'y' and g.add('Relu', 'x', out='z') == 'z'
    assert [op.kind for op in g.ops] == ['Shape', 'Shape', 'Relu', 'Relu']


def test_static_sizes_are_constants() -> None:
    g = graph(x=('n', 3, 7, 9))
    np.testing.assert_array_equal(g.constants[g.sizes('x', 1)], [3, 7, 9])
    assert not g.ops


def test_reshape_reads_no_more_sizes_than_it_must() -> None:
    cases = [(('n', 6, 7, 9), ('n', 378), [0, 378]), (('n', 6, 'h', 'w'), ('n', 'k'), [0, -1]),
             (('n', 6, 'h', 'w'), ('n', 2, 3, 'h', 'w'), None)]
    for old, new, dims in cases:
        g = graph(x=old, y=new)
        g.reshape_as('x', 'y')
        last = g.ops[-1]
        assert last.kind == 'Reshape' and last.outputs == ['y']
        if dims:
            assert len(g.ops) == 1
            np.testing.assert_array_equal(g.constants[last.inputs[1]], dims)
        else:
            assert [op.kind for op in g.ops].count('Shape') == 3


def test_prune_keeps_what_outputs_need() -> None:
    g = graph(x=(2,))
    kept = g.add('Add', 'x', g.const(1))
    g.add('Mul', kept, g.const(2))
    g.rename(kept, 'y')
    g.prune(['y'])
    assert [(op.kind, op.outputs) for op in g.ops] == [('Add', ['y'])]
    assert [float(a) for a in g.constants.values()] == [1]
