"""Training passes of nets with batch normalisation: the plain engine, layer after layer, but
where layers are known to go together (convolution, BatchNorm, Scale, ReLU; 2 x 2 maxima and the
Upsample that undoes them) our own kernels take them as one, with large kernels by Fourier
transforms. The numbers are the plain engine's to float32 rounding; channels come last in memory.
"""

from collections.abc import Callable
from math import prod

import torch

from netspec.schema.messages import PoolingParameter
from port.engine.net import Net
from port.engine.wiring import Node, located
from port.fast import fourier, native, stage
from port.fast.program import Unsuited
from port.fast.routes import ByTorch, route

LAST = torch.channels_last
MOST_PLACES = 1 << 24       # that a float32 mask can number


class Plain:
    """A layer as it is."""

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
    """Convolution, BatchNorm of the batch, Scale with bias, and ReLU or not, on one blob.

    z: the convolution's output. scale, shift: what normalisation and Scale together do to it.
    """

    def __init__(self, conv: Node, norm: Node, affine: Node, relu: Node | None) -> None:
        self.nodes = [n for n in (conv, norm, affine, relu) if n is not None]
        self.conv, self.norm, self.affine = conv, norm.layer, affine.layer
        self.relu = relu is not None
        self.z: torch.Tensor | None = None
        self.alone = [Plain(node) for node in self.nodes]

    def forward(self) -> torch.Tensor | float:
        """Assign the top's data and count the batch into BatchNorm's statistics."""
        fit(self.nodes)
        shape = self.conv.top[0].shape
        self.together = stage.fills(shape) and prod((shape[0], *shape[2:])) > 1
        if not self.together:
            return sum(step.forward() for step in self.alone)
        self.route = route(self.conv.layer)
        self.z = self.route.forward(self.conv.bottom[0].data)
        self._normalise(*stage.moments(self.z))
        self.conv.top[0].data = stage.affine(self.z, self.scale, self.shift, self.relu)
        return 0.0

    def _normalise(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        pixels = self.z.numel() // self.z.shape[1]
        unbiased = variance * (pixels / (pixels - 1))
        for blob, new in zip(self.norm.blobs, (mean, unbiased, 1), strict=True):
            blob.data.mul_(self.norm.fraction).add_(new)
        self.mean, self.rate = mean, torch.rsqrt(variance + self.norm.eps)
        gamma, beta = (blob.data.double() for blob in self.affine.blobs)
        self.scale, self.shift = gamma * self.rate, beta - gamma * self.rate * mean

    def backward(self) -> None:
        """Assign the bottom's diff, add to the parameters', and let go of what was kept.

        With g = dy under the ReLU and x' = (z - mean) rate:
        dz = gamma rate (g - mean(g) - x' mean(g x')).
        """
        if not self.together:
            for step in reversed(self.alone):
                step.backward()
            return
        z, top = self.z, self.conv.top[0]
        dy, self.z = top.diff.contiguous(memory_format=LAST), None
        total, along = stage.gradient_sums(dy, z, self.scale, self.shift, self.mean,
                                           self.relu)
        self._learn(along * self.rate, total)
        pixels = z.numel() // z.shape[1]
        p = self.affine.blobs[0].data.double() * self.rate
        q = -p * self.rate * self.rate * along / pixels
        r = -p * total / pixels - q * self.mean
        dz = stage.gradient(dy, z, self.scale, self.shift, self.relu, p, q, r)
        top.drop_diff()
        convolution_back(self.conv, self.route, dz)

    def _learn(self, *gradients: torch.Tensor) -> None:
        layer, bottom = self.affine, self.conv.top[0]
        for blob, wanted, found in zip(layer.blobs, layer.param_propagate_down, gradients,
                                       strict=True):
            if not wanted:
                continue
            if blob is layer.blobs[0] and layer.overwrites(bottom, blob):
                blob.diff = found.float()
            else:
                blob.add_diff(found.float())


def fit(nodes: list[Node]) -> None:
    """Give the nodes' tops their shapes anew if the bottoms changed theirs."""
    for node in nodes:
        with located(node.entry):
            node.fit()


class Convolved(Plain):
    """A convolution alone, by a faster route than torch's."""

    def forward(self) -> float:
        """Assign the top's data."""
        fit([self.node])
        self.route = route(self.node.layer)
        self.node.top[0].data = self.route.forward(self.node.bottom[0].data)
        return 0.0

    def backward(self) -> None:
        """Assign the bottom's diff and add to the parameters'."""
        if self.node.need_backward:
            diff = self.node.top[0].diff.contiguous(memory_format=LAST)
            convolution_back(self.node, self.route, diff)


def convolution_back(node: Node, way: ByTorch, diff: torch.Tensor) -> None:
    """Assign the bottom's diff and add to the parameters', each if it is asked for."""
    layer, down = node.layer, node.propagate_down[0]
    found = way.backward(diff, node.bottom[0].data, down, layer.param_propagate_down)
    if down:
        node.bottom[0].diff = found[0]
    for blob, asked, gradient in zip(layer.blobs, layer.param_propagate_down, found[1:],
                                     strict=False):
        if asked:
            blob.add_diff(gradient)


class Maxima(Plain):
    """2 x 2 maxima at stride 2; places: where they stood."""

    def forward(self) -> torch.Tensor | float:
        """Assign the maxima, and their places where they are asked for."""
        fit([self.node])
        self.size = None
        if not _counted(self.node.bottom[0].shape):
            return super().forward()
        x = self.node.bottom[0].data.contiguous(memory_format=LAST)
        self.size = tuple(x.shape[2:])
        top, self.places = stage.maxima(x)
        for blob, value in zip(self.node.top, (top, self.places), strict=False):
            blob.data = value
        return 0.0

    def backward(self) -> None:
        """Assign the bottom's diff."""
        if self.size is None:
            super().backward()
        elif self.node.propagate_down[0]:
            diff = self.node.top[0].diff.contiguous(memory_format=LAST)
            self.node.bottom[0].diff = stage.put_back(diff, self.places, self.size)


class PutBack(Plain):
    """Upsample to where a step's maxima stood; the plain layer where the sizes differ."""

    def __init__(self, node: Node, maxima: Maxima) -> None:
        super().__init__(node)
        self.maxima = maxima

    def forward(self) -> torch.Tensor | float:
        """Assign the values at their places, zero elsewhere."""
        fit([self.node])
        self.same = self.node.top[0].shape[2:] == self.maxima.size
        if not self.same:
            return super().forward()
        values = self.node.bottom[0].data.contiguous(memory_format=LAST)
        self.node.top[0].data = stage.put_back(values, self.maxima.places, self.maxima.size)
        return 0.0

    def backward(self) -> None:
        """Assign the bottom's diff."""
        if not self.same:
            super().backward()
        elif self.node.propagate_down[0]:
            diff = self.node.top[0].diff.contiguous(memory_format=LAST)
            self.node.bottom[0].diff = stage.take_out(diff, self.maxima.places)
            self.node.top[0].drop_diff()


Step = Plain | Normalised


class Grouped:
    """A net's steps. Raises Unsuited where there is nothing to gain."""

    def __init__(self, net: Net) -> None:
        if net.device.type != 'cpu' or net.dtype != torch.float32:
            raise Unsuited('not a float32 net on a CPU')
        if None in (native.library(), fourier.library(), stage.library()):
            raise Unsuited('there are no kernels of our own')
        views = [node.name for node in net.nodes if node.shared]
        if views:
            raise Unsuited(f'layer {views[0]!r}: works in place on memory that blobs share')
        self.net, self.steps = net, grouped(net.nodes)
        if all(type(step) is Plain for step in self.steps):
            raise Unsuited('no layers that go together')

    @torch.no_grad()
    def forward(self) -> torch.Tensor | float:
        """Run the net forward; return the loss."""
        loss: torch.Tensor | float = 0.0
        for step in self.steps:
            loss = loss + step.forward()
        self.net.loss = loss
        return loss

    @torch.no_grad()
    def __call__(self, look: Callable[[float], None] = lambda loss: None) -> torch.Tensor | float:
        """Run one pass, adding to the parameters' diffs; return the loss.

        look: called with the loss before the backward pass.
        """
        loss = self.forward()
        look(float(loss))
        for step in reversed(self.steps):
            step.backward()
        return loss


def grouped(nodes: list[Node]) -> list[Step]:
    """Return the steps that do the work of the nodes, in their order."""
    steps: list[Step] = []
    pools: dict[int, Maxima] = {}
    i = 0
    while i < len(nodes):
        node = nodes[i]
        step, taken = _normalised(nodes[i:i + 4])
        if step is None and _halves(node):
            step = Maxima(node)
            pools[id(node.top[-1])] = step
        elif step is None and node.layer.type == 'Upsample' and id(node.bottom[1]) in pools:
            step = PutBack(node, pools[id(node.bottom[1])])
        elif step is None and _faster(node):
            step = Convolved(node)
        steps.append(step or Plain(node))
        i += taken
    return steps


def _counted(shape: tuple[int, ...]) -> bool:
    """Whether a mask can number the places of an image, and its channels fill vectors."""
    return (len(shape) == 4 and shape[1] % stage.width() == 0
            and shape[2] * shape[3] <= MOST_PLACES)


def _normalised(nodes: list[Node]) -> tuple[Normalised | None, int]:
    """Return the step that the first nodes make, and how many they are; else None, 1."""
    types = [node.layer.type for node in nodes]
    if (types[:1] not in (['Convolution'], ['Deconvolution'])
            or types[1:3] != ['BatchNorm', 'Scale']):
        return None, 1
    conv, norm, affine = nodes[:3]
    blob = conv.top[0]
    relu = types[3:] == ['ReLU'] and nodes[3].bottom[0] is nodes[3].top[0] is blob
    relu = nodes[3] if relu and nodes[3].layer.slope == 0 else None
    alone = len(conv.bottom) == len(affine.bottom) == 1 and not norm.layer.stored
    in_place = all(n.bottom[0] is n.top[0] is blob and not n.shared for n in (norm, affine))
    channels = (blob.shape[1],) if len(blob.shape) == 4 else ()
    each = ([b.shape for b in affine.layer.blobs] == [channels, channels]
            and affine.layer.param.scale_param.axis == conv.layer.channel_axis == 1)
    asked = all(n.need_backward for n in (conv, norm, affine))
    if not (alone and in_place and each and asked):
        return None, 1
    return Normalised(conv, norm, affine, relu), 3 + (relu is not None)


def _faster(node: Node) -> bool:
    """Whether a convolution alone has a faster route than torch's."""
    return (node.layer.type == 'Convolution' and len(node.bottom) == 1
            and type(route(node.layer)) is not ByTorch)


def _halves(node: Node) -> bool:
    """Whether a node takes 2 x 2 maxima at stride 2."""
    layer = node.layer
    return (layer.type == 'Pooling' and layer.method == PoolingParameter.MAX
            and (layer.kernel, layer.stride, layer.pad) == ((2, 2), (2, 2), (0, 0))
            and layer.param.pooling_param.round_mode == PoolingParameter.CEIL
            and _counted(node.bottom[0].shape))
