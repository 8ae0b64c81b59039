"""fcn train: run a solver, with a progress bar, a log file and snapshots."""

import logging
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._ranks import ranked
from port.commands._shared import defining, engine_options, given_as
from port.commands._values import FILE

if TYPE_CHECKING:
    from logging.handlers import MemoryHandler

    from port.distributed.alone import Alone
    from port.scoring.training_curve import TrainingCurve
    from port.training.solver import Solver

SCORINGS = 20                # of a training on one's own data, where none are asked for


@dataclass(frozen=True)
class Request:
    """The command's options."""

    path: Path
    weights: str | None
    snapshot: Path | None
    iterations: int | None
    fast: bool | None
    every: int | None
    log_path: Path | None
    tf32: bool
    ranks: 'Alone'
    device: str
    sync_batch_norm: bool


@click.command(epilog='Example:  fcn train --solver runs/camvid32/solver.prototxt '
                      '--weights init.caffemodel --iterations 4000')
@click.option('--solver', 'path', required=True, type=click.Path(path_type=Path),
              help='The solver prototxt, or the folder that holds solver.prototxt.')
@click.option('--weights', metavar='FILE[,FILE…]', help='Weights to start from.  '
              '[default: init.caffemodel of a folder of `fcn new`, if it is there]')
@click.option('--snapshot', type=FILE, help='A .solverstate to go on from.')
@click.option('--iterations', type=click.IntRange(min=1), metavar='N', help='Train to this '
              'iteration; the rate goes as the solver file has it.  [default: its max_iter]')
@engine_options
@click.option('--score-every', 'every', type=click.IntRange(min=0), metavar='N',
              help='Score the test net after every N iterations and keep the best weights; 0 for '
              'never.  [default: about 20 times for a folder of `fcn new`, else never]')
@click.option('--log', 'log_path', type=FILE, help='Log file.  [default: <snapshot_prefix>.log]')
@ranked(tf32=True)
@click.option('--sync-batch-norm', is_flag=True, help='Let BatchNorm normalise by the batches of '
              'all processes as one.  [default: each by its own, as in Caffe]')
@defining
@given_as(Request)
def command(given: Request) -> None:
    """Train a net. Ctrl-C snapshots and stops; --snapshot goes on, bit for bit on the CPU.

    Nothing is written before the training can start. The log goes to a file, and to stdout too
    where there is no terminal for the progress bar. The loss and the scores go into a table and a
    picture: log.csv and curve.png in a folder of `fcn new`, where only the last and the best
    snapshot stay; else <snapshot_prefix>.csv and .png.
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
        curve = _watched(solver, given)
        with ranks.agreed():
            if ranks.first:
                _open_log(stack, solver, given, held, hidden)
        try:
            run(solver, hidden, ranks.first)
        except Interrupted as stop:
            raise Interrupted(f'interrupted at iteration {solver.iteration}; go on with: fcn train '
                              f'… --snapshot {solver.state_path}') from stop
    if ranks.first:
        click.echo(f'trained {solver.iteration} iterations; weights in {solver.weights_path}')
        if curve.best >= 0:
            click.echo(f'best on val: mean IU {curve.best:.2f}, weights in {curve.best_file}; the '
                       f'course in {curve.table} and {curve.picture}')


def _prepared(given: Request) -> 'Solver':
    """Return the solver with its first weights or the state of a snapshot, alike on every rank."""
    from port.fast.speed_up import train_by
    from port.training.solver import Solver
    path = given.path / 'solver.prototxt' if given.path.is_dir() else given.path
    ranks = given.ranks
    with ranks.agreed():
        solver = Solver(path, given.device, finite=True, until=given.iterations)
        train_by(solver, given.fast)
    if ranks.size > 1:
        from port.training.rank_training import facts, use_ranks
        use_ranks(solver, ranks, given.sync_batch_norm)
    with ranks.agreed() as told:
        _start(solver, given)
        if ranks.size > 1:
            told |= facts(solver)
    solver.on_snapshot.append(lambda: ranks.note('snapshot', solver.saved))
    return solver


def _own_folder(given: Request) -> Path | None:
    """Return the folder of `fcn new` that the solver lies in, if it does."""
    from netspec.own_dataset import is_own
    folder = given.path if given.path.is_dir() else given.path.parent
    return folder if is_own(folder) else None


def _watched(solver: 'Solver', given: Request) -> 'TrainingCurve':
    """Have those look on who note the course of the training and warn."""
    from port.scoring.training_curve import TrainingCurve, keep_last
    from port.training.watch import FlatLoss, rate_fault
    own, every = _own_folder(given), given.every
    if every and not solver.test_nets:
        raise click.UsageError(f'--score-every {every}: {given.path} names no test_net to score')
    if every is None:
        images = max(solver.param.test_iter, default=1)
        every = max(1, solver.until // SCORINGS, images) if own and solver.test_nets else 0
    base = Path(solver.prefix)
    table, picture = (own / 'log.csv', own / 'curve.png') if own else (
        base.with_name(f'{base.name}.csv'), base.with_name(f'{base.name}.png'))
    curve = TrainingCurve(solver, table, picture,
                          base.with_name(f'{base.name}_best.caffemodel'), every)
    if given.ranks.first and sys.stderr.isatty():
        from tqdm import tqdm
        curve.say = lambda text: tqdm.write(text, file=sys.stderr)
    solver.on_iteration += [curve, FlatLoss(solver)]
    if own:
        solver.on_snapshot.append(keep_last(solver))
    fault = rate_fault(solver)
    if fault:
        logging.getLogger('port.watch').warning('%s', fault)
    return curve


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
    own = _own_folder(given)
    first = own / 'init.caffemodel' if own else None        # of `fcn surgery`, or `fcn new`
    weights = given.weights or (str(first) if first and first.is_file() else None)
    if weights:
        begin(solver.net, weights)
    prepare(solver.net)
