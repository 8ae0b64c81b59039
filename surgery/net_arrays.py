"""The arrays of a net, whichever it is: a dict of lists, or an object with `.params`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netspec.schema.lexer import closest

Net = Mapping[str, Sequence[Any]] | Any            # {layer: [array, …]}, or .params[layer][i].data


def layer_names(net: Net) -> list[str]:
    """Return the names of the layers that have parameters, in the net's order."""
    params = getattr(net, 'params', net)
    return [name for name in params if len(params[name])]


def arrays(net: Net, layer: str) -> list[np.ndarray | None]:
    """Return the layer's blobs as arrays that share the net's memory.

    A blob that a file left out (shared parameters in HDF5) is None. Raises KeyError naming the
    closest layer where the net has no such layer.
    """
    params = getattr(net, 'params', net)
    if layer not in params:
        near = closest(layer, list(params))
        hint = f'; did you mean {near!r}?' if near else ''
        raise KeyError(f'the net has no parameters for a layer {layer!r}{hint}')
    return [None if blob is None else _array(blob, params is net) for blob in params[layer]]


def array(net: Net, layer: str, index: int = 0) -> np.ndarray:
    """Return one blob of a layer; ValueError where the file that it comes from left it out."""
    blob = arrays(net, layer)[index]
    if blob is None:
        raise ValueError(f'layer {layer!r} blob {index}: left out by its file, which shares it '
                         'with another layer; expected weights that hold it')
    return blob


def _array(blob: Any, plain: bool) -> np.ndarray:
    """Return one blob's values; a torch tensor on the CPU is seen through, not copied."""
    return np.asarray(blob if plain else blob.data)


def has_layer(net: Net, layer: str) -> bool:
    """Tell whether the net has parameters for a layer of that name."""
    return layer in getattr(net, 'params', net)
