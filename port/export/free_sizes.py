"""Finds which sizes of a net's blobs are free, by trying inputs of other sizes.

A size is free if it changes with the batch, height or width of the inputs. Where a layer refuses
another size (an InnerProduct fixes the image's), that size is not free.
"""

from port.engine.net import Net
from port.onnx.graph_builder import Shape

AXES = {'batch': 0, 'height': 2, 'width': 3}
# Rounding in poolings may hide a small change; a net may take multiples of its stride only. With
# the powers of two, every stride's map is odd in one probe: twice the next coarser one is larger.
MORE = (5, 67, 331, 64, 704, 2, 4, 8, 16, 32)
Sizes = dict[str, tuple[int, ...]]


def free_shapes(net: Net) -> dict[str, Shape]:
    """Return every blob's shape, free sizes by name: batch, height, width, or a name of its own.

    The net ends with the shapes and inputs that it had.
    """
    held = {name: net.blobs[name].data for name in net.inputs}
    base = {name: net.blobs[name].shape for name in net.inputs}
    try:
        probes = [_probe(net, base)]
        for symbol in AXES:
            probes += _changed(net, base, symbol, net.inputs)
            for name in net.inputs if len(net.inputs) > 1 else ():
                alone = _changed(net, base, symbol, [name])
                # A small change may vanish in a rounded size: only where the net takes every
                # change of one input alone may its inputs differ in size.
                probes += alone if len(alone) == len(MORE) else []
    finally:
        _probe(net, base)
        for name, data in held.items():
            net.blobs[name].data = data
    return _named(probes, net.inputs)


def _probe(net: Net, shapes: Sizes) -> Sizes:
    for name, shape in shapes.items():
        net.blobs[name].reshape(*shape)
    net.reshape()
    return {name: blob.shape for name, blob in net.all_blobs.items()}


def _changed(net: Net, base: Sizes, symbol: str, which: list[str]) -> list[Sizes]:
    """Return all shapes for the larger sizes of one kind that no layer refuses."""
    found = []
    for more in MORE:
        shapes = base | {name: _grown(base[name], AXES[symbol], more) for name in which}
        try:
            found.append(_probe(net, shapes))
        except (ValueError, RuntimeError):
            continue
    return found


def _grown(shape: tuple[int, ...], axis: int, more: int) -> tuple[int, ...]:
    if len(shape) != 4 and axis or len(shape) <= axis:
        return shape
    return (*shape[:axis], shape[axis] + more, *shape[axis + 1:])


def _named(probes: list[Sizes], inputs: list[str]) -> dict[str, Shape]:
    names: dict[tuple[int, ...], str] = {}
    for blob in inputs:
        for symbol, axis in AXES.items():
            history = _history(probes, blob, axis)
            if len(set(history)) > 1:
                taken = symbol in names.values()
                names.setdefault(history, f'{blob}_{symbol}' if taken else symbol)
    result = {}
    for blob, shape in probes[0].items():
        result[blob] = tuple(_name(_history(probes, blob, axis), names, f'{blob}_{axis}')
                             for axis in range(len(shape)))
    return result


def _history(probes: list[Sizes], blob: str, axis: int) -> tuple[int, ...]:
    return tuple(p[blob][axis] for p in probes if axis < len(p[blob]))


def _name(history: tuple[int, ...], names: dict[tuple[int, ...], str], own: str) -> int | str:
    if len(set(history)) == 1:
        return history[0]
    return names.setdefault(history, own)
