"""A training as one command runs it: a progress bar, signals as requests, snapshots kept.

Ctrl-C and SIGTERM snapshot and stop, SIGHUP snapshots and goes on, as the `caffe` tool's
defaults have it (tools/caffe.cpp: sigint_effect, sighup_effect).
"""

from tqdm import tqdm

from port.training.signals import Interrupted, Requests
from port.training.solver import Solver

SIGNALS = {'SIGINT': 'stop', 'SIGTERM': 'stop', 'SIGHUP': 'snapshot'}


class Progress:
    """A bar with loss, iterations a second and time left; for the solver's on_iteration."""

    def __init__(self, solver: Solver, hidden: bool) -> None:
        self.bar = tqdm(total=solver.until, initial=solver.iteration, unit='it',
                        disable=hidden, dynamic_ncols=True, desc='train')

    def __call__(self, solver: Solver, loss: float) -> None:
        self.bar.set_postfix_str(f'loss {solver.smoothed_loss:.5g}', refresh=False)
        self.bar.update()

    def __enter__(self) -> 'Progress':
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()


def run(solver: Solver, hidden: bool = False) -> None:
    """Train to the end, and leave a snapshot there. hidden: show no bar.

    Raises Interrupted where a stop was asked for, once the snapshot of that iteration
    (solver.state_path) is written; an error gains a note that names the last snapshot.
    """
    with Progress(solver, hidden) as progress, Requests(SIGNALS) as requests:
        solver.on_iteration.append(progress)
        solver.action = requests
        try:
            solver.solve()
        except Exception as error:
            last = f'stays: {solver.saved}' if solver.saved else 'would have been the first'
            error.add_note(f'training stopped at iteration {solver.iteration}; the last snapshot '
                           f'{last}')
            raise
    if solver.stopped:
        if solver.saved != solver.state_path:
            solver.snapshot()
        raise Interrupted(f'interrupted at iteration {solver.iteration}; its snapshot is '
                          f'{solver.state_path}')
