"""Warn where a net lays maps on one another whose centres do not coincide.

Eltwise and Concat join values by their index, and Crop cuts by an index: nothing in Caffe checks
that equal indices are equal places of the image. FCN's offsets are computed so that they are (Long
et al. 2015, section 4.3); an offset by hand, or an even kernel beside an odd one, shifts the finer
map against the coarser, which costs accuracy without any error.
"""

from collections.abc import Iterator
from fractions import Fraction

from port.describe.net_shapes import ShapedLayer, ShapedNet
from port.describe.places import Below, Pair, Place, both, pair, places_of

HALF = Fraction(1, 2)


def misaligned(net: ShapedNet) -> list[str]:
    """Return a line for each join of tops that lie apart: by how much, and what mends it.

    A pair that is cropped and then joined is named once.
    """
    told: set[frozenset[str]] = set()
    return [f'{layer.name} ({layer.type}): {text}'
            for layer, (below, here) in zip(net.layers, places_of(net), strict=True)
            for text in _apart(layer, below, here, told)]


def _apart(layer: ShapedLayer, below: Below, here: Place | None,
           told: set[frozenset[str]]) -> Iterator[str]:
    names, size_bottom = layer.param.bottom, layer.facts.size_bottom
    first = below[0] if below else None
    if first is None or here is None or layer.facts.kind != 'join':
        return
    if size_bottom is not None:
        like, name = below[size_bottom], names[size_bottom]
        for text in _cropped(names[0], first, here, name, like) if like else ():
            told.add(frozenset((layer.tops[0], name)))
            yield text
        return
    for name, place in zip(names[1:], below[1:], strict=True):
        if place is not None and frozenset((names[0], name)) not in told:
            yield from _joined(names[0], first, name, place)


def _joined(name: str, place: Place, other: str, its: Place) -> Iterator[str]:
    """Compare two bottoms that are added or laid side by side."""
    if place.stride != its.stride:
        yield _strides(name, place, other, its)
    elif place.offset != its.offset:
        apart = pair(b - a for a, b in zip(place.offset, its.offset, strict=True))
        steps = pair(d / s for d, s in zip(apart, place.stride, strict=True))
        yield (f'{other!r} lies {_pixels(apart)} from {name!r}, {both(steps)} of their step of '
               f'{both(place.stride)}; {_mend(steps, name, other)}')


def _cropped(name: str, place: Place, here: Place, like: str, its: Place) -> Iterator[str]:
    """Compare what a Crop leaves with the blob that gives its size."""
    if here.stride != its.stride:
        yield _strides(name, here, like, its)
    elif here.offset != its.offset:
        apart = pair(a - b for a, b in zip(here.offset, its.offset, strict=True))
        right = pair((b - a) / s for a, b, s in
                     zip(place.offset, its.offset, place.stride, strict=True))
        whole = all(offset.denominator == 1 for offset in right)
        if whole and min(right) >= 0:
            mend = f'offset: {both(right)} lays them on one another'
        elif whole:
            lack = pair(_above_zero(-o) * s for o, s in zip(right, place.stride, strict=True))
            mend = (f'the offset would be {both(right)}: pad the input of the net by {both(lack)} '
                    'more')
        else:
            mend = _mend(right, name, like)
        yield f'what is left of {name!r} lies {_pixels(apart)} from {like!r}; {mend}'


def _strides(name: str, place: Place, other: str, its: Place) -> str:
    return (f'one step of {name!r} is {both(place.stride)} pixels of the data, of {other!r} '
            f'{both(its.stride)}: they meet in one place at most')


def _pixels(apart: Pair) -> str:
    """Return a distance: 8 pixels down and right."""
    down, right = ('down' if apart[0] > 0 else 'up'), ('right' if apart[1] > 0 else 'left')
    if abs(apart[0]) == abs(apart[1]):
        return f'{float(abs(apart[0])):g} pixels {down} and {right}'
    return ' and '.join(f'{float(abs(d)):g} pixels {way}'
                        for d, way in zip(apart, (down, right), strict=True) if d)


def _above_zero(number: Fraction) -> Fraction:
    return number if number > 0 else Fraction(0)


def _mend(steps: Pair, name: str, other: str) -> str:
    """Return what brings two maps together that lie so many of their own steps apart."""
    if all(step.denominator == 1 for step in steps):
        cuts = {name: pair(map(_above_zero, steps)), other: pair(_above_zero(-s) for s in steps)}
        cut = ' and of '.join(f'{blob!r} by {both(by)}' for blob, by in cuts.items() if any(by))
        return f'a Crop of {cut} mends it'
    if all((step / HALF).denominator == 1 for step in steps):
        return ('half a step comes from an even kernel_size beside an odd one: change one by 1, '
                'and crop by the whole steps that are left')
    return ('no Crop mends that: change strides or padding of a layer that only one of them '
            'comes from')
