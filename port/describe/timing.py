"""Forward and backward time of each layer, as `caffe time` measures it (tools/caffe.cpp)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import mean, median

import torch

from netspec.families import make_net
from netspec.schema.messages import NetParameter
from netspec.variants import Variant
from port.engine.net import Net


@dataclass
class LayerTime:
    """Milliseconds of one layer's passes, run by run."""

    name: str
    type: str
    forwards: list[float] = field(default_factory=list)
    backwards: list[float] = field(default_factory=list)

    @property
    def forward(self) -> float:
        return median(self.forwards)

    @property
    def backward(self) -> float:
        return median(self.backwards or [0.0])


def timed_net(row: Variant, size: tuple[int, int], width: float | None = None,
              classes: int | tuple[int, ...] | None = None, batch: int = 1) -> NetParameter:
    """Return a variant's training net with inputs in place of its data layer."""
    source, net = make_net(row, row.splits[0].file, width=width, classes=classes), NetParameter()
    channels = {image.top: image.channels for image in row.inputs}
    for top in source.layer[0].top:
        layer = net.layer.add(name=f'input_{top}', type='Input', top=[top])
        layer.input_param.shape.add(dim=[batch, channels.get(top, 1), *size])
    net.layer.extend(source.layer[1:])
    return net


def milliseconds(step: Callable[[], object], device: torch.device) -> float:
    """Return how long a step takes, the device's work included."""
    _wait(device)
    begin = time.perf_counter()
    step()
    _wait(device)
    return 1000 * (time.perf_counter() - begin)


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def time_layers(net: Net, runs: int, backward: bool = True) -> list[LayerTime]:
    """Run a net `runs` times, after one to warm up, layer by layer; return the times in order.

    Layers that the net has no gradient for count 0 backward.
    """
    times = [LayerTime(node.name, node.layer.type) for node in net.nodes]
    for turn in range(runs + 1):
        for i, row in enumerate(times):
            spent = milliseconds(partial(net.run_forward, i, i), net.device)
            if turn:
                row.forwards.append(spent)
        for i in reversed(range(len(times))) if backward else ():
            spent = milliseconds(partial(net.backward, i, i), net.device)
            if turn:
                times[i].backwards.append(spent if net.nodes[i].need_backward else 0.0)
        net.clear_param_diffs()
    return times


def table(times: list[LayerTime]) -> list[str]:
    """Return lines of layer, type, forward and backward milliseconds, and share of the whole."""
    whole = sum(row.forward + row.backward for row in times) or 1.0
    names, types = (max(len(getattr(row, what)) for row in times) for what in ('name', 'type'))
    lines = [f'{"layer":{names}}  {"type":{types}}  forward ms  backward ms  share']
    lines += [f'{row.name:{names}}  {row.type:{types}}  {row.forward:10.3f}  {row.backward:11.3f}  '
              f'{(row.forward + row.backward) / whole:5.1%}' for row in times]
    forward, backward = (sum(getattr(row, what) for row in times)
                         for what in ('forward', 'backward'))
    return [*lines, f'{"all":{names}}  {"":{types}}  {forward:10.3f}  {backward:11.3f}']


def averages(times: list[LayerTime]) -> list[str]:
    """Return Caffe's lines over whole passes: means, where the table has medians."""
    forward = sum(mean(row.forwards) for row in times)
    backward = sum(mean(row.backwards or [0.0]) for row in times)
    return [f'Average Forward pass: {forward:g} ms.', f'Average Backward pass: {backward:g} ms.',
            f'Average Forward-Backward: {forward + backward:g} ms.']
