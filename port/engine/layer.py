"""Layer: what a net and its layers expect of each other (include/caffe/layer.hpp).

setup runs once, reshape when a bottom changed its shape. forward reads the bottoms and assigns the
tops. backward reads the tops' diffs, assigns the bottoms' diffs and adds to the parameters'.
"""

from math import prod
from typing import cast

import torch

from netspec.layer_shapes import canonical
from netspec.layer_types import LayerType
from netspec.schema.messages import BlobProto, FillerParameter, LayerParameter
from port.engine.blob import Blob, Param
from port.engine.fillers import fill
from port.engine.memory import check_memory, check_shape
from port.onnx.graph_builder import Graph


class Layer:
    """Base of every layer type. Subclasses write the four steps.

    facts: what netspec.layer_types says of the type: how many blobs it takes, their shapes.
    blobs: the parameters, Blob each. param_propagate_down: whether each wants its gradient.
    loss_weights: one float a top.
    """

    type = ''
    facts = LayerType()
    always_reshape = False       # reshape before every forward, whatever the shapes
    shares_params = True         # False: a parameter shared by name is refused
    saves_bottom = False         # Caffe's keeps for backward what its first bottom held
    overwritten = False          # a later layer writes into that bottom's memory (set by Wiring)

    def __init__(self, param: LayerParameter, phase: int) -> None:
        self.param, self.phase, self.name = param, phase, param.name
        self.blobs: list[Blob] = []
        self.param_propagate_down: list[bool] = []
        self.loss_weights: list[float] = []
        self.dtype, self.device = torch.float32, torch.device('cpu')
        self.saved: torch.Tensor | None = None

    # -- what a layer type writes ------------------------------------------------------------

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Read self.param and make the parameters, once."""

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Give each top its shape, by the type's row; layers without bottoms do so in setup."""
        if bottom:
            self.shape_tops(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Assign each top's data from the bottoms' data."""
        raise TypeError(f'layer type {type(self).__name__} does not define forward')

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """Assign the bottoms' diffs, and add to the parameters', from the tops' diffs."""
        if any(propagate_down) or any(self.param_propagate_down):
            raise ValueError(f'layer {self.name!r}: {self.type} has no backward pass')

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        """Add what the layer does in the TEST phase to an ONNX graph; return the values of its
        tops.

        Called after reshape. bottoms: the names of the bottoms' values. tops: names for the values
        that the layer makes; a layer that changes nothing returns its bottoms' instead.
        """
        raise ValueError(f'{self.type} has no ONNX form')

    def default_loss_weight(self, index: int) -> float:
        """Return the loss weight of a top where the prototxt gives none."""
        return 0.0

    def allow_force_backward(self, index: int) -> bool:
        """Whether force_backward may ask for the diff of this bottom."""
        return True

    def seen(self, bottom: Blob) -> torch.Tensor:
        """Return what the last forward pass read in the first bottom."""
        return bottom.data if self.saved is None else self.saved

    # -- what the net calls --------------------------------------------------------------------

    def check_arity(self, n_bottom: int, n_top: int) -> None:
        """Raise ValueError when the numbers of bottoms or tops do not fit the type."""
        self.facts.check_arity(self.param, n_bottom, n_top)

    def set_loss_weights(self, top: list[Blob]) -> None:
        """Put each loss weight into its top's diff, where backward finds it."""
        given = list(self.param.loss_weight)
        if given and len(given) != len(top):
            raise ValueError(f'loss_weight is given {len(given)} time(s) for {len(top)} top(s); '
                             'expected one for each top, or none')
        self.loss_weights = given or [self.default_loss_weight(i) for i in range(len(top))]
        for blob, weight in zip(top, self.loss_weights, strict=True):
            if weight:
                blob.diff = torch.full(blob.shape, weight, dtype=blob.dtype, device=blob.device)

    # -- what layer types use --------------------------------------------------------------------

    def add_blob(self, shape: tuple[int, ...], filler: FillerParameter | None = None) -> Blob:
        """Append a parameter, filled from the layer's own `blobs` where it carries them.

        Without a filler it is zero. Raises ValueError when the carried shape differs.
        """
        index = len(self.blobs)
        check_shape(f'{self.name}[{index}]', shape)
        check_memory(4 * prod(shape), f'parameter {index} of shape {list(shape)}',
                     self.device.type)
        blob = Param(f'{self.name}[{index}]', tuple(shape), self.dtype, self.device)
        if index < len(self.param.blobs):
            blob.data = carried(self.param.blobs[index], tuple(shape), blob)
        elif filler is not None:
            blob.data = fill(filler, tuple(shape)).to(self.device, self.dtype)
        self.blobs.append(blob)
        return blob

    def shape_tops(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Give each top the shape that the type's row in netspec.layer_types gives it."""
        shapes = self.facts.shapes(self.param, [blob.shape for blob in bottom])
        for blob, shape in zip(top, shapes, strict=True):
            blob.reshape(*cast(tuple[int, ...], shape))

    def axis(self, axis: int, axes: int, what: str = 'axis') -> int:
        """Return a possibly negative axis as 0..axes-1; ValueError if it is out of range."""
        return canonical(axis, axes, what)


class LossLayer(Layer):
    """Base of the losses: two bottoms, one scalar top of weight 1 (Caffe's LossLayer).

    The second bottom, the label, takes no gradient.
    """

    def default_loss_weight(self, index: int) -> float:
        return 1.0 if index == 0 else 0.0

    def allow_force_backward(self, index: int) -> bool:
        return index != 1

    def refuse_label_gradient(self, propagate_down: list[bool]) -> None:
        """Raise ValueError, as Caffe aborts, when the label is asked for a gradient."""
        if len(propagate_down) > 1 and propagate_down[1]:
            raise ValueError(f'{self.type} layer cannot backpropagate to label inputs')


def carried(proto: BlobProto, shape: tuple[int, ...], like: Blob) -> torch.Tensor:
    """Return the array of a BlobProto as a tensor of `shape`; ValueError if it cannot be."""
    from netspec.schema import blob_array
    array = blob_array(proto)
    if array.size != like.count:
        raise ValueError(f'param {like.name} carries an array of shape {list(array.shape)}; '
                         f'the layer expects {list(shape)}')
    return torch.tensor(array.reshape(shape), dtype=like.dtype, device=like.device)
