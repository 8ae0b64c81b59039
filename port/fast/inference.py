"""Run a deploy net on what the image reaches only, with weights packed once (docs/padding.md)."""

from collections.abc import Callable, Sequence
from threading import RLock

import torch

from netspec.schema.messages import TEST
from port.engine.blob import upload
from port.engine.net import Array, Net
from port.fast.cuda_graphs import Capture, Replay, capture_for
from port.fast.execution import Execution, Operators, Values, make_operators
from port.fast.kernels import calls
from port.fast.reach.blank_values import Blanks, blank_key, blank_values
from port.fast.reach.geometry import Interval
from port.fast.reach.operations import Program, testing_program
from port.fast.reach.plan import ReachPlan, make_plan
from port.fast.recent import Recent
from port.fast.recorded_execution import RecordedExecution
from port.fast.unsuited import Unsuited

KEPT_BLANKS = 32    # sizes, up to multiples of the strides, whose blank values are kept
KEPT_SIZES = 2      # input sizes whose memory is kept
Results = dict[str, torch.Tensor]


class FastNet:
    """A net in the TEST phase, ready to be called with arrays; equal to Net.forward.

    outputs: the blobs wanted (default: the net's outputs). dtype: of the trunk; scores are
    float32. skip: leave out what the image does not reach. kernels: use the C kernels where
    there are any. parts: plans are asked for parts of the outputs (tiles.py). program: of these
    outputs, where it is made already.

    Weights are packed by the first call, and again when they may have changed. On a GPU a size that
    recurs is recorded as a CUDA graph. Calls from several threads take turns: they share the packed
    weights and the memory between the layers.
    Raises Unsuited for a net whose arithmetic is not known here; so do calls, for a size.
    """

    def __init__(self, net: Net, outputs: Sequence[str] | None = None,
                 dtype: torch.dtype = torch.float32, skip: bool = True,
                 kernels: bool = True, parts: bool = False,
                 program: Program | None = None) -> None:
        if net.phase != TEST:
            raise Unsuited('the net is not in the TEST phase')
        if net.dtype != torch.float32:
            raise Unsuited(f'the net is in {net.dtype}')
        self.net, self.dtype, self.skip, self.kernels = net, dtype, skip, kernels
        self.program = program or testing_program(net, outputs, parts)
        counts = any(op.kind == 'Whole' and op.layer.type == 'BatchNorm'     # also when recorded
                     for op in self.program.operations)
        self.capture: Capture | None = None if counts else capture_for(net.device)
        self.operators: Operators = {}
        self._weights: tuple | None = None       # as they were when they were packed
        self._sizes: Recent[Callable[[Values], Results]] = Recent(KEPT_SIZES)
        self._blanks: Recent[Blanks] = Recent(KEPT_BLANKS)
        self._turn = RLock()

    def refresh(self) -> None:
        """Pack the weights as they are now, and forget what was computed from others."""
        self._weights = self._weights_now()
        self._sizes.clear()
        self._blanks.clear()
        self.operators = make_operators(self.program, self.dtype, self.kernels, fixed=True)

    def _weights_now(self) -> tuple:
        """Return something that is equal only as long as no weight can have changed.

        torch counts what is written to a tensor. It does not see what is written to a numpy
        array of the same memory, nor count for tensors made in inference_mode: there an object
        of its own stands, which equals no other, and the weights are packed at each call.
        """
        blobs = [row.blob for row in self.net.learnable]
        return tuple([(data.data_ptr(), object() if blob.held or data.is_inference()
                       else data._version) for blob in blobs for data in [blob.data]])

    def __call__(self, **arrays: Array) -> Results:
        """Return the wanted blobs, float32, for input arrays N x C x H x W by blob name."""
        with self._turn, torch.inference_mode(False), torch.no_grad():
            if self._weights_now() != self._weights:
                self.refresh()
            inputs = {}
            for name, value in self.program.inputs.items():
                if name not in arrays:
                    raise KeyError(f'no array for the input {name!r}; the net takes '
                                   f'{", ".join(self.program.inputs)}')
                inputs[value] = upload(arrays[name], self.net.device, torch.float32)
            return self._for_size(inputs)(inputs)

    def _for_size(self, inputs: Values) -> Callable[[Values], Results]:
        """Return what runs the net on inputs of these shapes."""
        key = tuple(tuple(x.shape) for x in inputs.values())
        return self._sizes.get(key, lambda: self._prepare(inputs))

    def _prepare(self, inputs: Values) -> Callable[[Values], Results]:
        batches = {x.shape[0] for x in inputs.values()}
        if len(batches) > 1:
            raise Unsuited(f'inputs of {sorted(batches)} images')
        plan = self.plan({name: (inputs[value].shape[2], inputs[value].shape[3])
                          for name, value in self.program.inputs.items()})
        outputs = self.program.outputs
        # What torch computes lies in memory of its own, anew each time: it would have to be copied.
        by_kernels = self.net.device.type == 'cpu' and self.kernels and calls.available()
        kind = RecordedExecution if by_kernels else Execution
        found = SizedNet(kind(plan, self.operators, self._blanks_for(plan, inputs), {},
                              set(outputs.values())), outputs)
        return found if self.capture is None else Replay(found, self.capture)

    def plan(self, sizes: dict[str, tuple[int, int]],
             part: list[Interval] | None = None) -> ReachPlan:
        """Return the plan for inputs of these heights and widths, of a part of the outputs."""
        return make_plan(self.program, sizes, self.skip, part)

    def blanks_of(self, size: tuple[int, int], inputs: Values) -> Blanks:
        """Return the blank values for images of a size, with the weights as they are now.

        They serve every part of such an image, and `inputs` may hold a part.
        """
        with self._turn:
            if self._weights_now() != self._weights:
                self.refresh()
            return self._blanks_for(self.plan({name: size for name in self.program.inputs}),
                                    inputs)

    def _blanks_for(self, plan: ReachPlan, inputs: Values) -> Blanks:
        """Return the blank values for a plan: the same for sizes that meet the strides alike."""
        if not plan.need_blanks:
            return {}

        def make() -> Blanks:
            operators = make_operators(self.program, kernels=False)
            return blank_values(
                plan, {value: x.shape[1] for value, x in inputs.items()},
                lambda work, bottoms: operators[work.operation.output].forward(work, bottoms),
                next(iter(inputs.values())))
        return self._blanks.get(blank_key(plan), make)


class SizedNet:
    """A fast net for inputs of one shape. outputs: blob name -> value."""

    def __init__(self, execution: Execution, outputs: dict[str, int]) -> None:
        self.execution, self.outputs = execution, outputs

    def __call__(self, inputs: Values) -> Results:
        """Return the wanted blobs, each in memory of its own, which the next call leaves alone."""
        found = self.execution.results(inputs, [*self.outputs.values()])
        return dict(zip(self.outputs, found, strict=True))
