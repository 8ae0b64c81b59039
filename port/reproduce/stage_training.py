"""Train one net of the chain in blocks, scoring after each; go on from wherever it stands.

Whatever is on disk is whole: a snapshot is its solver state, written after its weights, a scored
block its JSON. So an interruption at any place costs at most what came after the last snapshot,
and on the CPU the numbers are those of a run without it.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import surgery
from netspec.generate import data_roots
from netspec.schema import read_net, write_atomic
from netspec.schema.messages import TEST, SolverParameter
from port.crf.crf_weights import SOURCES
from port.data.datasets import class_names
from port.distributed.alone import ALONE, Alone
from port.engine.net import Net
from port.engine.starting_weights import begin, load, prepare
from port.engine.torch_weights import read_donor
from port.fast.speed_up import forward_by, train_by
from port.reproduce.recipe import Settings, Stage, of_stage, solver_options
from port.scoring.evaluate import Evaluation, data_instance, evaluate, read
from port.scoring.metrics import Scores, mean
from port.training import glog
from port.training.batch_norm_statistics import PASSES, recount
from port.training.job import SIGNALS
from port.training.signals import Interrupted, Requests
from port.training.solver import SNAPSHOT, STOP, Solver
from surgery import recipes

log = logging.getLogger('port.reproduce')
Tick = Callable[[Stage, int, float], None]          # stage, iteration, loss
Told = Callable[[Stage, Evaluation], None]


def shown(names: Sequence[str]) -> Iterable[str]:
    """Show on a terminal how far a scoring has come."""
    return tqdm(names, desc='score', leave=False, disable=not sys.stderr.isatty())


def write_nets(stage: Stage, settings: Settings) -> None:
    """Write the stage's nets and solver; always the same text for the same settings."""
    images = settings.images or stage.row.schedule.test_iter
    given = of_stage(stage.name, settings.train_data)
    sized = {} if settings.scale == 1 else {'scales': (settings.scale, settings.scale)}
    experiment = replace(stage.experiment, train={**sized, **stage.experiment.train, **given},
                         test={**sized, **stage.experiment.test})
    texts = experiment.contents(
        stage.folder, solver_options(stage, settings, images), width=settings.width,
        data_root=data_roots(stage.row, settings.data))
    stage.folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        write_atomic(path, [text.encode()])


def start_weights(stage: Stage) -> Path | None:
    """Return the weights that training begins with, after surgery; None for fillers."""
    if not stage.row.init:
        return stage.donors[0] if stage.donors else None
    if not stage.donors:
        return None
    path = stage.init
    if not path.exists():
        given = ', '.join(map(str, stage.donors))
        wanted = ', '.join(init.donor for init in stage.row.init)
        net, donors = read_net(stage.file(test=False)), [read_donor(d, stage.row)
                                                         for d in stage.donors]
        try:
            new, report = recipes.start(stage.row, net, *donors)
        except ValueError as error:
            raise ValueError(f'{given}: do not fit {stage.name}, which starts from {wanted} (of '
                             f'the same --width): {error}') from None
        if not report.copied and not report.coerced:
            raise ValueError(f'{given}: the weights of another net: '
                             f'none of its layers is in {stage.name}, which starts from {wanted}')
        write_atomic(stage.folder / 'surgery.txt', [f'{report}\n'.encode()])
        for line in report.loud:
            log.warning('%s: %s', stage.name, line)
        surgery.write_weights(path, new)
    return path


def done(stage: Stage) -> list[Evaluation]:
    """Return the scored blocks of a stage, in order; that of a stage without training is 0."""
    marks = [stage.block * (i + 1) for i in range(stage.blocks)] or [0]
    return [read(stage.scores(mark)) for mark in marks if stage.scores(mark).exists()]


def main_figure(stage: Stage, result: Evaluation) -> float:
    """Return the mean IU that stands for a net: without the background where it is scored so."""
    main = result.main
    return mean(main.class_iu[1:]) if stage.experiment.foreground else main.mean_iu


def best_block(stage: Stage, results: Sequence[Evaluation]) -> Evaluation:
    """Return the best of a stage's scored blocks."""
    return max(results, key=lambda result: main_figure(stage, result))


def complete(stage: Stage) -> bool:
    """Tell whether every block is trained and scored and the final weights are there."""
    return len(done(stage)) == max(1, stage.blocks) and (
        not stage.blocks or stage.weights().exists())


def _beginning(stage: Stage) -> list[str]:
    """Return the state to go on from, or else the weights to begin with; '' for what is not."""
    state = stage.state()
    return [str(state or ''), '' if state else str(start_weights(stage) or '')]


class Training:
    """One stage under way: its solver, and the hooks that show it."""

    def __init__(self, stage: Stage, settings: Settings, device: torch.device,
                 tick: Tick, told: Told, keep_all: bool = False, ranks: Alone = ALONE) -> None:
        self.stage, self.settings, self.keep_all = stage, settings, keep_all
        self.told, self.ranks = told, ranks
        self.begun = time.monotonic()      # of this block, had it been trained without a stop
        state, weights = ranks.by_first(lambda: _beginning(stage))
        with ranks.agreed():
            self._open(device, tick)
        if self.shared:
            from port.training.rank_training import use_ranks
            use_ranks(self.solver, ranks)
        with ranks.agreed():
            self._begin(state, weights)
            if stage.reached() > self.solver.iteration:
                raise ValueError(
                    f'{stage.folder}: scored after iteration {stage.reached()}, but its solver '
                    f'state is missing in snapshot/: put it back, or remove {stage.folder}')

    def _open(self, device: torch.device, tick: Tick) -> None:
        """Make the solver, with what shows it and what runs its nets."""
        stage, settings = self.stage, self.settings
        self.solver = Solver(stage.folder / 'solver.prototxt', device, finite=True,
                             amend=self._share_passes)
        self.solver.on_iteration.append(
            lambda solver, loss: tick(stage, solver.iteration, solver.smoothed_loss))
        self.solver.on_snapshot.append(self._note_time)
        train_by(self.solver, settings.fast)

    def _share_passes(self, param: SolverParameter) -> None:
        """Where that was asked for, let ranks make the passes of a step together; else rank 0
        trains, so that the figures are those of one process, and all score.
        """
        size = self.ranks.size
        self.shared = size > 1 and self.settings.share_steps
        if not self.shared:
            return
        if param.iter_size % size:
            raise ValueError(f'{self.stage.name}: the {param.iter_size} pass(es) of a step cannot '
                             f'be shared by {size} ranks: start as many as divide them, or leave '
                             '--share-steps out')
        param.iter_size //= size

    def _begin(self, state: str, weights: str) -> None:
        if state:
            self.solver.restore(state)
            return
        if not weights:
            prepare(self.solver.net)
        elif self.stage.row.init:                 # what surgery made; fillers draw the rest
            begin(self.solver.net, weights)
            prepare(self.solver.net)
        else:
            load(self.solver.net, weights)

    def run(self) -> None:
        """Train and score block after block; raise Interrupted where a stop is asked for."""
        with Requests(SIGNALS) as requests:
            self._listen(requests)
            for number in range(self.stage.blocks):
                mark = self.stage.block * (number + 1)
                if self.solver.iteration > mark and not self.stage.scores(mark).exists():
                    raise ValueError(f'{self.stage.scores(mark)} is missing, but training is past '
                                     f'it: put it back, or remove {self.stage.folder}')
                if self.solver.iteration < mark or not self.stage.scores(mark).exists():
                    self._block(mark, lambda: STOP in requests.pending)

    def _listen(self, requests: Requests) -> None:
        """Have the solver serve requests; where rank 0 trains alone, those of all ranks."""
        if self.shared or self.ranks.size == 1:
            self.solver.action = requests
            return
        asked: list[str] = []

        def ask(*told: object) -> None:
            found = self.ranks.chosen(requests(), (STOP, SNAPSHOT))
            asked.extend([found] if found else [])
        self.ask = ask
        self.solver.on_iteration.append(ask)
        self.solver.action = lambda: asked.pop() if asked else None

    def _train(self, mark: int) -> None:
        """Train to an iteration, or follow rank 0 there."""
        solver = self.solver
        if self.shared or self.ranks.first:
            solver.step(mark - solver.iteration)
            return
        while solver.iteration < mark and not solver.stopped:
            self.ask()
            solver.stopped = solver.action() == STOP
            solver.iteration += 1

    def _snapshot(self) -> None:
        """Write a snapshot; by rank 0 alone where it trained alone."""
        if self.shared:
            self.solver.snapshot()
        else:
            self.ranks.by_first(self.solver.snapshot)

    def _note_time(self) -> None:
        """Write beside a snapshot for how long its block was trained, for who goes on from it."""
        write_atomic(Path(self.solver.snapshot_name('.seconds')),
                     [f'{time.monotonic() - self.begun:.3f}\n'.encode()])

    def _begin_time(self, mark: int) -> None:
        """Count a block's time: from now, or from what was spent up to a snapshot inside it."""
        path = Path(self.solver.snapshot_name('.seconds'))
        inside = self.solver.iteration > mark - self.stage.block
        spent = float(path.read_text()) if inside and path.exists() else 0.0
        self.begun = time.monotonic() - spent

    def _block(self, mark: int, asked: Callable[[], bool]) -> None:
        solver = self.solver
        self._begin_time(mark)
        self._train(mark)
        if solver.stopped:
            self._snapshot()
            raise Interrupted(f'stopped at iteration {solver.iteration} of {self.stage.name}')
        recounted = self._recount()
        trained = time.monotonic() - self.begun
        if self.ranks.by_first(lambda: recounted or self.stage.state() != Path(solver.state_path)):
            self._snapshot()
        if not self.shared:
            for row in solver.net.learnable:
                self.ranks.spread(row.blob.data)
        net = solver.test_nets[0]
        net.share_from(solver.net)
        result = scored(net, self.stage, self.settings, iteration=mark, asked=asked,
                        forward=solver.test_passes[0], ranks=self.ranks)
        result.trained = trained
        self.ranks.by_first(lambda: self._keep(result, mark))
        self.told(self.stage, result)

    def _recount(self) -> int:
        """Count BatchNorm's statistics anew, by the ranks that trained; return their number."""
        if self.shared or self.ranks.first:
            return recount(self.solver.net, self.solver.train_pass, self._batches(),
                           self.ranks if self.shared else ALONE)
        return 0

    def _keep(self, result: Evaluation, mark: int) -> None:
        """Write a block's scores, and remove what is not needed any more."""
        result.write(self.stage.scores(mark))
        self._prune(mark)

    def _batches(self) -> int:
        """Return over how many training batches BatchNorm's statistics are counted."""
        data = data_instance(self.solver.net)
        if self.settings.statistics or data is None:
            return self.settings.statistics or PASSES
        return -(-len(data.indices) // getattr(data, 'batch', 1))

    def _prune(self, mark: int) -> None:
        """Remove older snapshots, but the weights of the best block."""
        if self.keep_all:
            return
        best = best_block(self.stage, done(self.stage)).iteration
        keep = {self.stage.weights(best), self.stage.weights(mark)}
        keep |= {Path(self.solver.snapshot_name(ending)) for ending in ('.solverstate', '.seconds')}
        for path in (self.stage.folder / 'snapshot').glob('train_iter_*'):
            if path not in keep:
                path.unlink()


def scored(net: Net, stage: Stage, settings: Settings, **options: Any) -> Evaluation:
    """Score a net on its stage's split; where its data layer knows no class names, the row does."""
    result = evaluate(net, settings.images, progress=shown, **options)
    for (blob, found), head in zip(result.scores.items(), stage.row.heads, strict=False):
        names = class_names(head)
        if found.names[0] == '0' and len(names) == len(found.names):
            result.scores[blob] = Scores(found.hist, names, found.loss)
    return result


def score_only(stage: Stage, settings: Settings, device: torch.device,
               ranks: Alone = ALONE) -> Evaluation:
    """Score weights that are not trained here: released ones, or another experiment's."""
    weights = Path(settings.weights) if settings.released else stage.donors[0]
    with ranks.agreed():
        net = Net(stage.file(test=True), TEST, device=device)
        load(net, weights)
    result = scored(net, stage, settings, ranks=ranks,
                    forward=forward_by(net, settings.fast))
    ranks.by_first(lambda: result.write(stage.scores(0)))
    return result


def run_stage(stage: Stage, settings: Settings, device: torch.device, tick: Tick, told: Told,
              keep_all: bool = False, ranks: Alone = ALONE) -> list[Evaluation]:
    """Bring one stage to its end, from wherever it stands; return its scored blocks."""
    ranks.by_first(lambda: write_nets(stage, settings))
    handler = glog.to_file(stage.folder / 'train.log' if ranks.first else Path(os.devnull))
    try:
        if not ranks.by_first(lambda: complete(stage)):
            if stage.blocks:
                Training(stage, settings, device, tick, told, keep_all, ranks).run()
            else:
                told(stage, score_only(stage, settings, device, ranks))
    finally:
        glog.stop(handler)
    return done(stage)


def refined(stage: Stage, settings: Settings, device: torch.device,
            ranks: Alone = ALONE) -> Evaluation | None:
    """Score a stage's last weights after the dense CRF that was published for its net, or read that
    scoring; None for a net without one. Raises Interrupted where a stop is asked for.
    """
    if stage.name not in SOURCES:
        return None
    path = stage.scores(stage.iterations).with_suffix('.crf.json')
    if ranks.by_first(path.exists):
        return read(path)
    with ranks.agreed():
        net = Net(stage.file(test=True), TEST, device=device)
        load(net, final_weights(stage, settings))
    with Requests(SIGNALS) as requests:
        result = scored(net, stage, settings, iteration=stage.iterations,
                        crf=SOURCES[stage.name][0], ranks=ranks,
                        forward=forward_by(net, settings.fast),
                        asked=lambda: STOP in requests.pending)
    ranks.by_first(lambda: result.write(path))
    return result


def final_weights(stage: Stage, settings: Settings) -> Path:
    """Return the weights that the last evaluation of a stage is of."""
    if stage.blocks:
        return stage.weights()
    return Path(settings.weights) if settings.released else stage.donors[0]
