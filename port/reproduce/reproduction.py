"""The whole of a reproduction: the chain of nets one after another, then the report."""

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from netspec.own_dataset import is_own
from netspec.schema import write_atomic
from port.distributed.alone import ALONE, Alone
from port.engine.torch_weights import read_donor, read_weights
from port.images.read_ahead import check_share
from port.reproduce import beside_published as compare
from port.reproduce import report_html
from port.reproduce import report_pages as pages
from port.reproduce import report_pictures as pictures
from port.reproduce.pace import FORWARD
from port.reproduce.recipe import Settings, Stage, chain, check_options
from port.reproduce.stage_training import done, final_weights, refined, run_stage
from port.scoring.bounds import open_layer
from port.scoring.evaluate import Evaluation
from port.training.run_lock import running_alone

log = logging.getLogger('port.reproduce')
Say = Callable[[str], None]
EVERY = 60.0           # seconds between two estimates where there is no bar to show them


def stages_of(settings: Settings, out: Path) -> list[Stage]:
    """Return the stages: the chain, or for released weights the named net alone."""
    if not settings.released:
        stages = chain(settings, out)
        check_options(settings, stages)
        return stages
    if not settings.weights:
        raise ValueError('--released scores weights that were published: give them by --weights')
    stage = chain(replace(settings, width=1.0), out)[-1]
    return [replace(stage, blocks=0)]


class Clock:
    """How long is left, from what iterations and scorings took so far.

    Counts every stage that is not done; a later stage is taken to be as slow as this one.
    images: so many are scored, in place of the whole split.
    """

    def __init__(self, stages: list[Stage], images: int | None = None) -> None:
        self.stages, self.images = stages, images
        self.bar: tqdm[Any] | None = None
        self.stepped, self.steps = 0.0, 0
        self.at: dict[str, int] = {s.name: s.reached() for s in stages}
        self.scored: list[float] = [e.seconds for s in stages for e in done(s)]
        self.trained = [(e.trained, s.block) for s in stages for e in done(s) if e.trained]
        self.last = self.shown = time.monotonic()

    def tick(self, stage: Stage, iteration: int, loss: float) -> None:
        """Note one iteration, and show it."""
        now = time.monotonic()
        bar = self.bar
        if bar is None or bar.desc != f'{stage.name}: ':
            bar = self._open(stage)
        elif self.at[stage.name] == iteration - 1:
            self.stepped, self.steps = self.stepped + now - self.last, self.steps + 1
        self.last, self.at[stage.name] = now, iteration
        text = f'loss {loss:.5g}, {pages.duration(self.left())} left in all'
        bar.set_postfix_str(text, refresh=False)
        bar.update(iteration - bar.n)
        if bar.disable and now - self.shown >= EVERY:
            self.shown = now
            tqdm.write(f'{stage.name} {iteration}/{stage.iterations}: {text}', file=sys.stderr)

    def _open(self, stage: Stage) -> 'tqdm[Any]':
        """Begin the bar of a stage."""
        self.close()
        self.bar = bar = tqdm(total=stage.iterations, initial=self.at[stage.name], unit='it',
                        desc=stage.name, dynamic_ncols=True, disable=not sys.stderr.isatty())
        bar.set_description(stage.name, refresh=False)
        return bar

    def close(self) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def note(self, result: Evaluation) -> None:
        """Note a scoring."""
        self.scored.append(result.seconds)
        self.last = time.monotonic()

    def left(self) -> float:
        """Estimate the seconds that are left, training and scoring."""
        seconds, steps = self.stepped, self.steps
        if not steps:
            seconds, steps = (sum(column) for column in zip(*self.trained, strict=True)) \
                if self.trained else (0.0, 0)
        step = seconds / steps if steps else 0.0
        iterations = sum(s.iterations - self.at[s.name] for s in self.stages)
        scorings = [max(1, s.blocks) for s in self.stages]
        if self.scored:
            each = sum(self.scored) / len(self.scored)
            return iterations * step + (sum(scorings) - len(self.scored)) * each
        return iterations * step + sum(n * self._scoring(s, step) for n, s in
                                       zip(scorings, self.stages, strict=True))

    def _scoring(self, stage: Stage, step: float) -> float:
        """Guess the seconds of a scoring from those of an iteration."""
        images = self.images or stage.row.schedule.test_iter
        return images * FORWARD * step / stage.images


def _check_data(stages: list[Stage], settings: Settings, ranks: int = 1) -> list[str]:
    """Read every list that will be needed; FileNotFoundError says where the data should be,
    ValueError that there are more processes than images to score.

    Return a line for each net that is scored on images that it is trained on.
    """
    found = []
    for stage in stages:
        try:
            scored = _listed(stage, settings, True)
            trained = _listed(stage, settings, False) if stage.blocks else []
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{error}; --data {settings.data} must be the folder of the datasets or '
                f'of this one, `fcn data layout` shows the trees') from error
        if not stage.blocks:              # the list that released weights were trained on
            with suppress(OSError, ValueError):
                trained = _listed(stage, settings, False)
        if scored:
            check_share(ranks, min(settings.images or len(scored), len(scored)),
                        f'{stage.name}, the images to score')
        both = set(trained) & set(scored)
        if both:
            train, test = (split.name for split in stage.row.splits)
            found.append(f'{stage.name}: {len(both)} of the {len(scored)} images of {test!r} are '
                         f'in {train!r} too, such as {min(both)}: its figures flatter')
    return found


def _listed(stage: Stage, settings: Settings, test: bool) -> list[str]:
    """Return the names of a stage's training or testing list."""
    layer = open_layer(stage.row, Path(settings.data), test)
    return [str(name) for name in getattr(layer, 'indices', ())]


def _check_weights(stages: list[Stage], settings: Settings) -> None:
    """Read the weights that are given; ValueError or OSError says which file is none."""
    given = {path for path in (settings.weights, *settings.donors.values()) if path}
    if settings.released:
        read_weights(settings.weights)
    for stage in stages:
        for path in stage.donors:
            if str(path) in given and stage.row.init:
                read_donor(path, stage.row)
            elif str(path) in given:
                read_weights(path)


def checked(settings: Settings, out: Path, ranks: int = 1) -> tuple[list[Stage], list[str]]:
    """Return the stages, and what to warn of, having read the lists and the weights that they
    need; ValueError or FileNotFoundError says what is wrong.
    """
    stages = stages_of(settings, out)
    for stage in stages:
        if is_own(stage.folder):
            raise ValueError(f'{stage.folder}: `fcn new` wrote this folder, and the run would '
                             'write its own nets there; name another --out')
    warned = _check_data(stages, settings, ranks)
    _check_weights(stages, settings)
    return stages, warned


def reproduce(settings: Settings, out: Path, device: torch.device, say: Say,
              keep_all: bool = False, ranks: Alone = ALONE,
              another_length: bool = False) -> dict[str, Any]:
    """Train and score whatever is still missing in `out`, then write the report; return it.

    Raises Interrupted where a stop is asked for; the same call then goes on. ValueError where
    another process is at work there. ranks: they share all training and scoring; the first writes
    and says what there is to say. another_length: the settings may have another number of blocks
    than the run that lies there.
    """
    flattering: list[str] = []
    with ExitStack() as stack:
        with ranks.agreed():
            settings = settings.as_begun(out)
            stages, flattering = checked(settings, out, ranks.size)
            for line in flattering if ranks.first else ():
                log.warning('%s', line)
            if ranks.first:
                stack.enter_context(running_alone(out))
                settings.claim(out, another_length)
        clock, results = Clock(stages, settings.images), {}
        after_crf: dict[str, Evaluation] = {}

        def told(stage: Stage, result: Evaluation) -> None:
            clock.note(result)
            clock.close()
            if ranks.first:
                say(progress(stage, result, clock.left()))

        def tick(stage: Stage, iteration: int, loss: float) -> None:
            if ranks.first:
                clock.tick(stage, iteration, loss)

        try:
            for stage in stages:
                results[stage.name] = run_stage(stage, settings, device, tick, told, keep_all,
                                                ranks)
                found = refined(stage, settings, device, ranks)
                after_crf |= {stage.name: found} if found else {}
        finally:
            clock.close()
        return ranks.by_first(
            lambda: write_report(stages, results, settings, device, out, after_crf, flattering))


def progress(stage: Stage, result: Evaluation, left: float) -> str:
    """Say in a line what a block gave, and how long is left."""
    values = ', '.join(f'{name} {pages.number(value)}'
                       for name, value in compare.measured(stage, result).items())
    where = f'{stage.name} {result.iteration}/{stage.iterations}' if stage.blocks else stage.name
    return f'{where}: {values}' + (f'; about {pages.duration(left)} left' if left >= 1 else '')


def write_report(stages: list[Stage], results: dict[str, list[Evaluation]], settings: Settings,
                 device: torch.device, out: Path,
                 after_crf: Mapping[str, Evaluation] | None = None,
                 flattering: Sequence[str] = ()) -> dict[str, Any]:
    """Write report.json, .md, .html and their pictures; return what report.json holds.

    flattering: why figures are better than the net is, which stands first among what is to be said.
    """
    content = compare.report(stages, results, settings, device, after_crf or {})
    content['caveats'] = [*flattering, *content['caveats']]
    drawn = pictures.draw(out / 'pictures', content, stages, final_weights(stages[-1], settings),
                          device, settings.fast)
    compare.write(out / 'report.json', content)
    for name, text in (('report.md', pages.markdown(content, drawn.files, out)),
                       ('report.html', report_html.page(content, drawn))):
        write_atomic(out / name, [text.encode()])
    return content
