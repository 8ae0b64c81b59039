"""caffe.draw: a net as a graph for Graphviz (python/caffe/draw.py).

The graph is plain DOT text, for which pydot is not needed. Graphviz's `dot` draws it where it is
installed; without it the layers alone are drawn, by port.describe.draw_layout.
"""

import shutil
import subprocess
from collections.abc import Iterator
from os import PathLike, fspath

from netspec.schema import write_atomic
from port.pycaffe.proto import caffe_pb2

LAYER_STYLE_DEFAULT = {'shape': 'record', 'fillcolor': '#6495ED', 'style': 'filled'}
NEURON_LAYER_STYLE = {'shape': 'record', 'fillcolor': '#90EE90', 'style': 'filled'}
BLOB_STYLE = {'shape': 'octagon', 'fillcolor': '#E0E0E0', 'style': 'filled'}
COLOURS = {'Convolution': '#FF5050', 'Deconvolution': '#FF5050', 'Pooling': '#FF9900',
           'InnerProduct': '#CC33FF'}
LEARNING = ('Convolution', 'Deconvolution', 'InnerProduct')
TEXT = ('raw', 'dot', 'gv')


def get_pooling_types_dict() -> dict[int, str]:
    """Return {number: name} of the pooling methods."""
    values = caffe_pb2.PoolingParameter.PoolMethod.DESCRIPTOR.values_by_name
    return {value.number: name for name, value in values.items()}


def get_edge_label(layer: caffe_pb2.LayerParameter) -> str:
    """Return what stands beside a layer's outgoing edges: batch or number of outputs."""
    if layer.type == 'Data':
        return f'Batch {layer.data_param.batch_size}'
    if layer.type in ('Convolution', 'Deconvolution'):
        return str(layer.convolution_param.num_output)
    if layer.type == 'InnerProduct':
        return str(layer.inner_product_param.num_output)
    return '""'


def get_layer_lr_mult(layer: caffe_pb2.LayerParameter) -> tuple[float, float]:
    """Return the rates of weights and bias; ValueError for a layer that learns neither."""
    if layer.type not in LEARNING:
        raise ValueError(f'{layer.type} layers do not have a learning rate multiplier')
    if len(layer.param) > 2:
        raise ValueError('Could not parse the learning rate multiplier: '
                         f'{len(layer.param)} params given')
    rates = [spec.lr_mult for spec in layer.param] + [1.0, 1.0]
    return rates[0], rates[1]


def get_layer_label(layer: caffe_pb2.LayerParameter, rankdir: str,
                    display_lrm: bool = False) -> str:
    """Return a layer's label in quotes: name, type, kernel; side by side where rankdir is TB."""
    kind = layer.type
    if kind == 'Pooling':
        kind += f' {get_pooling_types_dict()[layer.pooling_param.pool]}'
    parts = [layer.name, f'({kind})', *_window(layer)]
    if display_lrm and layer.type in LEARNING and any(get_layer_lr_mult(layer)):
        parts.append('lr mult: {:.1f}, {:.1f}'.format(*get_layer_lr_mult(layer)))
    return '"' + (' ' if rankdir in ('TB', 'BT') else r'\n').join(parts) + '"'


def _window(layer: caffe_pb2.LayerParameter) -> list[str]:
    if layer.type == 'Pooling':
        pool = layer.pooling_param
        sizes = pool.kernel_size, pool.stride, pool.pad
    elif layer.type in ('Convolution', 'Deconvolution'):
        conv = layer.convolution_param
        sizes = [*conv.kernel_size, 1][0], [*conv.stride, 1][0], [*conv.pad, 0][0]
    else:
        return []
    return [f'{what}: {size}' for what, size in zip(('kernel size', 'stride', 'pad'), sizes,
                                                    strict=True)]


def choose_color_by_layertype(layertype: str) -> str:
    """Return the fill colour of a layer type."""
    return COLOURS.get(layertype, LAYER_STYLE_DEFAULT['fillcolor'])


def _included(layer: caffe_pb2.LayerParameter, phase: int | None) -> bool:
    if phase is None:
        return True
    if layer.include and layer.exclude:
        raise ValueError(f'layer {layer.name} has both include and exclude specified.')
    if layer.include:
        return any(rule.phase == phase for rule in layer.include)
    return not any(rule.phase == phase for rule in layer.exclude)


class Graph:
    """A graph in DOT, with the methods of pydot.Dot that scripts use."""

    def __init__(self, lines: list[str], layers: list[caffe_pb2.LayerParameter]) -> None:
        self.lines, self.layers = lines, layers

    def to_string(self) -> str:
        """Return the DOT text."""
        return '\n'.join(self.lines) + '\n'

    def create(self, prog: str = 'dot', format: str = 'ps') -> bytes:
        """Return the drawing in a format; 'raw', 'dot' and 'gv' are the text."""
        if format in TEXT:
            return self.to_string().encode()
        if shutil.which(prog) is None:
            return _painted(self.layers, format)
        done = subprocess.run([prog, f'-T{format}'], input=self.to_string().encode(),
                              capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f'{prog} -T{format}: {done.stderr.decode(errors="replace")}')
        return done.stdout

    def write(self, path: str | PathLike, prog: str = 'dot', format: str = 'raw') -> bool:
        """Write the drawing to a file."""
        write_atomic(path, [self.create(prog, format)])
        return True

    def write_png(self, path: str | PathLike, prog: str = 'dot') -> bool:
        """Write the drawing as a PNG."""
        return self.write(path, prog, 'png')


def _quoted(text: str) -> str:
    return text if text.startswith('"') else '"' + text.replace('"', r'\"') + '"'


def _node(name: str, label: str, style: dict[str, str]) -> str:
    looks = ', '.join(f'{key}="{value}"' for key, value in style.items())
    return f'{_quoted(name)} [label={_quoted(label)}{", " if looks else ""}{looks}];'


def _layer_lines(layer: caffe_pb2.LayerParameter, rankdir: str, label_edges: bool,
                 display_lrm: bool) -> Iterator[str]:
    name = f'{layer.name}_{layer.type}'
    in_place = len(layer.bottom) == len(layer.top) == 1 and layer.bottom[0] == layer.top[0]
    style = NEURON_LAYER_STYLE if in_place else {
        **LAYER_STYLE_DEFAULT, 'fillcolor': choose_color_by_layertype(layer.type)}
    yield _node(name, get_layer_label(layer, rankdir, display_lrm), style)
    for blob in (*layer.bottom, *layer.top):
        yield _node(f'{blob}_blob', blob, BLOB_STYLE)
    for blob in layer.bottom:
        yield f'{_quoted(f"{blob}_blob")} -> {_quoted(name)} [label=""];'
    label = get_edge_label(layer) if label_edges else '""'
    for blob in layer.top:
        yield f'{_quoted(name)} -> {_quoted(f"{blob}_blob")} [label={_quoted(label)}];'


def get_pydot_graph(caffe_net: caffe_pb2.NetParameter, rankdir: str, label_edges: bool = True,
                    phase: int | None = None, display_lrm: bool = False) -> Graph:
    """Return the graph of a net: layers as boxes, blobs as octagons.

    rankdir: LR, TB or BT. phase: only the layers of this phase; None shows all.
    """
    layers = [layer for layer in caffe_net.layer if _included(layer, phase)]
    lines = dict.fromkeys(line for layer in layers
                          for line in _layer_lines(layer, rankdir, label_edges, display_lrm))
    return Graph([f'digraph {_quoted(caffe_net.name or "Net")} {{', f'rankdir={rankdir};',
                  *lines, '}'], layers)


def _painted(layers: list[caffe_pb2.LayerParameter], format: str) -> bytes:
    """Return a drawing that needs no Graphviz: a box a layer."""
    from port.describe.draw import Block, Edge
    from port.describe.draw_layout import paint
    makers: dict[str, int] = {}
    blocks, edges = [], []
    for i, layer in enumerate(layers):
        blocks.append(Block(layer.type, [(layer.name, f'({layer.type})')]))
        edges += [Edge(makers[blob], i) for blob in layer.bottom if blob in makers]
        makers.update(dict.fromkeys(layer.top, i))
    colours = {layer.type: choose_color_by_layertype(layer.type) for layer in layers}
    return paint(blocks or [Block('', [('(no layers)', '')])], edges, format,
                 {'': '#E0E0E0', **colours})


def draw_net(caffe_net: caffe_pb2.NetParameter, rankdir: str, ext: str = 'png',
             phase: int | None = None, display_lrm: bool = False) -> bytes:
    """Return the drawing of a net in the form `ext`."""
    return get_pydot_graph(caffe_net, rankdir, phase=phase,
                           display_lrm=display_lrm).create(format=ext)


def draw_net_to_file(caffe_net: caffe_pb2.NetParameter, filename: str | PathLike,
                     rankdir: str = 'LR', phase: int | None = None,
                     display_lrm: bool = False) -> None:
    """Write the drawing of a net to a file, in the form that its ending names."""
    ext = fspath(filename).rpartition('.')[2]
    write_atomic(filename, [draw_net(caffe_net, rankdir, ext, phase, display_lrm)])
