"""Run a deploy net on what the image reaches only, with packed weights (docs/padding.md)."""

from collections import OrderedDict
from collections.abc import Sequence
from weakref import proxy

import torch
import torch.nn.functional as F

from netspec.schema.messages import TEST
from port.engine.blob import upload
from port.engine.net import Net
from port.fast import arithmetic, fourier, native, routes
from port.fast.blank import Blanks, alike, blanks, needed, spread, strips
from port.fast.geometry import Place, Span
from port.fast.graphs import Capture, Replay, capture_for
from port.fast.plan import Plan, Step, plan
from port.fast.program import Op, Unsuited, program

KEPT_BLANKS = 256   # sizes, up to multiples of the strides, whose blank values are kept
KEPT_SIZES = 2      # input sizes whose buffers are kept
LAST = torch.channels_last
PACKED = torch.ops.mkldnn
PIECES, LEAST = 4, 16       # of a sum over channels, of each at least so many


class Convolution:
    """One convolution with its weights packed for the fastest arithmetic there is for it."""

    def __init__(self, op: Op, dtype: torch.dtype, use_native: bool) -> None:
        layer = self.layer = op.layer
        self.relu, self.halved = op.relu, op.pool is not None
        weight = layer.blobs[0].data
        self.cpu = weight.device.type == 'cpu'
        self.kind, self.packed = 'torch', None
        if use_native and self.cpu:
            self._pack(weight)
        # Our own kernels' float32 outruns bfloat16 and rounds less; scores stay exact.
        self.dtype = dtype if op.relu and self.kind == 'torch' else torch.float32
        self.plain, self.bias = self._cast(weight), self._bias()
        self.large = self.cpu and self.kind == 'torch' and arithmetic.is_large(layer)
        self.spectrum = self._transform() if use_native and self.kind == 'torch' else None

    def _pack(self, weight: torch.Tensor) -> None:
        w = self.layer.window
        if set(w.stride) | set(w.dilation) != {1} or self.layer.group > 1:
            return
        if native.fits_winograd(weight):
            self.kind, self.packed = 'winograd', native.pack_winograd(weight)
        elif not self.halved and native.fits_few(weight):
            self.kind, self.packed = 'few', native.pack_few(weight)

    def _transform(self) -> torch.Tensor | None:
        """Return the spectrum of a large kernel, if transforms of tiles take it."""
        weight, layer = self.plain, self.layer
        fits = not self.large and fourier.fits(weight, layer.window, layer.group)
        return fourier.spectrum(weight) if fits and not weight.shape[1] % fourier.width() else None

    def _cast(self, weight: torch.Tensor) -> torch.Tensor:
        weight = weight.to(self.dtype)
        return weight if self.cpu else weight.to(memory_format=LAST)

    def _bias(self) -> torch.Tensor | None:
        return self.layer.blobs[1].data.to(self.dtype) if len(self.layer.blobs) > 1 else None

    def by_torch(self, x: torch.Tensor, pads: arithmetic.Pads) -> torch.Tensor:
        """Compute by torch; on a CPU with weights in oneDNN's own order."""
        x = x.to(self.dtype)
        if self.large:
            y = arithmetic.product(self.layer, F.pad(x, pads), self.plain, self.bias)
            y = y.relu_() if self.relu else y
        elif not self.cpu:
            y = arithmetic.convolve(self.layer, x, self.plain, self.bias, pads)
            y = y.relu_() if self.relu else y
        elif self.spectrum is not None and self._tiles(x, pads) >= routes.FORWARD_TILES:
            y = self._fourier(x, pads)
        else:
            y = self._onednn(x, pads)
        return arithmetic.halve(y) if self.halved else y

    def _tiles(self, x: torch.Tensor, pads: arithmetic.Pads) -> int:
        left, right, above, below = pads
        return fourier.tiles(x.shape, (above + below, left + right), self.layer.window.kernel[0])

    def _fourier(self, x: torch.Tensor, pads: arithmetic.Pads) -> torch.Tensor:
        padded = F.pad(x, pads).contiguous(memory_format=LAST)
        y, _ = fourier.run(padded, (0, 0), self.layer.window.kernel[0], self.spectrum)
        if self.bias is not None:
            y += self.bias.view(-1, 1, 1)
        return y.relu_() if self.relu else y

    def _onednn(self, x: torch.Tensor, pads: arithmetic.Pads) -> torch.Tensor:
        """Compute by oneDNN, some of the channels at a time: of all it makes one long sum."""
        w, group = self.layer.window, self.layer.group
        x, pad = arithmetic.padded(x, pads, w)
        how = list(pad), list(w.stride), list(w.dilation), group
        parts = x.contiguous(memory_format=LAST).chunk(self._pieces(), 1)
        if self.packed is None:
            self.packed = [
                PACKED._reorder_convolution_weight(weight.contiguous(), *how, list(part.shape))
                for weight, part in zip(self.plain.chunk(len(parts), 1), parts, strict=True)]
        y, last = None, len(parts) - 1
        for i, (part, packed) in enumerate(zip(parts, self.packed, strict=True)):
            part = part.contiguous(memory_format=LAST)
            relu = 'relu' if self.relu and i == last else None
            if y is None:
                y = PACKED._convolution_pointwise(part, packed, self.bias, *how, relu or 'none',
                                                  [], '')
            else:
                PACKED._convolution_pointwise_.binary(y, part, packed, None, *how, 'add', 1.0,
                                                      relu, [], None)
        return y

    def _pieces(self) -> int:
        """Return in how many pieces to sum over the channels; in bfloat16 the sum would be cut."""
        whole = self.layer.group > 1 or self.dtype != torch.float32
        return 1 if whole or self.layer.channels % (PIECES * LEAST) else PIECES

    def into(self, x: torch.Tensor, pads: arithmetic.Pads, y: torch.Tensor,
             inner: list[Span]) -> None:
        """Compute by a kernel of our own straight into y."""
        if self.kind == 'few':
            padded = F.pad(x.float(), pads).contiguous(memory_format=LAST)
            native.few_channels(padded, self.layer.window.kernel[0], self.packed, self.bias,
                                self.relu, y)
        else:
            native.winograd(x, (pads[2], pads[0]), self.packed, self.bias, self.relu,
                            self.halved, y, (inner[0].size, inner[1].size))


class FastNet:
    """A net in the TEST phase, ready to be called with arrays; equal to Net.forward.

    outputs: the blobs wanted (default: the net's outputs). dtype: of the trunk; scores are
    float32. skip: leave out what the image does not reach. use_native: use the C kernels where
    they are. Weights are packed by the first call, and when they may have changed: at each call
    while someone holds them as numpy arrays. On a GPU a size that recurs is recorded as a CUDA
    graph.
    Raises Unsuited for a net whose arithmetic is not known here, calls for such inputs.
    """

    def __init__(self, net: Net, outputs: Sequence[str] | None = None,
                 dtype: torch.dtype = torch.float32, skip: bool = True,
                 use_native: bool = True) -> None:
        if net.phase != TEST:
            raise Unsuited('the net is not in the TEST phase')
        if net.dtype != torch.float32:
            raise Unsuited(f'the net is in {net.dtype}')
        self.net, self.dtype, self.skip = net, dtype, skip
        self.use_native = use_native and native.library() is not None
        self.capture: Capture | None = capture_for(net.device)
        self.program = program(net, outputs)
        self._seen: tuple | None = None          # weights are packed by the first call

    def refresh(self) -> None:
        """Pack the weights as they are now."""
        self._seen = self._versions()
        self.convolutions, self.upsamplings = {}, {}
        self._sizes: OrderedDict[tuple, _Sized] = OrderedDict()
        self._blanks: dict[tuple, Blanks] = {}
        for op in self.program.ops:
            if op.kind == 'Convolution':
                self.convolutions[op.output] = Convolution(op, self.dtype, self.use_native)
            elif op.kind == 'Deconvolution':
                self.upsamplings[op.output] = arithmetic.Upsampling(op.layer)

    def _versions(self) -> tuple:
        """Return what differs once weights may have changed: always, where numpy holds them."""
        return tuple((row.blob.data.data_ptr(), object() if row.blob.held else
                      row.blob.data._version) for row in self.net.learnable)

    @torch.no_grad()
    def __call__(self, **arrays) -> dict[str, torch.Tensor]:
        """Return the wanted blobs, float32, for input arrays N x C x H x W by blob name."""
        if self._versions() != self._seen:
            self.refresh()
        inputs = {}
        for name, value in self.program.inputs.items():
            if name not in arrays:
                raise KeyError(f'no array for the input {name!r}; the net takes '
                               f'{", ".join(self.program.inputs)}')
            x = upload(arrays[name], self.net.device, torch.float32)
            inputs[value] = x.contiguous(memory_format=LAST)
        return self._sized(inputs).call(inputs)

    def _sized(self, inputs: dict[int, torch.Tensor]) -> '_Sized':
        key = tuple(tuple(x.shape) for x in inputs.values())
        found = self._sizes.pop(key, None) or _Sized(self, inputs)
        self._sizes[key] = found
        while len(self._sizes) > KEPT_SIZES:
            self._sizes.popitem(last=False)
        return found

    def plan(self, sizes: dict[str, tuple[int, int]]) -> Plan:
        """Return the plan for inputs of these heights and widths."""
        return plan(self.program, sizes, self.skip)

    def compute(self, step: Step, bottoms: list[torch.Tensor], inner: list[Span],
                pads: arithmetic.Pads = arithmetic.NONE) -> torch.Tensor:
        """Return an operation's outputs from just what they read."""
        op = step.op
        if op.kind == 'Convolution':
            return self.convolutions[op.output].by_torch(bottoms[0], pads)
        if op.kind == 'Pooling':
            return arithmetic.pool(op.layer, bottoms[0], step, inner)
        if op.kind == 'Deconvolution':
            return self.upsamplings[op.output](bottoms[0].float(), inner, step.read(inner))
        return bottoms[0] if op.kind == 'Crop' else arithmetic.pointwise(op.layer, bottoms)

    def blank(self, step: Step, bottoms: list[torch.Tensor], inner: list[Span]) -> torch.Tensor:
        """Return an operation's outputs on a blank patch, which holds its padding."""
        arithmetic.check_channels(step.op, bottoms[0])
        if step.op.kind != 'Convolution':
            return self.compute(step, bottoms, inner)
        mine, (x,) = self.convolutions[step.op.output], bottoms
        if mine.kind != 'torch':
            sizes = [-(-s.size // 2) if mine.halved else s.size for s in inner]
            y = torch.empty(1, mine.layer.num_output, *sizes, memory_format=LAST)
            mine.into(x, arithmetic.NONE, y, inner)
            return y
        y = arithmetic.convolve(mine.layer, x.to(mine.dtype), mine.plain, mine.bias,
                                arithmetic.NONE)
        y = y.relu_() if mine.relu else y
        return arithmetic.halve(y) if mine.halved else y

    def blanks(self, planned: Plan, inputs: dict[int, torch.Tensor]) -> Blanks:
        """Return the blank values for a plan: the same for sizes that meet the strides alike."""
        key = alike(planned)
        if key not in self._blanks:
            if len(self._blanks) >= KEPT_BLANKS:
                self._blanks.clear()
            channels = {v: x.shape[1] for v, x in inputs.items()}
            self._blanks[key] = blanks(planned, channels, self.blank,
                                       next(iter(inputs.values())))
        return self._blanks[key]


def cut(x: torch.Tensor, places: Sequence[Place], spans: list[Span]) -> torch.Tensor:
    """Return a part of a tensor that covers what is wanted of a value, clipped to the canvas."""
    for dim, place, span in zip((2, 3), places, spans, strict=True):
        inside = span.clip(place.size)
        x = x.narrow(dim, inside.first - place.wanted.first, inside.size)
    return x


def room(like: torch.Tensor, batch: int, height: int, width: int) -> torch.Tensor:
    """Return unwritten memory, channels last, of the kind of `like` and with its channels."""
    return torch.empty(batch, like.shape[1], height, width, dtype=like.dtype,
                       device=like.device, memory_format=LAST)


class _Sized:
    """A fast net for inputs of one shape: its plan, and buffers with their blank margins."""

    def __init__(self, fast: FastNet, inputs: dict[int, torch.Tensor]) -> None:
        names = {v: name for name, v in fast.program.inputs.items()}
        self.fast = proxy(fast)      # which owns this: a cycle would keep weights in memory
        self.plan = fast.plan({names[v]: tuple(x.shape[2:]) for v, x in inputs.items()})
        self.places = dict(self.plan.inputs)
        self.places.update((s.op.output, s.places) for s in self.plan.steps)
        batches = {x.shape[0] for x in inputs.values()}
        if len(batches) > 1:
            raise Unsuited(f'inputs of {sorted(batches)} images')
        (self.batch,) = batches
        self.buffers: dict[int, torch.Tensor] = {}
        self._fill_margins(inputs)
        self.replay = None if fast.capture is None else Replay(self.run, fast.capture)

    def call(self, inputs: dict[int, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the wanted blobs, by a recording where the device takes one."""
        return self.run(inputs) if self.replay is None else self.replay(inputs)

    def _fill_margins(self, inputs: dict[int, torch.Tensor]) -> None:
        if not needed(self.plan):
            return
        found = self.fast.blanks(self.plan, inputs)
        for step in self.plan.steps:
            value, reaches = step.op.output, [p.reach for p in step.places]
            around = strips(step.places)
            if around:
                sizes = [p.wanted.size for p in step.places]
                self.buffers[value] = buffer = room(found[value], self.batch, *sizes)
                for rows, columns in around:
                    cut(buffer, step.places, [rows, columns]).copy_(
                        spread(found[value], reaches, range(*rows), range(*columns)))

    def run(self, inputs: dict[int, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Run every operation; return the wanted blobs, in memory of their own."""
        values = dict(inputs)
        for step in self.plan.steps:
            values[step.op.output] = self._step(step, values)
        mine = {x.untyped_storage().data_ptr() for x in (*inputs.values(), *self.buffers.values())}
        outputs = {}
        for name, value in self.fast.program.outputs.items():
            y = values[value].float().contiguous()
            outputs[name] = y.clone() if y.untyped_storage().data_ptr() in mine else y
            mine.add(outputs[name].untyped_storage().data_ptr())
        return outputs

    def _step(self, step: Step, values: dict[int, torch.Tensor]) -> torch.Tensor:
        value = step.op.output
        bottoms = [cut(values[v], self.places[v], step.reads) for v in step.op.inputs]
        arithmetic.check_channels(step.op, bottoms[0])
        pads = arithmetic.pads_of(step.reads, step.sizes)
        mine = self.fast.convolutions.get(value)
        if mine is not None and mine.kind != 'torch':
            buffer = self._buffer(step, bottoms[0])
            mine.into(bottoms[0], pads, cut(buffer, step.places, self._computed(step)),
                      step.inner)
            return buffer
        y = self.fast.compute(step, bottoms, step.inner, pads)
        buffer = self.buffers.get(value)
        if buffer is None:
            return y
        cut(buffer, step.places, self._computed(step)).copy_(y)
        return buffer

    @staticmethod
    def _computed(step: Step) -> list[Span]:
        return [p.computed for p in step.places]

    def _buffer(self, step: Step, like: torch.Tensor) -> torch.Tensor:
        value = step.op.output
        if value not in self.buffers:
            sizes = [p.wanted.size for p in step.places]
            self.buffers[value] = torch.empty(
                self.batch, step.op.layer.num_output, *sizes, memory_format=LAST)
        return self.buffers[value]
