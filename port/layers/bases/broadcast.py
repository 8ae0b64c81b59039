"""Base of Bias and Scale: the second operand, a parameter or the second bottom, spans some of
the first one's axes and is repeated along the others.
"""

import torch

from netspec.schema.messages import FillerParameter
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.onnx.graph_builder import Graph


class Broadcast(Layer):
    """at: the first axis that the operand spans. view: the operand's shape as one of as many
    axes as the bottom, 1 on the repeated ones. repeated: those axes; after: how many at the end.
    """

    def add_operand(self, bottom: Blob, axis: int, num_axes: int,
                    filler: FillerParameter | None) -> None:
        """Make the parameter that spans `num_axes` axes from `axis`; -1 is all that follow."""
        shape = bottom.shape
        at = self.axis(axis, len(shape))
        if num_axes < -1:
            raise ValueError(f'num_axes is {num_axes}; expected 0 or more, or -1 to extend to '
                             'the last axis')
        if at + max(num_axes, 0) > len(shape):
            raise ValueError(f'{num_axes} axes from axis {at} reach past the {len(shape)} axes '
                             f'of bottom {bottom.name!r} {list(shape)}')
        self.add_blob(shape[at:] if num_axes == -1 else shape[at:at + num_axes], filler)

    def fit(self, bottom: Blob, operand: Blob, axis: int) -> None:
        """Find where the operand stands in the bottom's axes; ValueError if it does not fit."""
        shape, spans = bottom.shape, operand.shape
        at = self.axis(axis, len(shape)) if spans else 0
        if shape[at:at + len(spans)] != spans:
            raise ValueError(f'{operand.name!r} {list(spans)} does not fit bottom '
                             f'{bottom.name!r} {list(shape)} from axis {at} on; expected '
                             f'{list(shape[at:at + len(spans)])}')
        self.after = len(shape) - at - len(spans)
        self.view = (1,) * at + spans + (1,) * self.after
        self.repeated = [*range(at), *range(at + len(spans), len(shape))]

    def spread(self, operand: Blob) -> torch.Tensor:
        """Return the operand's data as one that broadcasts with the bottom's."""
        return operand.data.reshape(self.view)

    def gathered(self, gradient: torch.Tensor, operand: Blob) -> torch.Tensor:
        """Return a gradient of the bottom's shape, summed over the repeated axes."""
        summed = gradient.sum(self.repeated) if self.repeated else gradient.clone()
        return summed.reshape(operand.shape)

    def onnx_operand(self, g: Graph, bottoms: list[str], params: list[Blob],
                     name: str = 'weight') -> str:
        """Return the value of the operand, the second bottom or a parameter, that broadcasts."""
        if len(bottoms) == 2:
            axes = len(g.shape(bottoms[1]))
            trailing = range(axes, axes + self.after)
            return g.add('Unsqueeze', bottoms[1], g.ints(*trailing)) if trailing else bottoms[1]
        data = params[0].data
        if data.numel() and bool((data == data.flatten()[0]).all()):
            return g.const(data.flatten()[0], name=name)
        first = next(i for i, size in enumerate(self.view) if size != 1)
        return g.const(data.reshape(self.view[first:]), name=name)
