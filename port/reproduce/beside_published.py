"""Lay what was measured beside what is published: report.json, from which the pages are written."""

import json
import platform
import shlex
import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from netspec.experiments import find_experiment
from netspec.own_dataset import find_own
from netspec.schema import write_atomic
from port.crf.crf_weights import crf_weights
from port.reproduce import published_figures as published
from port.reproduce.recipe import Settings, Stage
from port.reproduce.stage_training import best_block, main_figure
from port.scoring.evaluate import Evaluation
from port.scoring.metrics import METRICS, Scores, plain

GEOMETRIC, FOREGROUND = published.GEOMETRIC, published.FOREGROUND


def measured(stage: Stage, result: Evaluation) -> dict[str, float | None]:
    """Return the figures of an evaluation in percent, by the names the tables use.

    Beside the four metrics: mean IU without the background where the experiment is scored so,
    and the accuracy of a second (geometric) head.
    """
    main = result.main
    values = dict(main.metrics)
    if stage.experiment.foreground:
        values[FOREGROUND] = main_figure(stage, result)
    heads = list(result.scores.values())
    if len(heads) > 1:
        values[GEOMETRIC] = heads[1].pixel_acc
    return {name: None if plain(value) is None else 100 * value for name, value in values.items()}


def absent(scores: Scores) -> dict[str, Any]:
    """Tell which classes the truth lacks, and what counting them as 0 would make of mean IU."""
    lacking = [name for name, n in zip(scores.names, scores.support, strict=True) if not n]
    present = len(scores.names) - len(lacking)
    zero = scores.mean_iu * present / len(scores.names) if present else float('nan')
    return {'classes': lacking, 'mean_iu_present': percent(scores.mean_iu),
            'mean_iu_absent_as_0': percent(zero)}


def percent(value: float) -> float | None:
    """Return a fraction in percent, None for NaN."""
    return None if plain(value) is None else 100 * value


def comparison(stage: Stage, result: Evaluation, settings: Settings,
               refined: Evaluation | None = None) -> list[dict[str, Any]]:
    """Return a line for each published figure of a net: source, value, ours, difference.

    An experiment done with another net than the paper's has no target; of a user's own data nothing
    is published. refined: what was scored
    after a dense CRF, which stands beside the figures of that.
    """
    scored, lines = stage.row.splits[1].name, []
    if stage.row.dataset == 'own':
        return []
    for figure in published.figures(stage.name, settings.released):
        target = figure.target and not settings.net
        said = refined if published.REFINED in figure.note else result
        ours = {} if said is None else measured(stage, said)
        for metric, value in figure.values.items():
            mine = ours.get(metric)
            lines.append({
                'metric': metric, 'published': value, 'measured': mine,
                'difference': None if mine is None else mine - value, 'source': figure.cite(),
                'key': figure.source,
                'target': target, 'split': published.published_on(figure),
                'note': _remark(figure, target, scored, settings.net)})
    return lines


def _remark(figure: published.Figure, target: bool, scored: str, net: str) -> str:
    """Say in what a figure is of another recipe, another net or another list than ours."""
    what = f'published for PASCAL VOC; here with {net}' if net else figure.note
    split = published.published_on(figure)
    where = '' if split == scored else split if split == published.UNSTATED else \
        f'published on {split}'
    return '; '.join(filter(None, (what or ('' if target else 'another recipe'), where)))


def stage_report(stage: Stage, results: list[Evaluation], settings: Settings,
                 refined: Evaluation | None = None) -> dict[str, Any]:
    """Return everything the pages say of one net."""
    last = results[-1]
    best = best_block(stage, results)
    primary = _primary(stage)
    trained = [] if settings.net else published.retrained(stage.name)
    others = [{'source': f.cite(), 'key': f.source, 'mean IU': f.values['mean IU'],
               'note': f.note}
              for f in trained]
    return {
        'name': stage.name, 'title': stage.experiment.title, 'note': stage.experiment.note,
        'split': stage.row.splits[1].name, 'metric': primary, 'iterations': last.iteration,
        'block': stage.block,
        'measured': measured(stage, last),
        'best': {'iteration': best.iteration, **measured(stage, best)},
        'comparison': comparison(stage, last, settings, refined),
        'refined': None if refined is None else {
            'crf': str(crf_weights(stage.name)), **measured(stage, refined)},
        'retrained_by_others': others,
        'spread_of_others': published.spread(stage.name) if trained else None,
        'spread_of_one_code': published.SAME_CODE_SPREAD if others else None,
        'absent': absent(last.main),
        'blocks': [{'iteration': e.iteration, 'loss': plain(e.loss), 'seconds': e.seconds,
                    'trained': e.trained, **measured(stage, e)} for e in results],
        'classes': {head: s.as_dict()['classes'] for head, s in last.scores.items()},
        'hist': {head: s.hist.astype(int).tolist() for head, s in last.scores.items()},
        'images': {name: plain(value) for name, value in last.images.items()}}


def _primary(stage: Stage) -> str:
    """Return the metric that stands for a net."""
    return FOREGROUND if stage.experiment.foreground else 'mean IU'


def caveats(stages: list[Stage], settings: Settings, images: int | None = None) -> list[str]:
    """Say in what this run is not the published one. images: how many the last net was scored on.
    """
    lines = []
    own = stages[-1].row.dataset == 'own'        # of which there is no published run
    if settings.width != 1 and not own:
        lines.append(f"the trunk's channels are scaled by {settings.width:g}"
                     + ('' if settings.weights else ' and start from random fillers'))
    for stage in stages:
        schedule = stage.row.schedule
        usual = (schedule.block, schedule.repeats)
        if not own and stage.blocks and (stage.block, stage.blocks) != usual:
            lines.append(f'{stage.name}: {stage.iterations} iterations in place of '
                         f'{schedule.block * schedule.repeats}')
    scored, expected = stages[-1].row.splits[1].name, _expected_splits(settings)
    if scored not in expected:
        lines.append(f'scored on {scored!r} in place of {" or ".join(map(repr, expected))}')
    if settings.scale != 1:
        lines.append(f'images and labels are resized by {settings.scale:g}')
    if settings.share_steps:
        lines.append('several processes shared the steps, with random numbers of their own')
    if settings.tf32:
        lines.append('products rounded to 10 bits (TF32)')
    whole = stages[-1].row.schedule.test_iter
    if settings.images:
        lines.append(f'scored on the first {settings.images} images of the split only')
    elif images not in (None, whole) and not settings.split:
        lines.append(f'scored on {images:,} images, where {scored!r} has {whole:,}: other data')
    lines += [f'{key} = {value}' for key, value in settings.options.items()]
    lines += [f'training images varied: {key} = {value}'
              for key, value in settings.train_data.items()]
    lines += [f'{net} was not trained: weights {path}' for net, path in settings.donors.items()]
    return lines


def _expected_splits(settings: Settings) -> list[str]:
    """Return the lists that a run's published figures are of: the targets' before all others'.

    Where there are none, or only another net's, it is the list of the row.
    """
    figures = [] if settings.net else published.figures(settings.name, settings.released)
    targets = [figure for figure in figures if figure.target]
    splits = dict.fromkeys(published.published_on(figure) for figure in targets or figures)
    splits.pop(published.UNSTATED, None)
    return list(splits) or [
        find_experiment(settings.name, settings.net or None).row.splits[1].name]


def report(stages: list[Stage], results: dict[str, list[Evaluation]], settings: Settings,
           device: torch.device, refined: Mapping[str, Evaluation]) -> dict[str, Any]:
    """Return the whole report as plain values; refined: by stage, where there is such."""
    where = (torch.cuda.get_device_name(device) if device.type == 'cuda'
             else f'CPU, {torch.get_num_threads()} thread(s)')
    images = len(results[stages[-1].name][-1].images)
    return {
        'name': stages[-1].name, 'released': settings.released,
        'written': time.strftime('%Y-%m-%d %H:%M'), 'device': where,
        'python': platform.python_version(), 'torch': torch.__version__,
        'seconds': sum(e.seconds + e.trained for rows in results.values() for e in rows),
        'caveats': caveats(stages, settings, images), 'sources': published.SOURCES,
        'names': published.NAMES, 'data': settings.data, 'command': command_line(settings),
        'metrics': list(METRICS),
        'stages': [stage_report(stage, results[stage.name], settings, refined.get(stage.name))
                   for stage in stages]}


def command_line(settings: Settings) -> str:
    """Return the command that begins such a run; where it was run is left to the reader's --out."""
    words = ['fcn', 'reproduce', settings.name]
    plain = {'net': '--net', 'data': '--data', 'weights': '--weights', 'width': '--width',
             'block': '--block', 'blocks': '--blocks', 'images': '--limit', 'split': '--split',
             'seed': '--seed', 'statistics': '--statistics'}
    own = find_own(settings.net or settings.name)        # which says itself where its data lies
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name in plain and not (own and field.name == 'data') and (
                value != field.default or field.name == 'data'):
            words += [plain[field.name], str(value)]
    words += [f'--{name.replace("_", "-")}' for name in ('released', 'fast', 'tf32', 'share_steps')
              if getattr(settings, name)]
    words += ['--exact'] if settings.fast is False else []
    for option, pairs in (('--set', settings.options), ('--donor', settings.donors),
                          ('--train-data', settings.train_data)):
        for key, value in pairs.items():
            words += [option, f'{key}={_word(value)}']
    return shlex.join(words)


def _word(value: object) -> str:
    """Write a value as the options take it: true, 0.8,1.25."""
    if isinstance(value, (list, tuple)):
        return ','.join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def write(path: Path, content: dict[str, Any]) -> Path:
    """Write report.json."""
    write_atomic(path, [(json.dumps(content, indent=1) + '\n').encode()])
    return path
