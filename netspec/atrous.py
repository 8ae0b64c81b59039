"""A net's strides removed and its later windows dilated: the algorithme a trous (FCN, PAMI 2017,
section 3.2, and DeepLab, arXiv 1412.7062, section 3.1).

A layer that moved by s moves by less, and what lies behind it has holes, so that each value is
made of the same values as before, and many lie between. Caffe's convolutions have a dilation; its
poolings have none. Theirs is a field of our own; DeepLab pools 3 x 3 in its place, an
approximation.
"""

from dataclasses import dataclass
from math import gcd

from netspec import layer_coords as place
from netspec.layer_types import LAYER_TYPES
from netspec.schema.messages import LayerParameter, NetParameter
from netspec.window import PoolWindow, Window, pool_window, window

POOLINGS = ('dilated', 'stride1')
LARGE_FOV = 3              # the kernel of DeepLab's poolings that keep the size; they pad 1
WINDOWED = {'Convolution': 'convolution_param', 'Im2col': 'convolution_param'}


@dataclass(frozen=True)
class Spacing:
    """How many pixels the places of a blob are apart: as the net was given, and now."""

    given: int = 1
    now: int = 1

    @property
    def holes(self) -> int:
        """How far apart the values now lie that were neighbours."""
        return self.given // self.now


def a_trous(net: NetParameter, stride: int, pooling: str = 'dilated') -> NetParameter:
    """Return a net whose last top lies on the image every `stride` pixels.

    pooling: 'dilated', exact, which Caffe cannot read, or 'stride1': DeepLab's 3 x 3.
    Raises ValueError naming the layer whose stride cannot be removed, or that cannot be given
    holes, and where the net's own stride is no multiple of the one that is asked for.
    """
    if pooling not in POOLINGS:
        raise ValueError(f'pooling {pooling!r}: expected {" or ".join(POOLINGS)}')
    made = NetParameter()
    made.CopyFrom(net)
    places: dict[str, Spacing] = {}
    last = Spacing()
    for layer in made.layer:
        try:
            last = _converted(layer, [places[name] for name in layer.bottom], stride, pooling)
        except ValueError as error:
            raise ValueError(f'layer {layer.name!r} ({layer.type}): strides cannot be removed '
                             f'here: {error}') from None
        places.update(dict.fromkeys(layer.top, last))
    if stride < 1 or last.given % stride:
        raise ValueError(f'layer {made.layer[-1].name!r} lies on the image every {last.given} '
                         f'pixels; expected a stride that divides that, got {stride}')
    return made


def _converted(layer: LayerParameter, below: list[Spacing], stride: int,
               pooling: str) -> Spacing:
    """Give a layer its holes and its lesser stride in place; return where its tops lie."""
    if not below:
        return Spacing()
    if layer.type in WINDOWED:
        held: Window | None = window(layer.convolution_param, 2)
    elif layer.type == 'Pooling':
        held = pool_window(layer.pooling_param)
    else:
        return _kept(layer, below)
    if held is None:
        raise ValueError('it pools the whole image, of whatever size')
    if len({*held.stride}) > 1:
        raise ValueError(f'it moves by {held.stride[0]} rows and {held.stride[1]} columns')
    here = below[0]
    given = here.given * held.stride[0]
    now = gcd(stride, given)
    if (now // here.now, here.holes) != (held.stride[0], 1):
        if len(layer.top) > 1 and layer.type == 'Pooling':
            raise ValueError('it tells the places of its maxima, by which it is undone')
        if isinstance(held, PoolWindow):
            _write_pooling(layer, held, now // here.now, here.holes, pooling)
        else:
            _write_convolution(layer, held, now // here.now, here.holes)
    return Spacing(given, now)


def _kept(layer: LayerParameter, below: list[Spacing]) -> Spacing:
    """Return where the tops of a layer without a window lie; ValueError where it has places of
    its own."""
    row = LAYER_TYPES.get(layer.type)
    if row is None or row.coords in (place.nowhere, place.upsample, place.crop) or \
            row.kind in ('up', 'loss') or row.coords(layer, []) is not place.IDENTITY or \
            any(row.reach(layer)):
        raise ValueError('the places of its top are not those of its bottom')
    if len({*below}) > 1:
        raise ValueError('it joins tops of several strides')
    return below[0]


def _write_convolution(layer: LayerParameter, held: Window, stride: int, holes: int) -> None:
    p = layer.convolution_param
    for name in ('stride', 'stride_h', 'stride_w', 'pad', 'pad_h', 'pad_w', 'dilation'):
        p.ClearField(name)
    p.stride.append(stride)
    p.pad.extend(_short([pad * holes for pad in held.pad]))
    p.dilation.extend(_short([rate * holes if kernel > 1 else rate for rate, kernel in
                              zip(held.dilation, held.kernel, strict=True)]))
    for values, idle in ((p.stride, 1), (p.pad, 0), (p.dilation, 1)):
        if {*values} == {idle}:
            del values[:]


def _write_pooling(layer: LayerParameter, held: PoolWindow, stride: int, holes: int,
                   pooling: str) -> None:
    p = layer.pooling_param
    if pooling == 'stride1':
        held, holes = PoolWindow((LARGE_FOV,) * 2, held.stride, (LARGE_FOV // 2,) * 2), 1
    for name in ('kernel_size', 'stride', 'pad', 'dilation',
                 *(name + end for name in ('kernel', 'stride', 'pad') for end in ('_h', '_w'))):
        p.ClearField(name)
    p.kernel_h, p.kernel_w = held.kernel
    p.stride = stride
    p.pad_h, p.pad_w = (pad * holes for pad in held.pad)
    p.dilation.extend(_short([rate * holes for rate in held.dilation]))
    if p.kernel_h == p.kernel_w:
        p.kernel_size = p.kernel_h
        p.ClearField('kernel_h')
        p.ClearField('kernel_w')
    if p.pad_h == p.pad_w:
        p.pad = p.pad_h
        p.ClearField('pad_h')
        p.ClearField('pad_w')
    for name, idle in (('stride', 1), ('pad', 0), ('dilation', [1])):
        if getattr(p, name) == idle:
            p.ClearField(name)


def _short(values: list[int]) -> list[int]:
    """Return one number where all are alike."""
    return values[:1] if len({*values}) == 1 else values
