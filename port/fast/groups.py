"""Passes of nets with batch normalisation or unpooling (docs/groups.md): the plain engine, layer
after layer, but groups of layers that our kernels compute at once: BatchNorm, Scale and ReLU; 2 x 2
maxima and the Upsample that undoes them; and convolutions by the fastest route. The numbers are the
plain engine's to float32 rounding; channels come last in memory.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch

from netspec.schema.messages import PoolingParameter
from port.engine.net import Net
from port.engine.wiring import Node, located
from port.fast.convolutions.choice import ChosenConvolution
from port.fast.convolutions.task import Task
from port.fast.kernels import batch_norm, max_unpooling
from port.fast.kernels.calls import available, vector_width
from port.fast.kernels.planes import LAST
from port.fast.unsuited import Unsuited

MOST_PLACES = 1 << 24       # that a float32 mask can number


class LoneLayer:
    """A layer in no group, run as it is."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def forward(self) -> torch.Tensor | float:
        """Run the layer; return its part of the loss."""
        with located(self.node.entry):
            return Net.forward_layer(self.node)

    def backward(self) -> None:
        """Run the layer's backward pass if anything asks for it."""
        node = self.node
        if node.need_backward:
            with located(node.entry):
                node.layer.backward(node.top, node.propagate_down, node.bottom)


class Normalised:
    """BatchNorm of the batch, Scale with bias, and ReLU or not, on one blob.

    z: the values before. scale, shift: what normalisation and Scale together do to them.
    """

    def __init__(self, norm: Node, affine: Node, relu: Node | None) -> None:
        self.nodes = [n for n in (norm, affine, relu) if n is not None]
        self.blob = norm.bottom[0]
        self.norm: Any = norm.layer
        self.affine: Any = affine.layer
        self.relu = relu is not None
        self.z: torch.Tensor | None = None
        self.alone = [LoneLayer(node) for node in self.nodes]

    def forward(self) -> torch.Tensor | float:
        """Assign the blob's data and count the batch into BatchNorm's statistics."""
        fit(self.nodes)
        shape = self.blob.shape
        self.together = batch_norm.fills_vectors(shape) and prod((shape[0], *shape[2:])) > 1
        if not self.together:
            return sum(layer.forward() for layer in self.alone)
        self.z = z = last(self.blob.data)
        self._normalise(z.numel() // z.shape[1], *batch_norm.moments(z))
        self.blob.data = batch_norm.affine(z, self.scale, self.shift, self.relu)
        return 0.0

    def _normalise(self, pixels: int, mean: torch.Tensor, variance: torch.Tensor) -> None:
        unbiased = variance * (pixels / (pixels - 1))
        for blob, new in zip(self.norm.blobs, (mean, unbiased, torch.ones(())), strict=True):
            blob.data.mul_(self.norm.fraction).add_(new)
        self.mean, self.rate = mean, torch.rsqrt(variance + self.norm.eps)
        gamma, beta = (blob.data.double() for blob in self.affine.blobs)
        self.scale, self.shift = gamma * self.rate, beta - gamma * self.rate * mean

    def backward(self) -> None:
        """Assign the blob's diff, that of z, add to the parameters', and let go of z.

        With g = dy under the ReLU and x' = (z - mean) rate:
        dz = gamma rate (g - mean(g) - x' mean(g x')).
        """
        if not self.together:
            for layer in reversed(self.alone):
                layer.backward()
            return
        assert self.z is not None, 'backward follows forward'
        dy, z, self.z = last(self.blob.diff), self.z, None
        total, along = batch_norm.gradient_sums(dy, z, self.scale, self.shift, self.mean,
                                                self.relu)
        self._learn(along * self.rate, total)
        pixels = z.numel() // z.shape[1]
        p = self.affine.blobs[0].data.double() * self.rate
        q = -p * self.rate * self.rate * along / pixels
        r = -p * total / pixels - q * self.mean
        self.blob.diff = batch_norm.gradient(dy, z, {'scale': self.scale, 'shift': self.shift,
                                                     'p': p, 'q': q, 'r': r}, self.relu)

    def _learn(self, *gradients: torch.Tensor) -> None:
        layer = self.affine
        for blob, wanted, found in zip(layer.blobs, layer.param_propagate_down, gradients,
                                       strict=True):
            if not wanted:
                continue
            if blob is layer.blobs[0] and layer.overwrites(self.blob, blob):
                blob.diff = found.float()
            else:
                blob.add_diff(found.float())


def last(x: torch.Tensor) -> torch.Tensor:
    """Return a tensor with its channels last in memory: itself where they are."""
    return x.contiguous(memory_format=LAST)


def fit(nodes: list[Node]) -> None:
    """Give the nodes' tops their shapes anew if the bottoms changed theirs."""
    for node in nodes:
        with located(node.entry):
            node.fit()


class LoneConvolution(LoneLayer):
    """A convolution by the fastest route."""

    def forward(self) -> float:
        """Assign the top's data."""
        fit([self.node])
        layer: Any = self.node.layer
        self.chosen = ChosenConvolution(Task(layer))
        self.node.top[0].data = last(self.chosen.forward(last(self.node.bottom[0].data)))
        return 0.0

    def backward(self) -> None:
        """Assign the bottom's diff and add to the parameters', each if it is asked for."""
        (top, bottom), layer = (self.node.top[0], self.node.bottom[0]), self.node.layer
        down, asked = self.node.propagate_down[0], layer.param_propagate_down
        if not self.node.need_backward:
            return
        diff = last(top.diff)
        top.drop_diff()
        found = self.chosen.gradients(diff, last(bottom.data), [down, *asked])
        if found[0] is not None:
            bottom.diff = found[0]
        for blob, wanted, gradient in zip(layer.blobs, asked, found[1:], strict=False):
            if wanted and gradient is not None:
                blob.add_diff(gradient)


class MaximaWithPlaces(LoneLayer):
    """2 x 2 maxima at stride 2; places: where they stood."""

    def forward(self) -> torch.Tensor | float:
        """Assign the maxima, and their places where they are asked for."""
        fit([self.node])
        self.size: tuple[int, int] | None = None
        if not _counted(self.node.bottom[0].shape):
            return super().forward()
        x = last(self.node.bottom[0].data)
        self.size = x.shape[2], x.shape[3]
        top, self.places = max_unpooling.maxima(x)
        for blob, value in zip(self.node.top, (top, self.places), strict=False):
            blob.data = value
        return 0.0

    def backward(self) -> None:
        """Assign the bottom's diff."""
        if self.size is None:
            super().backward()
        elif self.node.propagate_down[0]:
            diff = last(self.node.top[0].diff)
            self.node.bottom[0].diff = max_unpooling.put_back(diff, self.places, self.size)


class ValuesPutBack(LoneLayer):
    """Upsample: values back to where the maxima stood; the plain layer where the sizes differ."""

    def __init__(self, node: Node, maxima: MaximaWithPlaces) -> None:
        super().__init__(node)
        self.maxima = maxima

    def forward(self) -> torch.Tensor | float:
        """Assign the values at their places, zero elsewhere."""
        fit([self.node])
        size = self.maxima.size
        self.same = size is not None and self.node.top[0].shape[2:] == size
        if size is None or not self.same:
            return super().forward()
        values = last(self.node.bottom[0].data)
        self.node.top[0].data = max_unpooling.put_back(values, self.maxima.places, size)
        return 0.0

    def backward(self) -> None:
        """Assign the bottom's diff."""
        if not self.same:
            super().backward()
        elif self.node.propagate_down[0]:
            diff = last(self.node.top[0].diff)
            self.node.bottom[0].diff = max_unpooling.take_out(diff, self.maxima.places)
            self.node.top[0].drop_diff()


Group = LoneLayer | Normalised


class GroupedNet:
    """A net as groups of layers. Raises Unsuited where there is nothing to gain."""

    def __init__(self, net: Net) -> None:
        if net.device.type != 'cpu' or net.dtype != torch.float32:
            raise Unsuited('not a float32 net on a CPU')
        if not available():
            raise Unsuited('there are no kernels of our own')
        views = [node.name for node in net.nodes if node.shared]
        if views:
            raise Unsuited(f'layer {views[0]!r}: works in place on memory that blobs share')
        self.net, self.groups = net, find_groups(net.nodes)
        if all(type(group) is LoneLayer for group in self.groups):
            raise Unsuited('no layers that go together')

    @torch.no_grad()
    def forward(self) -> torch.Tensor | float:
        """Run the net forward; return the loss."""
        loss: torch.Tensor | float = 0.0
        for group in self.groups:
            loss = loss + group.forward()
        self.net.loss = loss
        return loss

    @torch.no_grad()
    def __call__(self, look: Callable[[float], None] = lambda loss: None) -> torch.Tensor | float:
        """Run one pass, adding to the parameters' diffs; return the loss.

        look: called with the loss before the backward pass.
        """
        loss = self.forward()
        look(float(loss))
        for group in reversed(self.groups):
            group.backward()
        return loss


def find_groups(nodes: list[Node]) -> list[Group]:
    """Return the groups that do the work of all layers, in their order."""
    groups: list[Group] = []
    pools: dict[int, MaximaWithPlaces] = {}       # by the id of the blob that has the places
    i = 0
    while i < len(nodes):
        normalised = _normalised(nodes[i:i + 3])
        groups.append(normalised or _alone(nodes[i], pools))
        i += len(normalised.nodes) if normalised else 1
    return groups


def _alone(node: Node, pools: dict[int, MaximaWithPlaces]) -> LoneLayer:
    """Return how a layer that no convolution takes along is run."""
    if _halves(node):
        pools[id(node.top[-1])] = found = MaximaWithPlaces(node)
        return found
    if node.layer.type == 'Upsample' and id(node.bottom[1]) in pools:
        return ValuesPutBack(node, pools[id(node.bottom[1])])
    return LoneConvolution(node) if _is_faster(node) else LoneLayer(node)


def _is_faster(node: Node) -> bool:
    """Whether a layer is a convolution over rows and columns for which there is more than torch."""
    layer: Any = node.layer
    return (layer.type == 'Convolution' and len(node.bottom) == 1 and not layer.tail
            and layer.channel_axis == 1 and layer.spatial_axes == 2
            and ChosenConvolution(Task(layer)).faster)


def _counted(shape: tuple[int, ...]) -> bool:
    """Whether a mask can number the places of an image, and its channels fill vectors."""
    return (len(shape) == 4 and shape[1] % vector_width() == 0
            and shape[2] * shape[3] <= MOST_PLACES)


def _normalised(nodes: list[Node]) -> Normalised | None:
    """Return the group that the first layers make, if they make one."""
    if [node.layer.type for node in nodes[:2]] != ['BatchNorm', 'Scale']:
        return None
    norm, affine = nodes[:2]
    layers: list[Any] = [node.layer for node in nodes]
    blob = norm.bottom[0]
    relu = nodes[2] if len(nodes) > 2 and layers[2].type == 'ReLU' else None
    if relu is not None and (layers[2].slope or not relu.bottom[0] is relu.top[0] is blob):
        relu = None
    in_place = all(n.bottom[0] is n.top[0] is blob and not n.shared for n in (norm, affine))
    channels = (blob.shape[1],) if len(blob.shape) == 4 else ()
    each = ([b.shape for b in affine.layer.blobs] == [channels, channels]
            and affine.layer.param.scale_param.axis == 1)
    asked = all(n.need_backward for n in (norm, affine))
    if layers[0].stored or len(affine.bottom) > 1 or not (in_place and each and asked):
        return None
    return Normalised(norm, affine, relu)


def _halves(node: Node) -> bool:
    """Whether a node takes 2 x 2 maxima at stride 2."""
    layer: Any = node.layer
    return (layer.type == 'Pooling' and layer.method == PoolingParameter.MAX
            and (layer.kernel, layer.stride, layer.pad) == ((2, 2), (2, 2), (0, 0))
            and layer.dilation == (1, 1)
            and layer.param.pooling_param.round_mode == PoolingParameter.CEIL
            and _counted(node.bottom[0].shape))
