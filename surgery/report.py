"""What a transplant did to a net, and whether the net can work with what it got."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np

from netspec.schema.lexer import closest

from .net_arrays import Net, array, layer_names

Shape = tuple[int, ...]
# Layers that start at zero, by the beginning of their names: the FCNs' scores, and the one path of
# DeepLab's MSc that its published file gives no filler.
ZERO_START = ('score', 'pool3_ms')
UPSAMPLING = 'up'            # layers that get bilinear kernels: their names contain it


@dataclass
class Report:
    """What was done to which layer; str() is the text for a person.

    copied: layer of the new net -> blobs of equal shape. coerced: layer of the new net -> (blob,
    old shape, new shape). dropped: layer of the old net -> blobs that found no place. missing:
    layer of the new net -> blobs that got nothing. filled: layer -> what was computed for it.
    loud: what makes the net useless or is likely a mistake, a line each.
    """

    copied: dict[str, list[int]] = field(default_factory=dict)
    coerced: dict[str, list[tuple[int, Shape, Shape]]] = field(default_factory=dict)
    dropped: dict[str, list[int]] = field(default_factory=dict)
    missing: dict[str, list[int]] = field(default_factory=dict)
    filled: dict[str, str] = field(default_factory=dict)
    loud: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        coerced = [f'{layer}[{i}] {old} -> {new}'
                   for layer, moves in self.coerced.items() for i, old, new in moves]
        filled = [f'{layer} ({how})' for layer, how in self.filled.items()]
        lines = (('copied', _names(self.copied)), ('coerced', coerced), ('filled', filled),
                 ('dropped', _names(self.dropped)), ('without weights', _names(self.missing)))
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
        self.loud += other.loud
        return self

    def fill(self, layer: str, how: str) -> None:
        """Enter a layer whose weights were computed."""
        self.filled[layer] = how
        for part in (self.copied, self.coerced, self.missing):
            part.pop(layer, None)

    def warn(self, new: Net, upsampling: bool, drawn: Collection[str] = ()) -> None:
        """Add a loud line for the layers that got no weights and cannot do without.

        Score layers may start at zero, as in the paper, and a Scale at its constant; any other
        layer of zeros makes every output zero, the commonest mistake with these nets. upsampling:
        layers named so must have their kernels by now. drawn: layers that a filler draws later,
        though they are zero now.
        """
        kinds = getattr(new, 'types', {})        # BatchNorm starts with nothing counted: zeros
        weights = {layer: array(new, layer) for layer in layer_names(new)
                   if not layer.startswith(ZERO_START) and (upsampling or UPSAMPLING not in layer)
                   and kinds.get(layer) != 'BatchNorm'}
        missing = [layer for layer in weights if 0 in self.missing.get(layer, ())]
        random = [layer for layer in missing if layer in drawn or np.ptp(weights[layer]) > 0]
        zero = [layer for layer in missing
                if layer not in random and not weights[layer].any()]
        dead = [layer for layer, weight in weights.items()
                if layer not in missing and weight.ndim > 1 and not weight.any()]
        if zero:
            self.loud.append(
                f'{", ".join(zero)}: no weights, only zeros, so ALL OUTPUTS WILL BE ZERO or one '
                f'class everywhere{self._hints(zero)}; are these the weights for this net, with '
                'the same layer names?')
        if dead:
            self.loud.append(f'{", ".join(dead)}: the weights that came are all zero, so ALL '
                             'OUTPUTS WILL BE ZERO; the source was never trained')
        if random:
            self.loud.append(f'{", ".join(random)}: no weights came, training starts from the '
                             f'filler{self._hints(random)}')

    def warn_of_strangers(self, old: Net) -> None:
        """Say loudly that no layer of the source found its place."""
        if not self.copied and not self.coerced:
            names = ', '.join(layer_names(old)[:4]) or 'it holds no weights'
            self.loud.append(f'nothing was transplanted: no layer of the source ({names}, …) '
                             'is in the net')

    def _hints(self, layers: Iterable[str]) -> str:
        """Name the dropped layers that are spelled most like the missing ones."""
        pairs = [(layer, _alike(layer, list(self.dropped))) for layer in layers]
        return ''.join(f'; is {near}, which was dropped, meant for {layer}?'
                       for layer, near in pairs if near)


def _alike(layer: str, dropped: list[str]) -> str:
    """Return the dropped layer that may be meant: fc6_conv or fc6-conv for fc6, or ''."""
    longer = [name for name in dropped if name.startswith(layer) or layer.startswith(name)]
    return longer[0] if longer else closest(layer, dropped)


def _names(blobs: dict[str, list[int]]) -> list[str]:
    """Write layers as their names, with the blobs where the first is not among them."""
    return [layer if 0 in indices else f'{layer}{indices}' for layer, indices in blobs.items()]
