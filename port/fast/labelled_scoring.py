"""Forward passes of nets that read their own data, in the TEST phase."""

import torch

from port.engine.net import Net
from port.fast.inference import FastNet
from port.fast.known_part import KnownPart
from port.fast.unsuited import Refusals, Unsuited


class FastScoring:
    """Runs a net with its data, and what it makes of the scores; equal to Net.run_forward within
    rounding.

    net.blobs hold the data, the scores and what follows them (losses, accuracy) afterwards, not
    what is between. Raises Unsuited for a net that does not begin with layers that are known here.
    """

    def __init__(self, net: Net) -> None:
        self.net, self.part = net, KnownPart(net, training=False)
        self.fast = FastNet(net, program=self.part.program)
        self.refused = Refusals()

    @torch.no_grad()
    def __call__(self) -> torch.Tensor | float:
        """Take the next data, run the net, return the loss."""
        net, part, program = self.net, self.part, self.part.program
        part.run(part.feeds)
        try:
            found = self.fast(**{name: net.all_blobs[name].data for name in program.inputs})
            for name, scores in found.items():
                part.show(program.outputs[name], scores)
        except Unsuited as error:                # images of this size only
            self.refused(error)
            part.run(part.known)
        net.loss = part.run(part.rest)
        return net.loss
