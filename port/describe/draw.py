"""Draw a net: a box for each run of layers between poolings, joins and splits (Caffe's draw.py).

Graphviz lays the picture out where it is installed, else we do (port.draw_layout).
"""

import html
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from netspec.schema import replacing
from netspec.schema.messages import EltwiseParameter, PoolingParameter
from port.engine.net import Net
from port.engine.wiring import Node

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

def blocks_of(net: Net) -> tuple[list[Block], list[Edge]]:
    """Return the boxes of a net in running order, and the edges between them."""
    nodes = [node for node in net.nodes if not node.entry.auto_split]
    sources = _sources(net)
    readers = Counter(sources[id(b)] for node in nodes for b in node.bottom if b not in node.top)
    maker: dict[int, int] = {}           # blob -> block
    blocks: list[Block] = []
    edges: dict[Edge, None] = {}
    closed: set[int] = set()
    for node in nodes:
        below = [sources[id(b)] for b in node.bottom]
        index = _joins(node, below, maker, readers, blocks, closed)
        if index is None:
            blocks.append(Block(_kind(node)))
            index = len(blocks) - 1
            for i, blob in enumerate(below):
                sized = node.layer.facts.size_bottom == i
                edges[Edge(maker[blob], index, sized)] = None
        in_place = any(b in node.top for b in node.bottom)
        _describe(blocks[index], node, in_place)
        for top in node.top:
            maker[id(top)] = index
        if not in_place and node.layer.facts.kind not in ('weights', 'norm'):
            closed.add(index)
    return blocks, list(edges)


def _sources(net: Net) -> dict[int, int]:
    """Return for each blob the one that it stands for: automatic splits are looked through."""
    found: dict[int, int] = {}
    for node in net.nodes:
        for top in node.top:
            hidden = node.entry.auto_split
            found[id(top)] = found[id(node.bottom[0])] if hidden else id(top)
    return found


def _joins(node: Node, below: list[int], maker: dict[int, int], readers: Counter,
           blocks: list[Block], closed: set[int]) -> int | None:
    """Return the block that a layer goes into: an in-place layer's, or the open chain's."""
    if len(below) != 1:
        return None
    index = maker[below[0]]
    if node.bottom[0] in node.top:
        return index
    chained = node.layer.facts.kind in CHAINED and index not in closed and readers[below[0]] == 1
    return index if chained else None


def _kind(node: Node) -> str:
    kind = node.layer.facts.kind
    return kind if kind in COLOURS else 'other'


def _describe(block: Block, node: Node, in_place: bool) -> None:
    """Add a layer's line; one that works in place goes behind the line of what it works on."""
    what = WHAT.get(node.layer.type, lambda n: n.layer.type)(node)
    if in_place and block.lines:
        name, before = block.lines[-1]
        block.lines[-1] = (name, f'{before}, {node.layer.type}' if before else node.layer.type)
    else:
        name = node.name if node.bottom else ', '.join(top.name for top in node.top)
        block.lines.append((name or node.name, what))
    if node.top and node.top[0].shape:
        shapes = {' × '.join(map(str, top.shape[1:] or top.shape)) for top in node.top}
        block.shape = ', '.join(sorted(shapes)) if block.kind != 'loss' else ''


def _each(values) -> str:
    """Return one number, or both with ×: 3, 3×1."""
    values = tuple(values)
    return str(values[0]) if len({*values}) == 1 else '×'.join(map(str, values))


def _window(node: Node) -> str:
    layer, w = node.layer, node.layer.window
    kernel = '×'.join(map(str, w.kernel))
    parts = [kernel, *(f'{name} {_each(sizes)}' for name, sizes, idle in (
        ('stride', w.stride, 1), ('pad', w.pad, 0), ('dilation', w.dilation, 1))
        if {*sizes} - {idle})]
    if layer.group > 1:
        parts.append(f'group {layer.group}')
    return ', '.join([f'{layer.num_output} of {parts[0]}', *parts[1:]])


def _deconvolution(node: Node) -> str:
    rates = [spec.lr_mult for spec in node.entry.param.param]
    return f'up {_window(node)}{"" if not rates or any(rates) else ", fixed"}'


def _pooling(node: Node) -> str:
    layer, p = node.layer, node.entry.param.pooling_param
    name = PoolingParameter.PoolMethod.Name(p.pool)
    if p.global_pooling:
        return f'{name} pool, whole image'
    kernel = '×'.join(map(str, layer.kernel))
    pad = f', pad {_each(layer.pad)}' if any(layer.pad) else ''
    return f'{name} pool {kernel}, stride {_each(layer.stride)}{pad}'


def _eltwise(node: Node) -> str:
    p = node.entry.param.eltwise_param
    coeff = f' × {", ".join(f"{c:g}" for c in p.coeff)}' if p.coeff else ''
    return f'Eltwise {EltwiseParameter.EltwiseOp.Name(p.operation)}{coeff}'


def _crop(node: Node) -> str:
    offset = node.entry.param.crop_param.offset
    return f'Crop, offset {_each(offset) if offset else 0}'


def _scale(node: Node) -> str:
    blob = node.layer.blobs[0].data if node.layer.blobs else None
    if blob is not None and blob.numel() and bool((blob == blob.flatten()[0]).all()):
        return f'Scale × {float(blob.flatten()[0]):g}'
    return 'Scale'


WHAT: dict[str, Callable[[Node], str]] = {
    'Convolution': _window, 'Deconvolution': _deconvolution, 'Pooling': _pooling,
    'Eltwise': _eltwise, 'Crop': _crop, 'Scale': _scale,
    'InnerProduct': lambda n: f'{n.entry.param.inner_product_param.num_output} inner products'}


# -- pictures --------------------------------------------------------------------------------------

def draw(net: Net, path: str | os.PathLike, graphviz: bool | None = None) -> Path:
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
            beside.write_bytes(_laid_out(dot(blocks, edges, net.param_name), path))
        else:
            from port.describe.draw_layout import paint
            paint(blocks, edges, beside, COLOURS)
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
