"""A training as one command runs it: a progress bar, signals as requests, snapshots kept.

Ctrl-C and SIGTERM snapshot and stop, SIGHUP snapshots and goes on, as the `caffe` tool's
defaults have it (tools/caffe.cpp: sigint_effect, sighup_effect).
"""

import sys
import time

from tqdm import tqdm

from port.training.signals import Interrupted, Requests
from port.training.solver import Solver

SIGNALS = {'SIGINT': 'stop', 'SIGTERM': 'stop', 'SIGHUP': 'snapshot'}
FIRST, EVERY = 5.0, 30.0         # seconds until the first line where there is no bar, and between


class Progress:
    """A bar with loss, iterations a second and time left; for the solver's on_iteration.

    lines: without a bar, write them on a line of stderr now and then.
    """

    def __init__(self, solver: Solver, hidden: bool, lines: bool = False, name: str = 'train'
                 ) -> None:
        self.bar = tqdm(total=solver.until, initial=solver.iteration, unit='it',
                        disable=hidden, dynamic_ncols=True, desc=name)
        self.lines, self.name, self.begun_at = hidden and lines, name, solver.iteration
        self.begun = time.monotonic()
        self.due = self.begun + FIRST

    def __call__(self, solver: Solver, loss: float) -> None:
        self.bar.set_postfix_str(f'loss {solver.smoothed_loss:.5g}', refresh=False)
        self.bar.update()
        now = time.monotonic()
        if self.lines and now >= self.due and solver.iteration < solver.until:
            self.due = now + EVERY
            each = (now - self.begun) / (solver.iteration - self.begun_at)
            left = tqdm.format_interval(each * (solver.until - solver.iteration))
            print(f'{self.name} {solver.iteration}/{solver.until}: loss '
                  f'{solver.smoothed_loss:.5g}, {each:.3g} s an iteration, {left} left',
                  file=sys.stderr, flush=True)

    def __enter__(self) -> 'Progress':
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()


def run(solver: Solver, hidden: bool = False, lines: bool = False, name: str = 'train') -> None:
    """Train to the end, and leave a snapshot there. hidden: show no bar; lines: but these.

    Raises Interrupted where a stop was asked for, once the snapshot of that iteration
    (solver.state_path) is written; an error gains a note that names the last snapshot.
    """
    with Progress(solver, hidden, lines, name) as progress, Requests(SIGNALS) as requests:
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
