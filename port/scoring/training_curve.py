"""What a training leaves behind as it goes: log.csv, curve.png, and where val is scored every so
often the best weights beside the last. It looks on: what is trained stays bit for bit the same.
"""

import csv
import io
import logging
import time
from collections.abc import Callable
from math import isnan, nan
from pathlib import Path

from netspec.schema import write_atomic
from port.data.label_pictures import write_beside
from port.scoring.evaluate import Evaluation, evaluate
from port.scoring.metrics import METRICS, Scores
from port.training.signals import Interrupted
from port.training.snapshot import extras, restore_extras
from port.training.solver import STOP, Solver

log = logging.getLogger('port.curve')
ROWS, REDRAWN = 200, 10.0        # rows of a whole training; seconds between two drawings
LOSS = 'loss'
HEAD = ('iteration', LOSS, *METRICS)
Row = dict[str, float]           # by HEAD; nan where val was not scored


class TrainingCurve:
    """Notes the loss and the scores of a solver's training; for its on_iteration.

    every: score the first test net after so many iterations, and at the end; 0 for never. table,
    picture: the files to write; best: where the best weights go.
    """

    def __init__(self, solver: Solver, table: Path, picture: Path, best: Path, every: int = 0
                 ) -> None:
        self.solver, self.every = solver, every
        self.table, self.picture, self.best_file = table, picture, best
        self.step = max(1, solver.until // ROWS)
        self.sum, self.count = 0.0, 0
        self.drawn = self.begun = time.monotonic()
        self.told: list[str] = []                # the classes that were said not to be predicted
        self.say: Callable[[str], None] = lambda text: None
        self.rows = self._before() if solver.iteration else []
        self.best = max((row['mean IU'] for row in self.rows if row['mean IU'] >= 0), default=-1.0)
        if not solver.iteration and every and solver.ranks.first:
            best.unlink(missing_ok=True)         # of an earlier training

    def _before(self) -> list[Row]:
        """Read the rows up to the iteration that the solver goes on from."""
        try:
            with self.table.open(newline='', encoding='utf-8') as file:
                found = [{key: float(row[key] or nan) for key in HEAD}
                         for row in csv.DictReader(file)]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        kept = [row for row in found if row['iteration'] <= self.solver.iteration]
        if len(kept) < len(found):               # the best weights may be of what is done anew
            self.best_file.unlink(missing_ok=True)
        return kept

    def __call__(self, solver: Solver, loss: float) -> None:
        self.sum, self.count = self.sum + loss, self.count + 1
        last = solver.iteration == solver.until
        due = self.every and (solver.iteration % self.every == 0 or last)
        if not due and solver.iteration % self.step and not last:
            return
        row = {'iteration': float(solver.iteration), LOSS: self.sum / self.count,
               **dict.fromkeys(METRICS, nan)}
        self.sum, self.count = 0.0, 0
        if due:
            row |= self._score()
        self.rows.append(row)
        if solver.ranks.first:
            self._write(last)

    def _score(self) -> Row:
        """Score val, keep the weights if they are the best, and say so; {} where a stop came."""
        solver = self.solver
        net, count = solver.test_nets[0], solver.iteration
        net.share_from(solver.net)
        before = extras(net)
        try:
            found = evaluate(net, iteration=count, forward=solver.test_passes[0],
                             ranks=solver.ranks, asked=self._stopping)
        except Interrupted:
            return {}
        finally:
            restore_extras(net, before)
        four = {name: 100 * value for name, value in found.main.metrics.items()}
        better = four['mean IU'] > self.best
        self.best = max(self.best, four['mean IU'])
        if better and solver.ranks.first:
            self.best_file.parent.mkdir(parents=True, exist_ok=True)
            solver.net.save(str(self.best_file))
        text = (f'Iteration {count}, val: mean IU {four["mean IU"]:.2f}, pixel accuracy '
                f'{four["pixel accuracy"]:.2f}{", the best so far" if better else ""}')
        log.info('%s', text)
        self.say(text)
        self._tell_missed(found)
        return four

    def _stopping(self) -> bool:
        """Tell whether a stop was asked for, which the solver serves after this; several ranks
        score to the end, as they stop together.
        """
        return self.solver.ranks.size == 1 and STOP in getattr(self.solver.action, 'pending', ())

    def _tell_missed(self, found: Evaluation) -> None:
        """Half way through the training, and at its end, warn of classes never predicted."""
        missed, now, end = never_predicted(found.main), self.solver.iteration, self.solver.until
        if now * 2 < end or self.told and now < end:
            return
        if missed and list(missed) != self.told:
            self.told = list(missed)
            text = ', '.join(f'{name} ({100 * share:.2g} % of the pixels of val)'
                             for name, share in missed.items())
            log.warning(
                'iteration %d: never predicted: %s. Rare classes are learnt late: train longer, '
                'weigh them in the loss (`fcn new --balance`), or add images that show them; if '
                'they are not rare, look at their labels', now, text)

    def _write(self, last: bool) -> None:
        """Write the table, and the picture now and then; a full disk does not stop a training."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(HEAD)
        writer.writerows([int(row['iteration']), *('' if isnan(row[key]) else f'{row[key]:.6g}'
                                                   for key in HEAD[1:])] for row in self.rows)
        try:
            self.table.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.table, [text.getvalue().encode()])
            now = time.monotonic()
            if now - self.drawn >= REDRAWN or last and (self.every or now - self.begun >= REDRAWN):
                self.drawn = now
                write_beside(self.picture, lambda part: draw(part, self.rows))
        except OSError as error:
            log.info('%s or %s cannot be written: %s', self.table, self.picture, error)


def never_predicted(scores: Scores) -> dict[str, float]:
    """Return the classes that the truth has and the prediction never, with their shares."""
    truth, predicted = scores.hist.sum(1), scores.hist.sum(0)
    return {name: float(there / truth.sum()) for name, there, given in
            zip(scores.names, truth, predicted, strict=True) if there and not given}


def draw(path: Path, rows: list[Row]) -> None:
    """Draw the loss, and mean IU where it was scored, over the iterations."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure(figsize=(7, 4), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([row['iteration'] for row in rows], [row[LOSS] for row in rows], label='loss, train',
              color='tab:blue', linewidth=1.2)
    if all(row[LOSS] > 0 for row in rows):
        axes.set_yscale('log')
    axes.set(xlabel='iteration', ylabel='loss')
    axes.grid(True, alpha=.3)
    scored = [(row['iteration'], row['mean IU']) for row in rows if not isnan(row['mean IU'])]
    if scored:
        right = axes.twinx()
        right.plot(*zip(*scored, strict=True), label='mean IU, val', color='tab:orange', marker='.')
        right.set(ylabel='mean IU, %', ylim=(0, 100))
    figure.legend(loc='outside upper right', ncols=2)
    figure.savefig(path, dpi=110, format='png')


def keep_last(solver: Solver) -> Callable[[], None]:
    """Return what removes the snapshots of a training but for the last; for on_snapshot."""
    def prune() -> None:
        folder, stem = Path(solver.prefix).parent, Path(solver.prefix).name
        for path in folder.glob(f'{stem}_iter_*'):
            number = path.name.removeprefix(f'{stem}_iter_').partition('.')[0]
            if number.isdecimal() and int(number) < solver.iteration:
                path.unlink(missing_ok=True)
    return prune
