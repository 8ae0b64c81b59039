"""What the `caffe` tool does: train, test, time, device_query (tools/caffe.cpp).

Each action takes the flags' values; all it says goes to the log, in the tool's own lines.
"""

import logging
import time as clock
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch

from netspec.schema import print_solver, read_solver
from netspec.schema.messages import TEST, TRAIN, SolverParameter
from port.distributed.alone import ALONE, Alone
from port.engine.devices import gpu_count, gpus_here
from port.engine.net import Net
from port.training.run_lock import training_alone
from port.training.signals import EFFECTS, Requests
from port.training.solver import Solver

log = logging.getLogger('port.caffe')
FLAGS: dict[str, Any] = {
    'gpu': '', 'solver': '', 'model': '', 'phase': '', 'level': 0, 'stage': '', 'snapshot': '',
    'weights': '', 'iterations': 50, 'sigint_effect': 'stop', 'sighup_effect': 'snapshot'}
Flags = dict[str, Any]


# -- what several actions ask for ------------------------------------------------------------------

def gpus(flag: str) -> list[int]:
    """Return the GPU numbers of a -gpu flag; RuntimeError for one that is not here, and for all
    where there is none.
    """
    here = gpu_count()
    if flag == 'all' and here:
        return list(range(here))
    if flag == 'all':
        raise RuntimeError(f'-gpu all: {gpus_here()}; leave -gpu out to compute on the CPU')
    try:
        wanted = [int(number) for number in flag.split(',')] if flag else []
    except ValueError:
        raise ValueError(f"-gpu {flag}: expected device IDs separated by ',', or all") from None
    for number in wanted:
        if not 0 <= number < here:
            raise RuntimeError(f'Cannot use GPU {number}: {gpus_here()}; leave -gpu (and '
                               'solver_mode: GPU) out to compute on the CPU')
    return wanted


def device(flag: str, place: int | None = None) -> torch.device:
    """Return the device that a -gpu flag names, and say so. place: of one process of several, of
    which each takes the GPU in its own place.
    """
    numbers = gpus(flag)
    if not numbers:
        log.info('Use CPU.')
        return torch.device('cpu')
    if place is not None:
        if place >= len(numbers):
            raise RuntimeError(f'process {place} of this machine has no GPU in -gpu {flag}')
        numbers = numbers[place:place + 1]
    if len(numbers) > 1:
        raise RuntimeError('Multi-GPU execution not available: give one GPU')
    log.info('Use GPU with device ID %d', numbers[0])
    log.info('GPU device name: %s', torch.cuda.get_device_name(numbers[0]))
    return torch.device('cuda', numbers[0])


def stages(flag: str) -> list[str]:
    """Return the stages of a -stage flag."""
    return [stage for stage in flag.split(',') if stage]


def _need(flags: Flags, name: str, message: str) -> None:
    if not flags[name]:
        raise ValueError(f'{message} Give -{name}.')


def _wait(where: torch.device) -> None:
    if where.type == 'cuda':
        torch.cuda.synchronize(where)


# -- train -----------------------------------------------------------------------------------------

def train_gpus(flags: Flags) -> list[int]:
    """Return the GPUs to train on, with a process for each, as Caffe has a thread for each."""
    _effects(flags)
    return gpus(_solver_gpu(flags))


def _effects(flags: Flags) -> dict[str, str]:
    """Return what signals do in training; ValueError for flags that do not go together."""
    _need(flags, 'solver', 'Need a solver definition to train.')
    if flags['snapshot'] and flags['weights']:
        raise ValueError('Give a snapshot to resume training or weights to finetune but not both.')
    effects = {signal: flags[f'{signal.lower()}_effect'] for signal in ('SIGINT', 'SIGHUP')}
    for effect in effects.values():
        if effect not in EFFECTS:
            raise ValueError(f'Invalid signal effect "{effect}" was specified; expected '
                             f'{", ".join(EFFECTS)}')
    return effects


def train(flags: Flags, ranks: Alone = ALONE) -> None:
    """Train, or fine-tune, as the solver says; together with other ranks as Caffe's solvers do."""
    effects = _effects(flags)
    with ranks.agreed():
        where = device(_solver_gpu(flags), ranks.place if ranks.size > 1 else None)
        solver = Solver(flags['solver'], where, amend=lambda param: _amend(param, flags))
    if ranks.size > 1:
        from port.training.rank_training import use_ranks
        use_ranks(solver, ranks)
    with training_alone(solver.prefix) if ranks.first else nullcontext(), \
            Requests(effects) as requests:
        solver.action = requests
        with ranks.agreed() as told:
            state = ranks.noted('snapshot') or flags['snapshot']
            if state:
                log.info('Resuming from %s', state)
                solver.restore(state)
            if ranks.size > 1:
                from port.training.rank_training import facts
                told |= facts(solver)
        solver.on_snapshot.append(lambda: ranks.note('snapshot', solver.saved))
        log.info('Starting Optimization')
        solver.solve()
    log.info('Optimization Done.')


def _solver_gpu(flags: Flags) -> str:
    """Return the -gpu flag, or what the solver asks for where it is not given."""
    param = read_solver(flags['solver'])
    asks = param.HasField('solver_mode') and param.solver_mode == SolverParameter.GPU
    return flags['gpu'] or (str(param.device_id) if asks else '')


def _amend(param: SolverParameter, flags: Flags) -> None:
    """Put the flags into the solver's message before its nets are made."""
    param.train_state.level = flags['level']
    param.train_state.stage.extend(stages(flags['stage']))
    if flags['snapshot'] or flags['weights']:
        param.ClearField('weights')
    if flags['weights']:
        param.weights.append(flags['weights'])
    log.info('Initializing solver from parameters: \n%s', print_solver(param))


# -- test ------------------------------------------------------------------------------------------

def test(flags: Flags) -> None:
    """Run a net -iterations times and log its mean outputs."""
    _need(flags, 'model', 'Need a model definition to score.')
    _need(flags, 'weights', 'Need model weights to score.')
    net = Net(flags['model'], TEST, flags['level'], stages(flags['stage']), flags['weights'],
              device=device(flags['gpu']))
    count = flags['iterations']
    log.info('Running for %d iterations.', count)
    sums: list[float] = []
    loss = 0.0
    for i in range(count):
        loss += float(net.run_forward())
        rows = [(name, value) for name in net.outputs
                for value in net.blobs[name].data.reshape(-1).tolist()]
        for name, value in rows:
            log.info('Batch %d, %s = %g', i, name, value)
        sums = [s + v for s, (_, v) in zip(sums or [0.0] * len(rows), rows, strict=True)]
    log.info('Loss: %g', loss / count)
    for (name, _), total in zip(rows, sums, strict=True):
        weight, mean = net.loss_weights.get(name, 0.0), total / count
        log.info('%s = %g%s', name, mean,
                 f' (* {weight:g} = {weight * mean:g} loss)' if weight else '')


# -- time ------------------------------------------------------------------------------------------

def time(flags: Flags) -> None:
    """Measure each layer's forward and backward over -iterations passes."""
    _need(flags, 'model', 'Need a model definition to time.')
    phases = {'': TRAIN, 'TRAIN': TRAIN, 'TEST': TEST}
    if flags['phase'] not in phases:
        raise ValueError(f'phase must be "TRAIN" or "TEST", got "{flags["phase"]}"')
    where = device(flags['gpu'])
    net = Net(flags['model'], phases[flags['phase']], flags['level'], stages(flags['stage']),
              device=where)
    log.info('Performing Forward')
    log.info('Initial loss: %g', float(net.run_forward()))
    log.info('Performing Backward')
    net.backward()
    count = flags['iterations']
    log.info('*** Benchmark begins ***')
    log.info('Testing for %d iterations.', count)
    forward, backward = [0.0] * len(net.nodes), [0.0] * len(net.nodes)
    start = clock.perf_counter()
    for i in range(count):
        before = sum(forward) + sum(backward)
        _timed_pass(net, where, forward, backward)
        log.info('Iteration: %d forward-backward time: %g ms.', i + 1,
                 sum(forward) + sum(backward) - before)
    total = 1000 * (clock.perf_counter() - start)
    _report_times(net, forward, backward, total, count)


@torch.no_grad()
def _timed_pass(net: Net, where: torch.device, forward: list[float],
                backward: list[float]) -> None:
    """Run every layer once each way, backward where the net needs it."""
    for i, node in enumerate(net.nodes):
        forward[i] += _ms(where, partial(net.forward_layer, node))
    for i in range(len(net.nodes) - 1, -1, -1):
        node = net.nodes[i]
        if node.need_backward:
            backward[i] += _ms(where, partial(node.layer.backward, node.top, node.propagate_down,
                                              node.bottom))


def _ms(where: torch.device, step: Callable[[], Any]) -> float:
    start = clock.perf_counter()
    step()
    _wait(where)
    return 1000 * (clock.perf_counter() - start)


def _report_times(net: Net, forward: list[float], backward: list[float], total: float,
                  count: int) -> None:
    log.info('Average time per layer: ')
    for node, there, back in zip(net.nodes, forward, backward, strict=True):
        log.info('%10s\tforward: %g ms.', node.name, there / count)
        log.info('%10s\tbackward: %g ms.', node.name, back / count)
    log.info('Average Forward pass: %g ms.', sum(forward) / count)
    log.info('Average Backward pass: %g ms.', sum(backward) / count)
    log.info('Average Forward-Backward: %g ms.', total / count)
    log.info('Total Time: %g ms.', total)
    log.info('*** Benchmark ends ***')


# -- device_query ----------------------------------------------------------------------------------

def device_query(flags: Flags) -> None:
    """Describe GPUs: those of -gpu, or all."""
    numbers = gpus(flags['gpu'] or ('all' if gpu_count() else ''))
    log.info('Querying GPUs %s', flags['gpu'] or 'all')
    if not numbers:
        log.info('No CUDA device is here.')
    for number in numbers:
        found = torch.cuda.get_device_properties(number)
        for what, value in (
                ('Device id', number), ('Major revision number', found.major),
                ('Minor revision number', found.minor), ('Name', found.name),
                ('Total global memory', found.total_memory),
                ('Warp size', getattr(found, 'warp_size', 32)),
                ('Number of multiprocessors', found.multi_processor_count)):
            log.info('%-30s %s', f'{what}:', value)


ACTIONS: dict[str, Callable[[Flags], None]] = {
    'train': train, 'test': test, 'device_query': device_query, 'time': time}
