"""Move trained weights into another net by layer name (FCN paper, section 3: fine-tuning).

The published `transplant` with a report in the place of prints, and with shapes checked.
"""

from collections.abc import Collection
from math import prod

from .net_arrays import Net, array, arrays, has_layer, layer_names
from .report import Report, Shape


def transplant(new: Net, old: Net, suffix: str = '', skip: Collection[str] = ()) -> Report:
    """Copy every layer's weights of `old` into the layer of `new` of the same name plus `suffix`.

    Nets are dicts {layer: [array, …]} or objects with `.params[layer][i].data`. A blob of equal
    count but other shape is coerced, value by value in order: InnerProduct O x (I H W) is
    Convolution O x I x H x W, an old bias (1, 1, 1, O) is (O,). What `new` lacks is dropped, and
    so are the layers of `old` in `skip`. Raises ValueError naming layer, blob and both shapes
    where the counts differ; then nothing has been copied.
    """
    report = move(new, old, suffix, skip)
    report.warn(new, upsampling=False)
    return report


def move(new: Net, old: Net, suffix: str = '', skip: Collection[str] = ()) -> Report:
    """Do transplant's work, but leave the judgement of what is missing to a later step."""
    report, moves, got = Report(), [], set()
    for layer in layer_names(old):
        target = layer + suffix
        places = arrays(new, target) if layer not in skip and has_layer(new, target) else []
        for i, source in enumerate(arrays(old, layer)):
            if source is None:
                continue
            if i >= len(places):
                report.dropped.setdefault(layer, []).append(i)
                continue
            place = array(new, target, i)
            _note(report, target, i, source.shape, place.shape)
            moves.append((place, source))
            got.add((target, i))
    for place, source in moves:
        place[...] = source.reshape(place.shape)
    filled = {place.ctypes.data for place, _ in moves if place.size}
    for layer in layer_names(new):
        # A blob that it shares with a layer that got its weights (param { name }) has them too.
        left = [i for i, place in enumerate(arrays(new, layer))
                if (layer, i) not in got and (place is None or place.ctypes.data not in filled)]
        if left:
            report.missing[layer] = left
    report.warn_of_strangers(old)
    return report


def _note(report: Report, layer: str, i: int, old: Shape, new: Shape) -> None:
    """Enter one blob as copied or coerced; raise ValueError where it does not fit."""
    if old == new:
        report.copied.setdefault(layer, []).append(i)
        return
    if prod(old) != prod(new):
        raise ValueError(
            f'layer {layer!r} blob {i}: cannot coerce {old} to {new}: {prod(old)} against '
            f'{prod(new)} values; to train the layer afresh rename or skip it, to keep its '
            'first classes use expand_score')
    report.coerced.setdefault(layer, []).append((i, old, new))
    if _outputs(old) != _outputs(new):
        report.loud.append(
            f'{layer}[{i}]: {old} and {new} agree in count but not in outputs '
            f'({_outputs(old)} against {_outputs(new)}): is one of them transposed?')


def _outputs(shape: Shape) -> int:
    """Return the first dimension behind the leading ones of an old 4-D shape."""
    return next((dim for dim in shape if dim != 1), 1)
