"""Layers that stand in a file, as a NetSpec to go on from: their messages stay as they are."""

from netspec.schema.messages import LayerParameter, NetParameter
from netspec.spec import Function, NetSpec, Top


class Written(Function):
    """A layer that stands in a file, as something to build upon; its message stays as it is."""

    def __init__(self, message: LayerParameter, inputs: tuple[Top, ...]) -> None:
        super().__init__(message.type, inputs, {'ntop': len(message.top)})
        self.message = message
        self.in_place = list(message.top) == list(message.bottom) != []

    def layer(self, bottoms: list[str], tops: list[str], name: str) -> LayerParameter:
        """Return the message with these bottoms and tops, under the name that it has."""
        layer = LayerParameter()
        layer.CopyFrom(self.message)
        del layer.bottom[:], layer.top[:]
        layer.bottom.extend(bottoms)
        layer.top.extend(tops)
        return layer


def as_spec(net: NetParameter) -> tuple[NetSpec, dict[str, Top]]:
    """Return a net's layers as a NetSpec to go on from, and the last top of each blob's name."""
    n, blobs = NetSpec(), dict[str, Top]()
    for message in net.layer:
        made = Written(message, tuple(blobs[name] for name in message.bottom))
        for name, top in zip(message.top, made.tops, strict=True):
            n[message.name if made.in_place else name] = blobs[name] = top
    return n, blobs
