"""A net in the TEST phase as an ONNX graph: each layer writes its own nodes (Layer.onnx).

Leaner than the net: Dropout, Silence and Split leave nothing, an in-place top is a new value, and
what no output depends on is dropped.
"""

from collections import Counter

from netspec.schema.messages import TEST
from port.net import Net
from port.onnx_graph import Graph
from port.onnx_shapes import free_shapes
from port.wiring import located


def build_graph(net: Net, inputs: dict[str, str] | None = None,
                graph: Graph | None = None) -> Graph:
    """Return the graph of a net; its outputs are called as the net's output blobs.

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
        _call(g, blob, values, net.outputs)
    g.prune(net.outputs)
    return g


def check(net: Net) -> None:
    """Raise ValueError for a net that cannot be exported as a whole."""
    if net.phase != TEST:
        raise ValueError(f'net {net.param_name!r} is in the TRAIN phase; an export needs TEST')
    if not net.inputs:
        made = ', '.join(f'{n.name} ({n.layer.type})' for n in net.nodes if not n.bottom)
        raise ValueError(f'net {net.param_name!r} has no Input layer (its data come from {made}); '
                         'export its deploy net')


def _add_layer(g: Graph, node, values: dict[str, str], shapes: dict, left: Counter) -> None:
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


def _call(g: Graph, blob: str, values: dict[str, str], outputs: list[str]) -> None:
    """Call an output's value as its blob; one that has another use is copied."""
    value = values[blob]
    if value == blob and blob not in g.inputs.values():
        return
    shared = sum(values[other] == value for other in outputs) > 1
    if shared or value in g.constants or value in g.inputs.values():
        name = blob if blob not in g.inputs.values() else g.unique(f'{blob}/output')
        values[blob] = g.add('Identity', value, out=name)
        return
    g.rename(value, blob)
    g.shapes[blob] = g.shapes[value]
    values[blob] = blob
