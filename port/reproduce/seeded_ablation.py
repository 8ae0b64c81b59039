"""The paper's findings about finetuning, on a trunk with real weights, judged over several seeds.

Each run sees as many images as those it is compared with. Each regime trains at the best of several
rates, by the score of one seed that is not counted; the search goes on until the best is neither
the lowest nor the highest that was tried. A finding holds where the mean difference over
the seeds exceeds what their spread allows for (Student's t, 95 %), and is not told where it does
not. Trainings are dealt out to ranks, each made by one: a figure does not tell how many there were.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from scipy.stats import t as student

from netspec.schema import write_atomic
from netspec.spec import unknown
from netspec.variants import VARIANTS
from port.distributed.alone import ALONE, Alone
from port.reproduce.recipe import Settings
from port.reproduce.report_pages import md_table, number
from port.reproduce.reproduction import checked, reproduce
from port.training.solver import NonFiniteLoss

Say = Callable[[str], None]
Curve = list[list[float]]            # iteration and mean IU, block after block
RATES = (3e-10, 1e-9, 3e-9)            # where the search begins; it goes on by threes
MOST_RATES = 10
LEAST_SEEDS = 2


@dataclass(frozen=True)
class Run:
    """One training: an experiment with a net or a net alone, so many times the usual length.

    start: the run whose best weights it begins with. rated_as: the run whose best rate it takes;
    its own is looked for where none is named. rate_times: of that rate.
    """

    net: str
    experiment: str = ''
    length: int = 1
    start: str = ''
    rated_as: str = ''
    rate_times: float = 1.0

    @property
    def name(self) -> str:
        """What `fcn reproduce` calls it."""
        return self.experiment or self.net


@dataclass(frozen=True)
class Claim:
    """A finding: that one run scores higher than another, and what the paper found on VOC."""

    claim: str
    better: str
    worse: str
    published: str


def runs_of(dataset: str, trunk: str) -> dict[str, Run]:
    """Return the runs by name, each after those that it starts from; KeyError for another trunk."""
    nets = sorted((row for row in VARIANTS.values()
                   if row.dataset == dataset and row.name.endswith(f's-{trunk}')),
                  key=lambda row: -row.stride)
    if len(nets) < 3:
        known = {row.trunk for row in VARIANTS.values() if row.dataset == dataset}
        raise unknown(f'{dataset} has no nets of three strides on a trunk named', trunk, known)
    coarse, middle, fine = (row.name for row in nets[:3])
    return {
        'heavy': Run(coarse), 'online': Run(coarse, 'online'), 'accum': Run(coarse, 'accum'),
        'random': Run(coarse, 'scratch'), 'fixed': Run(coarse, 'fixed'),
        'longer': Run(coarse, 'heavy', 3, rated_as='heavy'),
        'staged-2': Run(middle, start='heavy', rated_as='heavy', rate_times=0.1),
        'staged-3': Run(fine, start='staged-2', rated_as='heavy', rate_times=0.1),
        'at-once': Run(fine, 'at-once', 3, rated_as='heavy')}


def chains_of(runs: Mapping[str, Run]) -> list[dict[str, Run]]:
    """Return the runs that start from nothing, each with those that start from it, in order."""
    chains = {name: {name: run} for name, run in runs.items() if not run.start}
    for name, run in runs.items():
        if run.start:
            next(chain for chain in chains.values() if run.start in chain)[name] = run
    return list(chains.values())


CLAIMS = (
    Claim('a trunk with pretrained weights beats one from random weights', 'heavy', 'random',
          '"substantially lower accuracy" from scratch (section 4.4)'),
    Claim('training the trunk beats training the scores alone', 'heavy', 'fixed', '63.6 > 46.6'),
    Claim('heavy learning beats online learning', 'heavy', 'online', '63.6 > 60.7'),
    Claim('online learning beats accumulation', 'online', 'accum', '60.7 > 51.9'),
    Claim('finer strides beat the coarsest that trains as long', 'staged-3', 'longer',
          '65.5 > 63.6; a lower rate without skips gives next to nothing'),
    Claim('stages beat training all skips at once', 'staged-3', 'at-once', '65.5 > 65.4'))


@dataclass(frozen=True)
class SeededAblation:
    """What a whole ablation is of; `settings` are common to all of its runs.

    rates: to try for each regime, no others; () to begin with RATES and search on from there.
    """

    dataset: str
    trunk: str
    settings: Settings
    out: Path
    device: torch.device
    seeds: int = 3
    rates: tuple[float, ...] = ()
    ranks: Alone = ALONE

    def run(self, say: Say) -> dict[str, Any]:
        """Train what is missing and return the rates, the scores by run and seed, the verdicts."""
        if self.seeds < LEAST_SEEDS:
            raise ValueError(f'--seeds {self.seeds}: a spread needs {LEAST_SEEDS} or more')
        runs = runs_of(self.dataset, self.trunk)
        with self.ranks.agreed():
            for name, run in runs.items():
                if not run.start:
                    first = self._settings_of(run, 0, (self.rates or RATES)[0], {})
                    checked(first, self._folder(name, 0))
        tried = self._tried([name for name, run in runs.items() if not run.rated_as], say)
        best = {name: best_rate(found) for name, found in tried.items()}
        chains = [(seed, chain) for seed in range(1, self.seeds + 1) for chain in chains_of(runs)]
        curves: dict[str, list[Curve]] = {name: [] for name in runs}
        for found in self._dealt(chains, partial(self._train_chain, say, best)):
            for name, curve in found.items():
                curves[name].append(curve)
        scores = {name: [max(iu for _, iu in curve) for curve in found]
                  for name, found in curves.items()}
        return {'dataset': self.dataset, 'trunk': self.trunk, 'seeds': self.seeds,
                'block': self.settings.block, 'blocks': self.settings.blocks,
                'scale': self.settings.scale, 'rates': {
                    name: {f'{rate:g}': iu for rate, iu in found.items()}
                    for name, found in tried.items()},
                'chosen': best, 'curves': curves, 'scores': scores,
                'findings': [judged(claim, scores) for claim in CLAIMS]}

    def _tried(self, names: Sequence[str], say: Say) -> dict[str, dict[float, float | None]]:
        """Try rates for each run; return what they scored, None where a run diverged."""
        tried: dict[str, dict[float, float | None]] = {name: {} for name in names}
        tries = [(name, rate) for name in names for rate in self.rates or RATES]
        while tries:
            for (name, rate), found in zip(tries, self._dealt(tries, partial(self._try_rate, say)),
                                           strict=True):
                tried[name][rate] = found
            tries = [] if self.rates else [
                (name, rate) for name in names for rate in next_rates(tried[name])]
        return tried

    def _folder(self, name: str, seed: int, rate: float | None = None) -> Path:
        if rate is not None:
            return self.out / 'rates' / name / f'{rate:g}'
        return self.out / f'seed-{seed}' / name

    def _dealt(self, tasks: Sequence[tuple[Any, ...]], work: Callable[..., Any]) -> list[Any]:
        """Do every task, each on one of the ranks; return what they gave, in their order."""
        size = self.ranks.size
        mine = [work(*task) for task in tasks[self.ranks.rank::size]]
        self.ranks.meet()
        parts = self.ranks.gathered(mine)
        return [parts[i % size][i // size] for i in range(len(tasks))]

    def _settings_of(self, run: Run, seed: int, rate: float,
                     done: Mapping[str, Path]) -> Settings:
        found = replace(
            self.settings, name=run.name, net=run.net if run.experiment else '', seed=1337 + seed,
            blocks=(self.settings.blocks or 1) * run.length,
            options={**self.settings.options, 'base_lr': rate},
            train_data={**self.settings.train_data, 'seed': 1337 + seed},
            donors={VARIANTS[run.net].init[0].donor: str(done[run.start])} if run.start else {})
        if run.experiment == 'scratch':
            found = replace(found, weights='')
        return found

    def _try_rate(self, say: Say, name: str, rate: float) -> float | None:
        """Return the best mean IU of a short run at a rate; None where it diverged."""
        short = replace(self.settings, blocks=max(1, (self.settings.blocks or 1) // 2))
        run = runs_of(self.dataset, self.trunk)[name]
        stage = replace(self, settings=short)._train(name, run, 0, rate, {}, say,
                                                     self._folder(name, 0, rate))
        return float(stage['best']['mean IU']) if stage else None

    def _train_chain(self, say: Say, best: Mapping[str, float], seed: int,
                     chain: Mapping[str, Run]) -> dict[str, Curve]:
        """Train runs one after another, each from those before it; return how they went."""
        curves, done = dict[str, Curve](), dict[str, Path]()
        for name, run in chain.items():
            rate = best[run.rated_as or name] * run.rate_times
            folder, stage = self._at_a_rate_that_holds(name, run, seed, rate, done, say)
            curves[name] = [[b['iteration'], b['mean IU']] for b in stage['blocks']]
            done[name] = best_weights(folder, run.name, stage)
        return curves

    def _at_a_rate_that_holds(self, name: str, run: Run, seed: int, rate: float,
                              done: Mapping[str, Path], say: Say) -> tuple[Path, dict[str, Any]]:
        """Train at a rate, or where it diverges with this seed at a third of it, and so on."""
        folder = self._folder(name, seed)
        while True:
            stage = self._train(name, run, seed, rate, done, say, folder)
            if stage:
                return folder, stage
            folder, rate = folder.with_name(f'{folder.name}-slower'), rate / 3

    def _train(self, name: str, run: Run, seed: int, rate: float, done: Mapping[str, Path],
               say: Say, folder: Path) -> dict[str, Any] | None:
        """Train one run, or go on with it; return the report of its net, None if it diverged."""
        mark = folder / 'diverged'
        settings = self._settings_of(run, seed, rate, done)
        if mark.exists() and not settings.changes(folder):
            return None
        mark.unlink(missing_ok=True)
        try:
            content = reproduce(settings, folder, self.device,
                                lambda text: say(f'seed {seed}, {name}, {rate:g}: {text}'))
        except NonFiniteLoss as error:
            say(f'seed {seed}, {name}, {rate:g}: {str(error).partition(". ")[0]}')
            write_atomic(mark, [f'{error}\n'.encode()])
            return None
        return dict(content['stages'][-1])


def best_rate(tried: Mapping[float, float | None]) -> float:
    """Return the rate that scored best; the lowest where all diverged."""
    scores = {rate: -1.0 if found is None else found for rate, found in tried.items()}
    return max(sorted(scores), key=lambda rate: scores[rate])


def next_rates(tried: Mapping[float, float | None]) -> list[float]:
    """Return the rate beyond the best one, if that is the lowest or the highest tried; else []."""
    best = best_rate(tried)
    if len(tried) >= MOST_RATES or min(tried) < best < max(tried):
        return []
    return [float(f'{best / 3 if best == min(tried) else best * 3:.1g}')]


def best_weights(folder: Path, name: str, stage: Mapping[str, Any]) -> Path:
    """Return the weights of a run's best block, which its folder keeps."""
    return folder / name / 'snapshot' / f'train_iter_{stage["best"]["iteration"]}.caffemodel'


def judged(claim: Claim, scores: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the mean difference of a claim, its interval of 95 %, and the verdict.

    The seeds' data orders and fillers are alike for both runs, so the differences are paired.
    """
    gaps = [a - b for a, b in zip(scores[claim.better], scores[claim.worse], strict=True)]
    room = float(student.ppf(0.975, len(gaps) - 1)) * stdev(gaps) / len(gaps) ** 0.5
    verdict = ('holds' if mean(gaps) > room else 'does not hold' if mean(gaps) < -room else
               'cannot be told at this noise')
    return {'claim': claim.claim, 'better': claim.better, 'worse': claim.worse,
            'published': claim.published, 'differences': gaps, 'mean': mean(gaps), 'room': room,
            'verdict': verdict}


def seeded_markdown(content: Mapping[str, Any], picture: str = '') -> str:
    """Write the page: verdicts, scores with their spread, the rates that were tried."""
    claims = [['finding', 'on VOC', 'runs', 'difference', 'verdict']]
    claims += [[f['claim'], f['published'], f'{f["better"]}, {f["worse"]}',
                f'{f["mean"]:+.1f} ± {f["room"]:.1f}', f'**{f["verdict"]}**']
               for f in content['findings']]
    rows = [['run', 'mean', 'spread', *(f'seed {i + 1}' for i in range(content['seeds']))]]
    rows += [[name, number(mean(found)), number(stdev(found)), *map(number, found)]
             for name, found in content['scores'].items()]
    names = sorted({rate for found in content['rates'].values() for rate in found}, key=float)
    rates = [['run', *names]]
    rates += [[name, *(_tried_cell(found, rate, content['chosen'][name]) for rate in names)]
              for name, found in content['rates'].items()]
    head = (f'# Findings on {content["dataset"]} with a pretrained {content["trunk"]}\n\n'
            f'{content["seeds"]} seeds, {content["blocks"]} blocks of {content["block"]} images, '
            f'resized by {content["scale"]:g}; best mean IU of each run. A difference is the '
            'mean over the seeds, with the half-width of its 95 % interval.')
    parts = [head, md_table(claims), f'![Mean IU of each run, block by block]({picture})'
             if picture else '', '## Scores', md_table(rows),
             '## Rates, by one more seed in shorter runs', md_table(rates)]
    return '\n\n'.join(part for part in parts if part) + '\n'


def _tried_cell(found: Mapping[str, float | None], rate: str, chosen: float) -> str:
    """Write what a rate scored, bold where it was chosen; '' where it was not tried."""
    if rate not in found:
        return ''
    text = 'diverged' if found[rate] is None else number(found[rate])
    return f'**{text}**' if float(rate) == chosen else text


def draw_curves(path: Path, content: Mapping[str, Any]) -> Path:
    """Draw mean IU of each run after its blocks, the mean of the seeds and their range, over the
    images seen by it and by those that it starts from.
    """
    from matplotlib.figure import Figure
    figure = Figure(figsize=(8, 5), layout='constrained')
    axes = figure.subplots()
    begun = {name: run.start for name, run in runs_of(content['dataset'], content['trunk']).items()}
    before = {'': 0}
    for name, found in content['curves'].items():
        first = before[begun[name]]
        before[name] = first + len(found[0])
        seen = [content['block'] * i for i in range(first + 1, before[name] + 1)]
        each = list(zip(*([iu for _, iu in curve] for curve in found), strict=True))
        (line,) = axes.plot(seen, [mean(values) for values in each], label=name, marker='.')
        axes.fill_between(seen, [min(v) for v in each], [max(v) for v in each],
                          color=line.get_color(), alpha=0.15)
    axes.set_xlabel('images seen')
    axes.set_ylabel('mean IU, val')
    axes.legend(ncols=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
