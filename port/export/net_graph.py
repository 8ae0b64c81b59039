"""A net in the TEST phase as an ONNX graph: each layer writes its own nodes (Layer.onnx).

Leaner than the net: Dropout, Silence and Split leave nothing, an in-place top is a new value,
BatchNorm and Scale go into the convolution before them, and what no output depends on is dropped.
"""

from collections import Counter

from netspec.schema.messages import TEST
from port.engine.net import Net
from port.engine.wiring import Node, located
from port.export.folding import fold_affine
from port.export.free_sizes import free_shapes
from port.onnx.graph_builder import Graph


def build_graph(net: Net, inputs: dict[str, str] | None = None,
                graph: Graph | None = None) -> Graph:
    """Return the graph of a net; its outputs are called as the net's output blobs (Graph.outputs).

    inputs: the value that stands for an input blob, where it is not the graph's input itself.
    Raises ValueError for a net in the TRAIN phase, without inputs, or with a layer that has no
    ONNX form.
    """
    check(net)
    g = graph or Graph(net.all_blobs)
    shapes = free_shapes(net)
    values = {name: (inputs or {}).get(name, name) for name in net.inputs}
    g.inputs = dict(values)
    g.shapes |= {value: shapes[blob] for blob, value in values.items()}
    left = Counter(blob for node in net.nodes for blob in node.entry.param.top)
    for node in net.nodes:
        _add_layer(g, node, values, shapes, left)
    for blob in net.outputs:
        g.outputs[blob] = _called(g, blob, values, net.outputs)
    g.prune(g.outputs.values())
    fold_affine(g)
    g.prune(g.outputs.values())
    return g


def check(net: Net) -> None:
    """Raise ValueError for a net that cannot be exported as a whole."""
    if net.phase != TEST:
        raise ValueError(f'net {net.param_name!r} is in the TRAIN phase; an export needs TEST')
    if not net.inputs:
        made = ', '.join(f'{n.name} ({n.layer.type})' for n in net.nodes if not n.bottom)
        raise ValueError(f'net {net.param_name!r} has no Input layer (its data come from {made}); '
                         'export its deploy net')
    if not net.outputs:
        raise ValueError(f'net {net.param_name!r} has no output: every top is read by a layer')


def _add_layer(g: Graph, node: Node, values: dict[str, str], shapes: dict, left: Counter) -> None:
    """Let a layer add its nodes; the last writer of a blob gives the value the blob's name."""
    param, g.layer = node.entry.param, node.name
    tops = []
    for blob in param.top:
        left[blob] -= 1
        plain = not left[blob] and blob not in g.inputs
        tops.append(blob if plain else g.unique(f'{blob}/{node.name}'))
        g.shapes[tops[-1]] = shapes[blob]
    with located(node.entry):
        made = node.layer.onnx(g, [values[blob] for blob in param.bottom], tops)
    for blob, value in zip(param.top, made, strict=True):
        values[blob] = value
        g.shapes.setdefault(value, shapes[blob])


def _called(g: Graph, blob: str, values: dict[str, str], outputs: list[str]) -> str:
    """Rename an output's value to its blob's name and return that name; copy a value that is used
    elsewhere.

    Where the blob is an input too, the name is taken: the output is called `blob`/output.
    """
    value, given = values[blob], g.inputs.values()
    if value == blob and blob not in given:
        return blob
    name = g.unique(f'{blob}/output') if blob in given else blob
    g.shapes[name] = g.shapes[value]
    shared = sum(values[other] == value for other in outputs) > 1
    if shared or value in g.constants or value in given:
        return g.add('Identity', value, out=name)
    g.rename(value, name)
    values[blob] = name
    return name
