"""Solver states on disk: .solverstate and .solverstate.h5 (SGDSolver::SnapshotSolverState).

Ours carry more, which Caffe passes over: the random number generator and the place of every data
layer, so that a resumed training goes on bit for bit, and the digest of the weights.
"""

import base64
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from netspec.schema import array_blob, blob_array, read_solverstate, write_solverstate
from netspec.schema.messages import SolverState
from port.distributed.alone import Alone
from port.engine.net import Net
from surgery.hdf5_files import new_hdf5, open_hdf5

log = logging.getLogger('port.solver')
DIGEST = 'weights_sha256'
RANKS = 'ranks'                 # the random numbers of each, where several trained


@dataclass
class State:
    """What a solver needs to go on: iteration, weights file, histories, and our extras."""

    iteration: int
    learned_net: str
    current_step: int
    history: list[np.ndarray]
    extra: dict


def extras(net: Net, weights: str | Path | None = None) -> dict:
    """Return random number state, data layers' positions and the weights' digest, JSON-able."""
    written = {} if weights is None else {DIGEST: digest(weights)}
    return {**random_state(net), 'layers': layer_states(net), **written}


def layer_states(net: Net) -> dict[str, Any]:
    """Return where the data layers stand, by their names."""
    return {node.name: node.layer.state() for node in net.nodes
            if hasattr(node.layer, 'state') and node.layer.state() is not None}


def random_state(net: Net) -> dict[str, str]:
    """Return the state of this process's random numbers, and of its GPU's."""
    rng = base64.b64encode(torch.get_rng_state().numpy().tobytes()).decode()
    cuda = (base64.b64encode(torch.cuda.get_rng_state(net.device).numpy().tobytes()).decode()
            if net.device.type == 'cuda' else '')
    return {'rng': rng, 'cuda_rng': cuda}


def restore_random(net: Net, extra: dict) -> None:
    """Put the state of the random numbers back where it is given."""
    def state(key: str) -> torch.Tensor:
        return torch.frombuffer(bytearray(base64.b64decode(extra[key])), dtype=torch.uint8)
    try:
        if extra.get('rng'):
            torch.set_rng_state(state('rng'))
        if extra.get('cuda_rng') and net.device.type == 'cuda':
            torch.cuda.set_rng_state(state('cuda_rng'), net.device)
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f'the state of the random numbers is damaged: {error}') from None


def restore_extras(net: Net, extra: dict) -> None:
    """Put random number state and data positions back where a snapshot carries them."""
    restore_random(net, extra)
    for node in net.nodes:
        if node.name in extra.get('layers', {}):
            layer: Any = node.layer
            try:
                layer.restore(extra['layers'][node.name])
            except (KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
                raise ValueError(f'{node.entry.label}: the snapshot\'s state of it is damaged: '
                                 f'{type(error).__name__} {error}') from error


def restore_share(net: Net, extra: dict, ranks: Alone) -> None:
    """Give a rank its own random numbers: those that a snapshot of as many ranks carries for it,
    else others that follow from rank 0's.
    """
    saved = extra.get(RANKS, [])
    if len(saved) == ranks.size:
        restore_random(net, saved[ranks.rank])
    elif not ranks.first:
        seed = hashlib.sha256(f'{ranks.rank} {random_state(net)["rng"]}'.encode()).digest()
        torch.manual_seed(int.from_bytes(seed[:8]) >> 1)


def digest(path: str | Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def check_history(path: str | Path, state: State, history: Sequence[torch.Tensor],
                  kind: str) -> None:
    """Raise ValueError where a state's histories are not of a solver's number and sizes. kind: of
    the solver.
    """
    if len(state.history) != len(history):
        raise ValueError(f'{path}: holds {len(state.history)} history blobs; this solver '
                         f'({kind}) and net need {len(history)}')
    for i, (mine, theirs) in enumerate(zip(history, state.history, strict=True)):
        if mine.numel() != theirs.size:
            raise ValueError(f'{path}: history blob {i} has shape {list(theirs.shape)}; '
                             f'the net needs {list(mine.shape)}')


def weights_of(path: str | Path, state: State) -> Path | None:
    """Return the path of the weights that belong to a solver state.

    They are looked for beside the state first, so that a copied run continues from its own, then
    where the state says. Raises FileNotFoundError where neither is there, ValueError where the
    weights are not those that the state was written with.
    """
    if not state.learned_net:
        return None
    named = Path(state.learned_net)
    beside = Path(path).parent / named.name
    found = next((place for place in (beside, named) if place.is_file()), None)
    if found is None:
        where = '' if named == beside else f', nor {named}, where they were written'
        raise FileNotFoundError(f'{path}: its weights are not there: no {beside}{where}; put '
                                'them beside the state')
    wanted = state.extra.get(DIGEST)
    if wanted and digest(found) != wanted:
        raise ValueError(f'{path}: {found} holds other weights than those that this state was '
                         'written with (its SHA-256 differs); put those beside the state, or '
                         'start anew from these with --weights')
    log.info('Restoring weights from %s', found)
    return found


def write_state(path: str | Path, state: State) -> None:
    """Write a solver state, HDF5 where the name ends in .h5; whole or not at all."""
    if str(path).endswith('.h5'):
        _write_hdf5(path, state)
        return
    message = SolverState(iter=state.iteration, learned_net=state.learned_net,
                          current_step=state.current_step,
                          fcn_state=json.dumps(state.extra).encode())
    message.history.extend(array_blob(h) for h in state.history)
    write_solverstate(path, message)


def _write_hdf5(path: str | Path, state: State) -> None:
    with new_hdf5(path) as file:
        file['iter'] = np.array([state.iteration], 'i4')
        name = state.learned_net.encode()
        file['learned_net'] = np.array(name, f'S{len(name) + 1}')   # Caffe reads up to a zero
        file['current_step'] = np.array([state.current_step], 'i4')
        for i, history in enumerate(state.history):
            file[f'history/{i}'] = history
        file['fcn_state'] = np.bytes_(json.dumps(state.extra))


def read_state(path: str | Path) -> State:
    """Read a solver state of Caffe or ours; FileNotFoundError, ValueError for a foreign file."""
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such solver state')
    if str(path).endswith('.h5'):
        return _read_hdf5(path)
    message = read_solverstate(path)
    return State(message.iter, message.learned_net, message.current_step,
                 [blob_array(h) for h in message.history], _extra(path, message.fcn_state))


def _read_hdf5(path: str | Path) -> State:
    with open_hdf5(path, 'not a solver state in HDF5') as file:
        count = len(file.find('history') or ())
        arrays = [file.array(f'history/{i}') for i in range(count)]
        found = [file.array(name).reshape(-1) for name in ('iter', 'current_step')]
        if not all(len(array) for array in found):
            raise ValueError(f'{path}: not a solver state in HDF5: its iter or current_step is '
                             'empty')
        iteration, step = (int(array[0]) for array in found)
        return State(iteration, file.text('learned_net').decode(), step, arrays,
                     _extra(path, file.text('fcn_state')))


def _extra(path: str | Path, text: bytes) -> dict:
    """Read what our states hold beyond Caffe's; ValueError where that is damaged."""
    try:
        extra = json.loads(text or b'{}')
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path}: its fcn_state is damaged: {error}') from None
    kinds = {'rng': str, 'cuda_rng': str, 'layers': dict, RANKS: list, DIGEST: str}
    if not isinstance(extra, dict) or any(
            not isinstance(extra.get(key, kind()), kind) for key, kind in kinds.items()):
        raise ValueError(f'{path}: its fcn_state is damaged: expected an object of '
                         f'{", ".join(kinds)}')
    return extra
