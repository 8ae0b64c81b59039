"""fcn train: run a solver, with a progress bar, a log file and snapshots."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._ranks import ranked
from port.commands._shared import defining, given_as
from port.commands._values import FILE

if TYPE_CHECKING:
    from logging.handlers import MemoryHandler

    from port.distributed.alone import Alone
    from port.training.solver import Solver


@dataclass(frozen=True)
class Request:
    """The command's options."""

    path: Path
    weights: str | None
    snapshot: Path | None
    iterations: int | None
    fast: bool
    log_path: Path | None
    tf32: bool
    ranks: 'Alone'
    device: str
    sync_batch_norm: bool


@click.command(epilog='Example:  fcn train --solver runs/camvid32/solver.prototxt '
                      '--weights init.caffemodel --iterations 4000')
@click.option('--solver', 'path', required=True, type=click.Path(path_type=Path),
              help='The solver prototxt, or the folder that holds solver.prototxt.')
@click.option('--weights', metavar='FILE[,FILE…]', help='Weights to start from.')
@click.option('--snapshot', type=FILE, help='A .solverstate to go on from.')
@click.option('--iterations', type=click.IntRange(min=1), metavar='N', help='Train to this '
              'iteration; the rate goes as the solver file has it.  [default: its max_iter]')
@click.option('--fast/--no-fast', default=False, show_default=True, help='--fast leaves out the '
              'zeros around the images (docs/padding.md) and takes layers together: the same '
              'gradients within rounding, in less time.')
@click.option('--log', 'log_path', type=FILE, help='Log file.  [default: <snapshot_prefix>.log]')
@ranked(tf32=True)
@click.option('--sync-batch-norm', is_flag=True, help='Let BatchNorm normalise by the batches of '
              'all processes as one.  [default: each by its own, as in Caffe]')
@defining
@given_as(Request)
def command(given: Request) -> None:
    """Train a net. Ctrl-C snapshots and stops; --snapshot goes on, bit for bit on the CPU.

    Nothing is written before the training can start. The log goes to a file, and to stdout too
    where there is no terminal for the progress bar.
    """
    if given.weights and given.snapshot:
        raise click.UsageError('give --weights to start, or --snapshot to go on, not both')
    from port.training import glog
    from port.training.job import run
    from port.training.signals import Interrupted
    ranks = given.ranks
    hidden = not (ranks.first and sys.stderr.isatty())
    with ExitStack() as stack:
        held = glog.hold()
        stack.enter_context(glog.handling(held))
        solver = _prepared(given)
        with ranks.agreed():
            if ranks.first:
                _open_log(stack, solver, given, held, hidden)
        try:
            run(solver, hidden)
        except Interrupted as stop:
            raise Interrupted(f'interrupted at iteration {solver.iteration}; go on with: fcn train '
                              f'… --snapshot {solver.state_path}') from stop
    if ranks.first:
        click.echo(f'trained {solver.iteration} iterations; weights in {solver.weights_path}')


def _prepared(given: Request) -> 'Solver':
    """Return the solver with its first weights or the state of a snapshot, alike on every rank."""
    from port.fast.speed_up import use_fast
    from port.training.solver import Solver
    path = given.path / 'solver.prototxt' if given.path.is_dir() else given.path
    ranks = given.ranks
    with ranks.agreed():
        solver = Solver(path, given.device, finite=True, until=given.iterations)
        if given.fast:
            use_fast(solver)
    if ranks.size > 1:
        from port.training.rank_training import facts, use_ranks
        use_ranks(solver, ranks, given.sync_batch_norm)
    with ranks.agreed() as told:
        _start(solver, given)
        if ranks.size > 1:
            told |= facts(solver)
    solver.on_snapshot.append(lambda: ranks.note('snapshot', solver.saved))
    return solver


def _open_log(stack: ExitStack, solver: 'Solver', given: Request, held: 'MemoryHandler',
              hidden: bool) -> None:
    """Hold the snapshots' places for this training, and send the log to file and screen."""
    from port.training import glog
    from port.training.run_lock import training_alone
    stack.enter_context(training_alone(solver.prefix))
    outs = [glog.warnings(), glog.to_file(given.log_path or Path(f'{solver.prefix}.log'))]
    outs += [glog.to_stdout()] if hidden else []
    for out in outs:
        stack.enter_context(glog.handling(out))
    glog.replay(held, outs)


def _start(solver: 'Solver', given: Request) -> None:
    """Give the net its first weights, or the whole solver the state of a snapshot.

    Processes that torchrun started anew go on from the last snapshot of those before them.
    """
    from port.engine.starting_weights import begin, prepare
    state = given.ranks.noted('snapshot') or given.snapshot
    if state:
        solver.restore(state)
        if solver.iteration >= solver.until:
            raise ValueError(f'{state}: is at iteration {solver.iteration} already; '
                             f'--iterations or max_iter must be more than {solver.until}')
        return
    if given.weights:
        begin(solver.net, given.weights)
    prepare(solver.net)
