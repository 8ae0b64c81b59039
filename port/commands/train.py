"""fcn train: run a solver, with a progress bar, a log file and snapshots."""

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from port.commands._shared import defining, device, gpu_option, tf32_option
from port.engine.starting_weights import begin, prepare
from port.fast.speed_up import use_fast
from port.training import glog
from port.training.job import run
from port.training.run_lock import training_alone
from port.training.signals import Interrupted
from port.training.solver import Solver


@click.command(epilog='Example:  fcn train --solver runs/camvid32/solver.prototxt '
                      '--weights init.caffemodel --iterations 4000')
@click.option('--solver', 'path', required=True, type=click.Path(path_type=Path, dir_okay=False),
              help='The solver prototxt.')
@click.option('--weights', help='Weights to start from; several with commas.')
@click.option('--snapshot', type=click.Path(path_type=Path, dir_okay=False),
              help='A .solverstate to go on from.')
@gpu_option
@tf32_option
@click.option('--iterations', type=click.IntRange(min=1), help='Train to this iteration; '
              'the rate goes as the solver file has it.  [default: its max_iter]')
@click.option('--fast', is_flag=True, help='Leave out what no image reaches (docs/padding.md) and '
              'take layers together: the same gradients within rounding, in less time.')
@click.option('--log', 'log_path', type=click.Path(path_type=Path, dir_okay=False),
              help='Log file.  [default: <snapshot_prefix>.log]')
@defining
def command(path: Path, weights: str | None, snapshot: Path | None, gpu: int | None,
            tf32: bool, iterations: int | None, fast: bool, log_path: Path | None) -> None:
    """Train a net. Ctrl-C snapshots and stops; --snapshot goes on, bit for bit on the CPU.

    Nothing is written before the training can start. The log goes to a file, and to stdout too
    where there is no terminal for the progress bar.
    """
    if weights and snapshot:
        raise click.UsageError('give --weights to start, or --snapshot to go on, not both')
    hidden = not sys.stderr.isatty()
    with ExitStack() as stack:
        held = stack.enter_context(glog.handling(glog.hold()))
        solver = Solver(path, device(gpu, tf32), finite=True, until=iterations)
        _start(solver, weights, snapshot)
        if fast:
            use_fast(solver)
        stack.enter_context(training_alone(solver.prefix))
        outs = [glog.warnings(), glog.to_file(log_path or Path(f'{solver.prefix}.log'))]
        outs += [glog.to_stdout()] if hidden else []
        for out in outs:
            stack.enter_context(glog.handling(out))
        glog.replay(held, outs)
        try:
            run(solver, hidden)
        except Interrupted as stop:
            raise Interrupted(f'interrupted at iteration {solver.iteration}; go on with: fcn train '
                              f'… --snapshot {solver.state_path}') from stop
    click.echo(f'trained {solver.iteration} iterations; weights in {solver.weights_path}')


def _start(solver: Solver, weights: str | None, snapshot: Path | None) -> None:
    if snapshot:
        solver.restore(snapshot)
        if solver.iteration >= solver.until:
            raise ValueError(f'{snapshot}: is at iteration {solver.iteration} already; '
                             f'--iterations or max_iter must be more than {solver.until}')
        return
    if weights:
        begin(solver.net, weights)
    prepare(solver.net)
