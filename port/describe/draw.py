"""Draw a net: a box for each run of layers between poolings, joins and splits (Caffe's draw.py).

Graphviz lays the picture out where it is installed, else port.describe.draw_layout does.
"""

import html
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from netspec.layer_shapes import Shape
from netspec.schema import replacing
from netspec.schema.messages import EltwiseParameter, PoolingParameter
from netspec.window import pool_window, spatial_axes, window
from port.describe.net_shapes import ShapedLayer, ShapedNet

# Kinds of layers that go into one box with the next; a pooling closes the box.
CHAINED = ('weights', 'norm', 'pool')
FORMATS = ('.svg', '.png', '.pdf')
COLOURS = {'data': '#e8e8e8', 'weights': '#cfe2f3', 'up': '#fce0c3', 'join': '#d5ecd0',
           'loss': '#f6cfcf', 'other': '#f4f0fa'}


@dataclass
class Block:
    """A box: its lines (layer, what it does), its kind, the shape that leaves it."""

    kind: str
    lines: list[tuple[str, str]] = field(default_factory=list)
    shape: str = ''

    @property
    def text(self) -> list[str]:
        """Return the lines as they are drawn, in columns."""
        wide = max(len(name) for name, _ in self.lines)
        lines = [f'{name:<{wide}}  {what}'.rstrip() for name, what in self.lines]
        return [*lines, self.shape] if self.shape else lines


@dataclass(frozen=True)
class Edge:
    """From one block to another; a reference gives its size only (Crop's second bottom)."""

    start: int
    end: int
    reference: bool = False


# -- what is drawn ---------------------------------------------------------------------------------

def blocks_of(net: ShapedNet) -> tuple[list[Block], list[Edge]]:
    """Return the boxes of a net in running order, and the edges between them."""
    readers = Counter(name for layer in net.layers for name in layer.param.bottom
                      if name not in layer.param.top)
    maker: dict[str, int] = {}           # blob -> block
    blocks: list[Block] = []
    edges: dict[Edge, None] = {}
    closed: set[int] = set()
    for layer in net.layers:
        index = _joins(layer, maker, readers, closed)
        if index is None:
            blocks.append(Block(_kind(layer)))
            index = len(blocks) - 1
            for i, blob in enumerate(layer.param.bottom):
                edges[Edge(maker[blob], index, layer.facts.size_bottom == i)] = None
        _describe(blocks[index], layer)
        maker.update(dict.fromkeys(layer.tops, index))
        if not layer.in_place and layer.facts.kind not in ('weights', 'norm'):
            closed.add(index)
    return blocks, list(edges)


def _joins(layer: ShapedLayer, maker: dict[str, int], readers: Counter[str],
           closed: set[int]) -> int | None:
    """Return the block that a layer goes into: an in-place layer's, or the open chain's."""
    if len(layer.param.bottom) != 1:
        return None
    blob = layer.param.bottom[0]
    index = maker[blob]
    if layer.in_place:
        return index
    chained = layer.facts.kind in CHAINED and index not in closed and readers[blob] == 1
    return index if chained else None


def _kind(layer: ShapedLayer) -> str:
    return layer.facts.kind if layer.facts.kind in COLOURS else 'other'


def _describe(block: Block, layer: ShapedLayer) -> None:
    """Add a layer's line; one that works in place goes behind the line of what it works on."""
    what = WHAT.get(layer.type, _type)(layer)
    if layer.in_place and block.lines:
        name, before = block.lines[-1]
        block.lines[-1] = (name, f'{before}, {layer.type}' if before else layer.type)
    else:
        name = layer.name if layer.param.bottom else ', '.join(layer.tops)
        block.lines.append((name or layer.name, what))
    if layer.top_shapes and layer.top_shapes[0]:
        shapes = {_inner(shape) for shape in layer.top_shapes if shape is not None}
        block.shape = ', '.join(sorted(shapes)) if block.kind != 'loss' else ''


def _inner(shape: Shape) -> str:
    """Return a shape without its batch."""
    return ' × '.join('?' if dim is None else str(dim) for dim in shape[1:] or shape)


def _type(layer: ShapedLayer) -> str:
    return layer.type


def _each(values: Iterable[int]) -> str:
    """Return one number, or both with ×: 3, 3×1."""
    values = tuple(values)
    return str(values[0]) if len({*values}) == 1 else '×'.join(map(str, values))


def _window(layer: ShapedLayer) -> str:
    """Return what a convolution is: 64 of 3×3, pad 1."""
    p = layer.param.convolution_param
    shape = layer.bottom_shapes[0]
    held = window(p, len(shape) - p.axis % len(shape) - 1 if shape else spatial_axes(p))
    parts = [f'{p.num_output} of {"×".join(map(str, held.kernel))}',
             *(f'{name} {_each(sizes)}' for name, sizes, idle in (
                 ('stride', held.stride, 1), ('pad', held.pad, 0), ('dilation', held.dilation, 1))
               if {*sizes} - {idle})]
    return ', '.join(parts + ([f'group {p.group}'] if p.group > 1 else []))


def _deconvolution(layer: ShapedLayer) -> str:
    rates = [spec.lr_mult for spec in layer.param.param]
    return f'up {_window(layer)}{"" if not rates or any(rates) else ", fixed"}'


def _pooling(layer: ShapedLayer) -> str:
    p = layer.param.pooling_param
    name, held = PoolingParameter.PoolMethod.Name(p.pool), pool_window(p)
    if held is None:
        return f'{name} pool, whole image'
    kernel = '×'.join(map(str, held.kernel))
    pad = f', pad {_each(held.pad)}' if any(held.pad) else ''
    holes = f', dilation {_each(held.dilation)}' if {*held.dilation} != {1} else ''
    return f'{name} pool {kernel}, stride {_each(held.stride)}{pad}{holes}'


def _eltwise(layer: ShapedLayer) -> str:
    p = layer.param.eltwise_param
    coeff = f' × {", ".join(f"{c:g}" for c in p.coeff)}' if p.coeff else ''
    return f'Eltwise {EltwiseParameter.EltwiseOp.Name(p.operation)}{coeff}'


def _crop(layer: ShapedLayer) -> str:
    offset = layer.param.crop_param.offset
    return f'Crop, offset {_each(offset) if offset else 0}'


def _scale(layer: ShapedLayer) -> str:
    """Return by what a Scale multiplies before it is trained, if by one number."""
    p = layer.param.scale_param
    if len(layer.bottom_shapes) > 1 or p.HasField('filler') and p.filler.type != 'constant':
        return 'Scale'
    return f'Scale × {p.filler.value if p.HasField("filler") else 1:g}'


def _inner_product(layer: ShapedLayer) -> str:
    return f'{layer.param.inner_product_param.num_output} inner products'


WHAT: dict[str, Callable[[ShapedLayer], str]] = {
    'Convolution': _window, 'Deconvolution': _deconvolution, 'Pooling': _pooling,
    'Eltwise': _eltwise, 'Crop': _crop, 'Scale': _scale, 'InnerProduct': _inner_product}


# -- pictures --------------------------------------------------------------------------------------

def draw(net: ShapedNet, path: str | os.PathLike, graphviz: bool | None = None) -> Path:
    """Write a picture of a net as .svg, .png or .pdf; return the path. Whole or not at all.

    graphviz: use it or not; None uses it where `dot` is installed. Raises ValueError for another
    ending, FileNotFoundError where Graphviz is asked for and missing.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f'{path}: cannot draw into {path.suffix or "a file without an ending"}; '
                         f'expected {", ".join(FORMATS)}')
    if graphviz and not shutil.which('dot'):
        raise FileNotFoundError('Graphviz is not installed (there is no `dot` on the PATH); leave '
                                'it out, and the picture is laid out without')
    blocks, edges = blocks_of(net)
    with replacing(path) as beside:
        if graphviz or graphviz is None and shutil.which('dot'):
            beside.write_bytes(_laid_out(dot(blocks, edges, net.name), path))
        else:
            from port.describe.draw_layout import paint
            beside.write_bytes(paint(blocks, edges, path.suffix[1:].lower(), COLOURS))
    return path


def _laid_out(graph: str, path: Path) -> bytes:
    """Return what Graphviz makes of a graph; ValueError with its words where it fails."""
    done = subprocess.run(['dot', f'-T{path.suffix[1:].lower()}'], input=graph.encode(),
                          capture_output=True, check=False)
    if done.returncode:
        raise ValueError(f'{path}: Graphviz does not draw the net (exit status '
                         f'{done.returncode}): {done.stderr.decode(errors="replace")[:300]}; '
                         'leave it out with --no-graphviz')
    return done.stdout


def dot(blocks: list[Block], edges: list[Edge], title: str = '') -> str:
    """Return the picture in Graphviz's language."""
    lines = ['digraph net {', f'  label="{_quoted(title)}"; labelloc=t; ranksep=0.35;',
             '  node [shape=box, style="filled,rounded", fontname="monospace", fontsize=10];',
             '  edge [arrowsize=0.7, color="#555555"];']
    for i, block in enumerate(blocks):
        text = ''.join(f'{html.escape(line, quote=False)}<br align="left"/>'
                       for line in block.text)
        lines.append(f'  b{i} [fillcolor="{COLOURS[block.kind]}", label=<{text}>];')
    for edge in edges:
        style = ' [style=dashed, color="#aaaaaa", constraint=false]' if edge.reference else ''
        lines.append(f'  b{edge.start} -> b{edge.end}{style};')
    return '\n'.join([*lines, '}', ''])


def _quoted(text: str) -> str:
    return text.replace('\\', '\\\\').replace('"', '\\"')
