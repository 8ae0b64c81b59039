"""Training passes that leave out what the image does not reach (docs/padding.md).

Same loss and gradients as Net.run_forward and Net.backward. The blank values are computed anew
from the weights in every pass, at the few positions that differ, and gradients flow through
their repetition. Activations are freed as soon as the backward pass has used them. On a GPU,
passes over sizes that recur are recorded.
"""

import logging
from collections import Counter
from collections.abc import Callable

import torch

from netspec.schema.messages import TRAIN
from port.engine.blob import Blob
from port.engine.layer import LossLayer
from port.engine.net import Net
from port.fast import cuda_graphs as graphs
from port.fast.training_pass import Early, InParts, TrainedNet, TrainingPass
from port.fast.unsuited import Refusals, Unsuited
from port.native.kept_memory import KeptMemory

log = logging.getLogger('port.fast')
KEPT_RECORDINGS = 8     # sizes of input: those that first came often enough
Look = Callable[[float], None]


class FastTraining:
    """Forward and backward passes of a training net.

    net.blobs hold the data, the scores and the losses afterwards, not what is between;
    parameters' diffs are as after Net.backward. Raises Unsuited for a net without a loss, and for
    one that does not begin with layers that are known here.
    """

    def __init__(self, net: Net) -> None:
        if net.phase != TRAIN:
            raise Unsuited('the net is not in the TRAIN phase')
        if not any(any(node.layer.loss_weights) for node in net.nodes):
            raise Unsuited('the net has no loss')
        self.net, self.trained = net, TrainedNet(net)
        self.feeds = self.trained.part.feeds
        self.capture: graphs.Capture | None = (graphs.capture_for(net.device)
                                               if self._repeats() else None)
        self.refused = Refusals()
        self.memory = KeptMemory()
        self.seen: Counter[tuple] = Counter()
        self.recordings: dict[tuple, Recording | None] = {}

    def _repeats(self) -> bool:
        """Whether a GPU can repeat a pass without asking: nothing is counted or forgotten in it,
        no layer of a user's own runs, and how a Deconvolution is computed stays the same.
        """
        part = self.trained.part
        return (all(isinstance(self.net.nodes[place].layer, LossLayer) for place in part.rest)
                and not any(op.kind == 'Whole' or op.layer.type in ('Scale', 'Deconvolution')
                            and any(wanted for _, wanted in op.parameters)
                            for op in part.program.operations))

    def __call__(self, early: Early | None = None, look: Look = lambda loss: None,
                 in_parts: InParts | None = None) -> torch.Tensor | float:
        """Run one pass, adding to the parameters' diffs; return the loss.

        early, in_parts: called, on a CPU, as for TrainingPass.backward. look: called with the loss
        before any parameter is updated.
        """
        with torch.no_grad(), self.memory.serve():
            self.trained.part.run(self.feeds)
            try:
                self.net.loss = self._run(early, look, in_parts)
            except Unsuited as error:            # images of this size only
                self.refused(error)
                self.net.loss = self._plainly()
                look(float(self.net.loss))
                self.net.backward()
        return self.net.loss

    @torch.no_grad()
    def forward(self) -> torch.Tensor | float:
        """Take the next data, run the net forward, return the loss."""
        self.trained.part.run(self.feeds)
        try:
            self.net.loss = TrainingPass(self.trained, self.trained.plan(), give=None).forward()
        except Unsuited as error:
            self.refused(error)
            self.net.loss = self._plainly()
        return self.net.loss

    def _run(self, early: Early | None, look: Look,
             in_parts: InParts | None) -> torch.Tensor | float:
        recording = self._recording()
        if recording is not None:
            return recording(look)
        found = TrainingPass(self.trained, self.trained.plan())
        loss = found.forward()
        if self.net.device.type == 'cpu':
            look(float(loss))
            found.backward(early, in_parts)
            return loss
        number = graphs.fetch(loss)      # while the GPU goes on
        found.backward(None)
        look(number())
        return number()

    def _plainly(self) -> torch.Tensor | float:
        """Have the plain engine run the net; the data are there already."""
        return self.trained.part.run(i for i in range(len(self.net.nodes)) if i not in self.feeds)

    def inputs(self) -> list[Blob]:
        """Return the blobs that are fed."""
        return [blob for i in self.feeds for blob in self.net.nodes[i].top]

    def _recording(self) -> 'Recording | None':
        """Return the recording for inputs of these sizes; make it when they come often."""
        if self.capture is None:
            return None
        fixed = [op.layer.blobs[0].data for op in self.trained.program.operations
                 if op.kind == 'Deconvolution']
        key = (*(blob.shape for blob in self.inputs()), *(w._version for w in fixed),
               *(row.blob.data.data_ptr() for row in self.net.learnable))
        self.seen[key] += 1
        if (key not in self.recordings and self.seen[key] > graphs.WARM_UP
                and len(self.recordings) < KEPT_RECORDINGS):
            try:
                self.recordings[key] = Recording(self, self.capture)
            except RuntimeError as error:
                log.info('not recorded: %s', error)
                self.recordings[key] = None
        return self.recordings.get(key)


class Recording:
    """A pass over inputs of one shape, repeated without asking Python for its operations."""

    def __init__(self, owner: FastTraining, how: graphs.Capture) -> None:
        trained, plan = owner.trained, owner.trained.plan()
        self.inputs = [(blob, blob.data.clone()) for blob in owner.inputs()]
        for blob, mine in self.inputs:
            blob.data = mine
        tops = [*(blob for blobs in trained.part.shown.values() for blob in blobs),
                *(blob for place in trained.part.rest for blob in owner.net.nodes[place].top)]
        gradients: dict[Blob, torch.Tensor] = {}

        def learn(blob: Blob, part: torch.Tensor) -> None:
            gradients[blob] = gradients[blob] + part if blob in gradients else part

        def forward() -> graphs.Tensors:
            gradients.clear()
            self.taken = TrainingPass(trained, plan, learn)
            loss = torch.as_tensor(self.taken.forward())
            return [loss, *(blob.data for blob in tops)]

        def backward() -> graphs.Tensors:
            self.taken.backward(None)
            return list(gradients.values())

        (self.loss, *results), self.forward = graphs.record(how, forward)
        found, self.backward = graphs.record(how, backward)
        self.results = list(zip(tops, results, strict=True))
        self.gradients = list(zip(gradients, found, strict=True))

    def __call__(self, look: Look) -> float:
        for blob, mine in self.inputs:
            mine.copy_(blob.data)
        self.forward()
        for blob, result in self.results:
            blob.data = result
        number = graphs.fetch(self.loss)
        self.backward()
        look(number())
        for blob, gradient in self.gradients:
            blob.add_diff(gradient.clone())
        return number()
