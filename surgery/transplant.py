"""Move trained weights into another net by layer name (FCN paper, section 3: fine-tuning).

The published `transplant` with a report in the place of prints, and with shapes checked.
"""

import difflib
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np

from .blobs import Net, arrays, layer_names

log = logging.getLogger(__name__)

Shape = tuple[int, ...]
ZERO_START = ('score',)      # layers that the paper starts at zero: their names begin so
INTERP = 'up'                # layers that get bilinear kernels: their names contain it


@dataclass
class Report:
    """What a transplant did; str() is the text for a person.

    copied: target layer -> blobs of equal shape. coerced: target layer -> (blob, old shape, new
    shape). dropped: source layer -> blobs that found no place. missing: target layer -> blobs
    that got nothing. loud: what makes the net useless or is likely a mistake, a line each.
    """

    copied: dict[str, list[int]] = field(default_factory=dict)
    coerced: dict[str, list[tuple[int, Shape, Shape]]] = field(default_factory=dict)
    dropped: dict[str, list[int]] = field(default_factory=dict)
    missing: dict[str, list[int]] = field(default_factory=dict)
    interpolated: list[str] = field(default_factory=list)
    loud: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        coerced = [f'{layer}[{i}] {old} -> {new}'
                   for layer, moves in self.coerced.items() for i, old, new in moves]
        lines = [('copied', _names(self.copied)), ('coerced', coerced),
                 ('dropped', _names(self.dropped)), ('without weights', _names(self.missing)),
                 ('bilinear', self.interpolated)]
        text = [f'{what} ({len(names)}): {", ".join(names)}' for what, names in lines if names]
        return '\n'.join([*text, *(f'WARNING: {line}' for line in self.loud)])

    def merge(self, other: 'Report') -> 'Report':
        """Add another transplant into the same net; a blob is missing if neither brought it."""
        for name in ('copied', 'coerced', 'dropped'):
            for layer, moves in getattr(other, name).items():
                getattr(self, name).setdefault(layer, []).extend(moves)
        both = {layer: [i for i in blobs if i in other.missing.get(layer, ())]
                for layer, blobs in self.missing.items()}
        self.missing = {layer: blobs for layer, blobs in both.items() if blobs}
        self.loud = [*self.loud, *other.loud]
        return self


def transplant(new: Net, old: Net, suffix: str = '', skip: Collection[str] = ()) -> Report:
    """Copy every layer's weights of `old` into the layer of `new` of the same name plus `suffix`.

    Nets are dicts {layer: [array, …]} or objects with `.params[layer][i].data`. A blob of equal
    count but other shape is coerced, element by element in order: InnerProduct O x (I H W) is
    Convolution O x I x H x W, an old bias (1, 1, 1, O) is (O,). What `new` lacks is dropped, and
    so are the layers in `skip`. Raises ValueError naming layer, blob and both shapes where counts
    differ; then nothing has been copied.
    """
    report, moves = Report(), []
    taken: dict[str, set[int]] = {}
    for layer in layer_names(old):
        target = layer + suffix
        places = [] if layer in skip else _places(new, target)
        for i, source in enumerate(arrays(old, layer)):
            if source is None:
                continue
            if i >= len(places):
                report.dropped.setdefault(layer, []).append(i)
                continue
            _note(report, target, i, source.shape, places[i].shape)
            moves.append((places[i], source))
            taken.setdefault(target, set()).add(i)
    for place, source in moves:
        place[...] = source.reshape(place.shape)
    _find_missing(report, new, taken)
    warn_of_zeros(report, new, [name for name in report.missing if INTERP not in name])
    _warn_of_names(report, old)
    return report


def _places(new: Net, target: str) -> list[np.ndarray]:
    """Return the blobs of a target layer, none where the net lacks it."""
    return arrays(new, target) if target in getattr(new, 'params', new) else []


def _note(report: Report, layer: str, i: int, old: Shape, new: Shape) -> None:
    """Enter one blob as copied or coerced; raise ValueError where it does not fit."""
    if old == new:
        report.copied.setdefault(layer, []).append(i)
        return
    if np.prod(old, dtype=int) != np.prod(new, dtype=int):
        raise ValueError(
            f'layer {layer!r} blob {i}: cannot coerce {old} to {new}: {np.prod(old, dtype=int)} '
            f'against {np.prod(new, dtype=int)} values; to train the layer from scratch rename '
            'or skip it, to keep its first classes use expand_score')
    report.coerced.setdefault(layer, []).append((i, old, new))
    if _outputs(old) != _outputs(new):
        report.loud.append(
            f'{layer}[{i}]: {old} and {new} agree in count but not in their outputs '
            f'({_outputs(old)} against {_outputs(new)}): is one of them transposed?')


def _outputs(shape: Shape) -> int:
    """Return the first dimension behind the leading ones of an old 4-D shape."""
    return next((dim for dim in shape if dim != 1), 1)


def _find_missing(report: Report, new: Net, taken: dict[str, set[int]]) -> None:
    """Enter the blobs of `new` that nothing was written to."""
    for layer in layer_names(new):
        blobs = arrays(new, layer)
        left = [i for i in range(len(blobs)) if i not in taken.get(layer, ())]
        if left:
            report.missing[layer] = left


def warn_of_zeros(report: Report, new: Net, layers: Iterable[str]) -> None:
    """Say loudly which of the layers hold nothing but zeros where the recipe wants weights.

    Score layers may: the paper starts them at zero. Everything before a layer of zeros is lost,
    which is how a net comes to predict one class everywhere.
    """
    dead = [layer for layer in layers if not layer.startswith(ZERO_START)
            and 0 in report.missing.get(layer, [0]) and not np.any(arrays(new, layer)[0])]
    if dead:
        near = [_hint(layer, report.dropped) for layer in dead]
        report.loud.append(
            f'{", ".join(dead)} got no weights and hold only zeros: ALL OUTPUTS WILL BE ZERO '
            f'(or one class everywhere){"".join(near)}. Are these the weights for this net, '
            'under the same layer names?')


def _hint(layer: str, dropped: Iterable[str]) -> str:
    """Name the dropped layer that is spelled most like a missing one."""
    near = difflib.get_close_matches(layer, list(dropped), 1, 0.7)
    return f'; {near[0]} was dropped, is it meant for {layer}?' if near else ''


def _warn_of_names(report: Report, old: Net) -> None:
    """Say loudly that no layer of the source found its place."""
    if not (report.copied or report.coerced):
        names = layer_names(old)
        report.loud.append(f'nothing was transplanted: no layer name of the source '
                           f'({", ".join(names[:4]) or "it has no weights"}, …) is in the net')


def _names(blobs: dict[str, list[int]]) -> list[str]:
    """Write layers with their blobs as layer or layer[i], where the layer is listed in part."""
    return [layer if indices[0] == 0 else f'{layer}{indices}'
            for layer, indices in blobs.items()]
