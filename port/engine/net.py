"""Net: interpret a NetParameter as Caffe does (src/caffe/net.cpp), as a torch module.

Layers run in the order of the file. Backward is Caffe's own: each layer's explicit backward
pass, so that in-place layers, loss weights and skipped gradients give Caffe's numbers.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch

from netspec.schema import read_net_with_lines, upgrade_net
from netspec.schema.messages import TEST, TRAIN, NetParameter
from port.engine import debug_info as debug
from port.engine.blob import Blob, upload
from port.engine.caffe_order import CaffeOrder
from port.engine.layer import Layer
from port.engine.net_rules import PHASES, Entry, filter_layers, insert_splits
from port.engine.params import Learnable
from port.engine.precision import exact_by_default
from port.engine.wiring import Node, Wiring, located

log = logging.getLogger('port.net')
Array = np.ndarray | torch.Tensor
Hook = Callable[[int], None]


def _entries(net: NetParameter, lines: Mapping[int, int], source: str) -> list[Entry]:
    return [Entry(layer, f'{source}:{lines[i]}' if i in lines else source)
            for i, layer in enumerate(net.layer)]


Loaded = tuple[NetParameter, list[Entry]]
Weights = str | Path | Sequence[str | Path] | Mapping[str, Sequence[np.ndarray | None]]


def load_net(source: NetParameter | Loaded | str | Path) -> Loaded:
    """Read a net from a prototxt path or take a message; upgraded, with each layer's place."""
    if isinstance(source, tuple):
        return source
    if isinstance(source, NetParameter):
        net = NetParameter()
        net.CopyFrom(source)
        upgrade_net(net)
        return net, _entries(net, {}, '')
    net, lines = read_net_with_lines(source)
    return net, _entries(net, lines, str(source))


class Net(torch.nn.Module):
    """A Caffe net.

    source: prototxt path, NetParameter, or what load_net returned. phase: TRAIN or TEST; it, level
    and stages are the state that include and exclude rules ask for; without a phase, the file's
    level stays. weights: path of a caffemodel (or several), or {layer: [arrays]}, copied in by
    layer name.

    blobs: name -> Blob, in the order they are made. params: layer -> [Blob]. inputs, outputs:
    blob names; split_outputs: the same with a Split's top, which Caffe names, where one is an
    output. loss_weights: blob name -> weight, where there is one. learnable: parameters for a
    solver, shared ones once. nodes: the layers in place.

    Raises ValueError, KeyError naming file:line and layer where the net cannot be built.
    """

    def __init__(self, source: NetParameter | Loaded | str | Path, phase: int | None = None,
                 level: int = 0, stages: Iterable[str] = (), weights: Weights | None = None,
                 dtype: torch.dtype = torch.float32, device: torch.device | str = 'cpu') -> None:
        super().__init__()
        net, entries = load_net(source)
        if phase is not None:
            net.state.phase, net.state.level = phase, level
        net.state.stage.extend(s for s in stages if s not in net.state.stage)
        self.phase, self.param_name = net.state.phase, net.name
        self.device, self.dtype = torch.device(device), dtype
        exact_by_default(self.device)
        self.entries = filter_layers(net, entries)
        wiring = Wiring(self.phase, dtype, self.device, log.info)
        with torch.no_grad():
            for entry in insert_splits(self.entries):
                wiring.add(entry)
        self._take(wiring, net.force_backward)
        self._order = CaffeOrder(self)
        self.debug_info = net.debug_info
        self.before_forward: list[Hook] = []
        self.after_forward: list[Hook] = []
        self.before_backward: list[Hook] = []
        self.after_backward: list[Hook] = []
        self._loss: torch.Tensor | float = 0.0
        self.unfilled = bool(self.params)        # until weights come from anywhere
        log.info('Network initialization done.')
        if weights is not None:
            self.copy_from(weights)

    def _take(self, wiring: Wiring, force_backward: bool) -> None:
        self.split_outputs = wiring.finish(force_backward)
        self.outputs = [wiring.hidden.get(name, name) for name in self.split_outputs]
        for name in self.split_outputs:
            log.info('This network produces output %s', name)
        self.nodes, self.inputs = wiring.nodes, wiring.inputs
        self.all_blobs = wiring.blobs
        self.blobs = OrderedDict((name, blob) for name, blob in wiring.blobs.items()
                                 if name not in wiring.hidden)
        self.learnable, self.param_owner = wiring.params.learnable, wiring.params.owner
        self.params = OrderedDict((node.name, node.layer.blobs) for node in self.nodes
                                  if node.layer.blobs)
        self.loss_weights = {
            wiring.hidden.get(blob.name, blob.name): weight for node in self.nodes
            for blob, weight in zip(node.top, node.layer.loss_weights, strict=True) if weight}
        self._hold_parameters()

    # -- as a torch module -----------------------------------------------------------------------

    def _hold_parameters(self) -> None:
        """Let torch see each parameter, over the same memory, as '<layer>.<index>'."""
        held = {id(row.blob): torch.nn.Parameter(row.blob.data, requires_grad=False)
                for row in self.learnable}
        for name, blobs in self.params.items():
            owned = [held[id(b)] for b in blobs if id(b) in held]
            self._modules[name.replace('.', '_')] = torch.nn.ParameterList(owned)
        self._held = held

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        some = fn(torch.empty(0, dtype=self.dtype, device=self.device))
        self.device, self.dtype = some.device, some.dtype
        exact_by_default(self.device)
        for row in self.learnable:
            row.blob.to(self.device, self.dtype)
            self._held[id(row.blob)].data = row.blob.data
        learnt = {id(row.blob) for row in self.learnable}
        for node in self.nodes:
            node.layer.dtype, node.layer.device = self.dtype, self.device
            for blob in [*node.top, *node.layer.blobs]:
                if id(blob) not in learnt and hasattr(blob, '_data'):
                    blob.to(self.device, self.dtype)
        return self

    # -- running -----------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers in running order, automatic splits among them."""
        return [node.layer for node in self.nodes]

    @property
    def layer_names(self) -> list[str]:
        """The names of `layers`."""
        return [node.name for node in self.nodes]

    def feed(self, **arrays: Array) -> None:
        """Put arrays into blobs, which take their shapes; KeyError for an unknown blob."""
        for name, array in arrays.items():
            if name not in self.blobs:
                raise KeyError(f'no blob {name!r} in the net; its inputs are '
                               f'{", ".join(self.inputs) or "none"}')
            self.blobs[name].data = upload(array, self.device, self.dtype, copy=True)

    @torch.no_grad()
    def forward(self, **arrays: Array) -> dict[str, torch.Tensor]:
        """Feed the inputs, run every layer, return the outputs by name."""
        self.feed(**arrays)
        self.run_forward()
        return {name: self.blobs[name].data for name in self.outputs}

    @torch.no_grad()
    def run_forward(self, start: int = 0, end: int | None = None) -> torch.Tensor | float:
        """Run layers start to end (inclusive); return the summed loss of those layers."""
        loss: torch.Tensor | float = 0.0
        stop = len(self.nodes) if end is None else end + 1
        if start == 0 and stop == len(self.nodes):
            self._order.choose(self)
            if self.unfilled:
                from port.engine.starting_weights import warn_unfilled
                warn_unfilled(self)
        for i in range(start, stop):
            node = self.nodes[i]
            for hook in self.before_forward:
                hook(i)
            with located(node.entry):
                loss = loss + self.forward_layer(node)
            if self.debug_info:
                debug.forward(self, node)
            for hook in self.after_forward:
                hook(i)
        self._loss = loss
        return loss

    @property
    def watched(self) -> bool:
        """Whether hooks or debug_info look at each layer as it runs, so that no layer may be left
        out.
        """
        return bool(self.debug_info or self.before_forward or self.after_forward
                    or self.before_backward or self.after_backward)

    @staticmethod
    def forward_layer(node: Node) -> torch.Tensor | float:
        """Run one layer; return its loss."""
        layer, bottom, top = node.layer, node.bottom, node.top
        node.fit()
        shared = [blob.data for blob in node.shared]
        if layer.saves_bottom and layer.overwritten:
            layer.saved = bottom[0].data.clone()
        layer.forward(bottom, top)
        for blob, memory in zip(node.shared, shared, strict=True):
            if blob.data.data_ptr() != memory.data_ptr():
                blob.data = memory.copy_(blob.data)
        loss: torch.Tensor | float = 0.0
        for blob, weight in zip(top, layer.loss_weights, strict=True):
            if weight:
                loss = loss + (blob.data * blob.diff).sum()
        return loss

    @property
    def loss(self) -> torch.Tensor | float:
        """The weighted sum of the losses of the last forward pass; the engine that ran it sets it.
        """
        return self._loss

    @loss.setter
    def loss(self, value: torch.Tensor | float) -> None:
        self._loss = value

    @torch.no_grad()
    def backward(self, start: int | None = None, end: int = 0) -> None:
        """Run the backward pass from layer `start` (default: the last) down to `end`."""
        first = len(self.nodes) - 1 if start is None else start
        for i in range(first, end - 1, -1):
            node = self.nodes[i]
            for hook in self.before_backward:
                hook(i)
            if node.need_backward:
                with located(node.entry):
                    node.layer.backward(node.top, node.propagate_down, node.bottom)
                if self.debug_info:
                    debug.backward(self, node)
            for hook in self.after_backward:
                hook(i)
        if self.debug_info and start is None and end == 0:
            debug.totals(self)

    def reshape(self) -> None:
        """Give every blob its shape from the inputs' shapes, without running."""
        with torch.no_grad():
            for node in self.nodes:
                with located(node.entry):
                    node.shapes = None
                    node.layer.reshape(node.bottom, node.top)
                    node.shapes = tuple(b.shape for b in node.bottom)

    def share_from(self, other: 'Net') -> None:
        """Use the parameters of another net, over the same memory, in layers of the same name.

        Raises ValueError where the numbers of parameters or their shapes differ.
        """
        self.unfilled = False
        for layer, theirs in other.params.items():
            mine = self.params.get(layer)
            if mine is None:
                continue
            if [b.shape for b in mine] != [b.shape for b in theirs]:
                raise ValueError(f'layer {layer!r}: cannot share parameters of shapes '
                                 f'{[list(b.shape) for b in theirs]}; this net has '
                                 f'{[list(b.shape) for b in mine]}')
            for blob, source in zip(mine, theirs, strict=True):
                blob.share_store(source)

    def clear_param_diffs(self) -> None:
        """Set every parameter's diff to zero."""
        for row in self.learnable:
            row.blob.drop_diff()

    # -- weights -----------------------------------------------------------------------------------

    def copy_from(self, weights: Weights) -> None:
        """Copy parameters by layer name from {layer: [arrays]} or from file(s); extra layers in
        the source are ignored. Raises ValueError naming layer, param and both shapes.
        """
        from port.engine.net_weights import copy_from
        self.unfilled = False
        copy_from(self, weights)

    def save(self, path: str | Path, diff: bool = False, hdf5: bool | None = None) -> None:
        """Write a .caffemodel, or with the ending .h5 (or hdf5) an HDF5 file, that Caffe reads."""
        from port.engine.net_weights import save
        save(self, path, diff, hdf5)

    def __repr__(self) -> str:
        return (f'Net({self.param_name!r}, {PHASES[self.phase]}, {len(self.entries)} layers, '
                f'inputs {self.inputs}, outputs {self.outputs})')


__all__ = ['Blob', 'Learnable', 'Net', 'TEST', 'TRAIN', 'load_net']
