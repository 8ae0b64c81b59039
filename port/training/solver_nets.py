"""The nets that a solver file names, and where its snapshots go (Solver::InitTrainNet,
InitTestNets, CheckSnapshotWritePermissions).
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from netspec.schema import complete_snapshot_prefix
from netspec.schema.messages import TEST, TRAIN, NetParameter, NetState, SolverParameter
from port.engine.memory import check_memory
from port.engine.net import Net, load_net
from port.engine.wiring import Node


def find(path: str, folder: Path) -> str:
    """Return the path of a file that a solver names.

    It is looked for as given, then beside the solver file, then, for a solver in our solvers/NET,
    in prototxt/NET.
    """
    roots = folder.resolve().parents[1:2]
    places = [Path(path), folder / path,
              *(root / 'prototxt' / folder.resolve().name / path for root in roots)]
    return str(next((place for place in places if place.exists()), path))


def train_net(p: SolverParameter, folder: Path, device: torch.device) -> Net:
    """Build the training net; ValueError unless exactly one field names it."""
    given = [name for name in ('train_net_param', 'train_net', 'net_param', 'net')
             if p.HasField(name)]
    if len(given) != 1:
        raise ValueError('a solver names its train net by exactly one of net, net_param, '
                         f'train_net, train_net_param; got {", ".join(given) or "none"}')
    extra = [p.train_state] if p.HasField('train_state') else []
    return _build(p, getattr(p, given[0]), TRAIN, extra, folder, device)


def test_nets(p: SolverParameter, folder: Path, device: torch.device) -> list[Net]:
    """Build the test nets: test_net_param, test_net, and the generic net for what is left."""
    sources: list[NetParameter | str] = [*p.test_net_param, *p.test_net]
    generic = p.net if p.HasField('net') else p.net_param if p.HasField('net_param') else None
    if generic is not None:
        sources += [generic] * (len(p.test_iter) - len(sources))
    if len(p.test_iter) != len(sources):
        raise ValueError('test_iter must be specified for each test net: got '
                         f'{len(p.test_iter)} for {len(sources)} test net(s)')
    if p.test_state and len(p.test_state) != len(sources):
        raise ValueError('test_state must be unspecified or specified once per test net: got '
                         f'{len(p.test_state)} for {len(sources)} test net(s)')
    if sources and p.test_interval <= 0:
        raise ValueError(f'test_interval must be above 0, got {p.test_interval}')
    nets = [_build(p, source, TEST, p.test_state[i:i + 1], folder, device)
            for i, source in enumerate(sources)]
    for net in nets:
        net.debug_info = p.debug_info
    return nets


def _build(p: SolverParameter, source: NetParameter | str, phase: int,
           extra: Iterable[NetState], folder: Path, device: torch.device) -> Net:
    """Build a net in its state: the phase, then the net's own state, then the solver's."""
    param, entries = load_net(find(source, folder) if isinstance(source, str) else source)
    state = NetState(phase=phase)
    state.MergeFrom(param.state)
    for more in extra:
        state.MergeFrom(more)
    param.state.CopyFrom(state)
    weights = [find(name.strip(), folder) for names in p.weights for name in names.split(',')]
    return Net((param, entries), weights=weights or None, device=device)


def data_layers(net: Net) -> list[Node]:
    """Return the layers that bring data which other passes do not bring: they read a source."""
    return [node for node in net.nodes if not node.bottom and hasattr(node.layer, 'state')]


def can_skip(net: Net) -> bool:
    """Tell whether all data layers of a net can go on without a pass."""
    return all(getattr(node.layer, 'skip', None) for node in data_layers(net))


def skip(net: Net, passes: int) -> None:
    """Have the data layers of a net go on by so many passes."""
    for node in data_layers(net) if passes else ():
        layer: Any = node.layer
        layer.skip(passes)


def check_room(net: Net, histories: int) -> None:
    """Raise ValueError where parameters, gradients and histories do not fit into memory."""
    count = sum(row.blob.count for row in net.learnable)
    check_memory(4 * (2 + histories) * count, f'{count:,} parameters, their gradients and '
                 f'{histories} of history', net.device.type)


def snapshot_prefix(p: SolverParameter, source: SolverParameter | str | Path) -> str:
    """Return the snapshot prefix, relative to the solver's folder where the net was found there."""
    if isinstance(source, SolverParameter):
        return p.snapshot_prefix
    given, folder = p.HasField('snapshot_prefix'), Path(source).parent
    complete_snapshot_prefix(p, source)
    nets = [name for name in (p.train_net, p.net) if name]
    moved = (given and bool(nets) and not Path(nets[0]).is_absolute()
             and find(nets[0], folder) == str(folder / nets[0]))
    return str(folder / p.snapshot_prefix) if moved else p.snapshot_prefix


def check_writable(folder: Path) -> None:
    """Raise ValueError where snapshots cannot be written, before any training is done."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not os.access(there, os.W_OK) or not there.is_dir():
        raise ValueError(f'cannot write snapshots to the folder {folder}; make it, or change '
                         'snapshot_prefix')
