"""A net as far as its prototxt tells: each layer's shapes and parameters, nothing made or run.

Caffe's Net::Init without memory: the rules of include and exclude, the checks of who reads what,
and then netspec.layer_types' shapes layer by layer. A Python layer in the middle of a net is not
imported, so that the shapes of its tops, and of what is made of them, are not known (None).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from netspec.layer_params import ParamShape
from netspec.layer_shapes import MaybeShape, Shape
from netspec.layer_types import LayerType, layer_type, param_shapes, top_shapes
from netspec.schema.messages import LayerParameter, NetParameter
from port.engine.memory import check_shape
from port.engine.net import load_net
from port.engine.net_rules import Entry, filter_layers, insert_splits
from port.engine.wiring import located

Size = tuple[int, int]
NO_IMAGES = ('Input', 'DummyData', 'Parameter', 'MemoryData')   # their prototxt says their shapes


@dataclass
class ShapedLayer:
    """A layer and what is known of it. tops: names, also of those that the prototxt leaves out."""

    param: LayerParameter
    facts: LayerType
    tops: list[str]
    bottom_shapes: list[MaybeShape]
    top_shapes: list[MaybeShape]
    params: list[ParamShape]

    @property
    def name(self) -> str:
        return self.param.name

    @property
    def type(self) -> str:
        return self.param.type

    @property
    def in_place(self) -> bool:
        """Whether a top is a bottom."""
        return any(top in self.param.bottom for top in self.param.top)


@dataclass
class ShapedNet:
    """The layers in running order; automatic splits are left out."""

    name: str
    layers: list[ShapedLayer]


def shaped_net(source: NetParameter | str | Path, phase: int,
               size: Size | None = None) -> ShapedNet:
    """Return what a net's prototxt tells; data layers become Input layers, images of `size`.

    Without a size, Input layers keep theirs and data layers give what they crop, or 500 x 500.
    Raises ValueError, KeyError naming file:line and layer where Caffe refuses the net.
    """
    net, entries = load_net(source)
    net.state.phase = phase
    kept = filter_layers(net, entries)
    insert_splits(kept)                     # for its checks: who makes what, who reads it
    _replace_data_layers(kept, size)
    shapes: dict[str, MaybeShape] = {}
    layers = []
    for entry in kept:
        with located(entry):
            made = _shaped(entry.param, [shapes[name] for name in entry.param.bottom])
        shapes.update(zip(made.tops, made.top_shapes, strict=True))
        layers.append(made)
    return ShapedNet(net.name, layers)


def _shaped(layer: LayerParameter, bottoms: list[MaybeShape]) -> ShapedLayer:
    facts, tops = layer_type(layer.type), list(layer.top)
    if facts.auto_top:
        tops += ['(automatic)'] * (facts.tops[0] - len(tops))
    facts.check_arity(layer, len(bottoms), len(tops))
    params = param_shapes(layer, bottoms)
    if len(layer.param) > len(params) and None not in bottoms and layer.type != 'Python':
        raise ValueError(f'too many params specified: {len(layer.param)} param blocks for '
                         f'{len(params)} parameter(s)')
    found = top_shapes(layer, bottoms)
    found += [None] * (len(tops) - len(found))
    for name, shape in zip(tops, found, strict=True):
        if shape is not None:
            check_shape(name, _known(shape))
    return ShapedLayer(layer, facts, tops, bottoms, found, params)


def _known(shape: Shape) -> tuple[int, ...]:
    return tuple(1 if dim is None else dim for dim in shape)


# -- what is read ----------------------------------------------------------------------------------

def _replace_data_layers(entries: Iterable[Entry], size: Size | None) -> None:
    """Make Input layers of those that read data, and give all images the size, if there is one."""
    layers = [entry.param for entry in entries]
    labels = {layer.bottom[i] for layer in layers for i in range(1, len(layer.bottom))
              if 'Loss' in layer.type or layer.type in ('Accuracy', 'SegAccuracy')}
    for layer in layers:
        if not layer.bottom and layer.type not in NO_IMAGES:
            _become_input(layer, labels, size or _crop(layer) or (500, 500))
        elif layer.type == 'Input' and size:
            for shape in layer.input_param.shape:
                if len(shape.dim) == 4:
                    shape.dim[2:] = size


def _crop(layer: LayerParameter) -> Size | None:
    """Return the size that a data layer crops images to, if any."""
    given = layer.transform_param
    size = (given.crop_height or given.crop_size, given.crop_width or given.crop_size)
    return size if all(size) else None


def _become_input(layer: LayerParameter, labels: set[str], size: Size) -> None:
    """Turn a data layer into an Input layer with an image or a label for each top."""
    layer.type = 'Input'
    for field in [f.name for f, _ in layer.ListFields()]:
        if field.endswith('_param') or field == 'transform_param':
            layer.ClearField(field)
    for top in layer.top:
        if top == 'data_dim':
            layer.input_param.shape.add(dim=[1, 1, 1, 2])
            continue
        channels = 1 if top in labels or top in ('label', 'depth') else 3
        layer.input_param.shape.add(dim=[1, channels, *size])
