"""The order of the paper's findings, tried on another dataset with a narrow net: heavy against
online against accumulation, stride against stride, trunk trained against fixed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from netspec.experiments import EXPERIMENTS
from netspec.spec import unknown
from netspec.variants import VARIANTS
from port.distributed.alone import ALONE, Alone
from port.reproduce import published_figures as published
from port.reproduce.recipe import Settings
from port.reproduce.report_pages import md_table, number
from port.reproduce.reproduction import reproduce

OTHERS = ('online', 'accum', 'fixed')     # what is done with the coarse net besides training it


@dataclass(frozen=True)
class Finding:
    """A claim of the paper: the runs in the order that it found, worst first, with its figures."""

    name: str
    claim: str
    order: tuple[str, ...]
    published: dict[str, float]


def findings(dataset: str) -> list[Finding]:
    """Return the claims to try, with the dataset's own nets in the places of VOC's."""
    strides = tuple(f'{dataset}-fcn{stride}s' for stride in (32, 16, 8))
    missing = [name for name in strides if name not in VARIANTS]
    if missing:
        raise unknown('no dataset with nets of all three strides is named', dataset,
                      {row.dataset for row in VARIANTS.values()})
    voc = [published.figures(f'voc-fcn{stride}s')[0].values['mean IU'] for stride in (32, 16, 8)]
    coarse = strides[0]
    regime = {name: published.figures(name)[0].values['mean IU'] for name in ('accum', 'online')}
    return [
        Finding('regimes', 'heavy learning beats online learning beats accumulation, at equal '
                'passes', ('accum', 'online', coarse), regime | {coarse: 63.6}),
        Finding('strides', 'finer strides score higher', strides,
                dict(zip(strides, voc, strict=True))),
        Finding('trunk', 'training the trunk beats training the scores alone', ('fixed', coarse),
                {'fixed': 46.6, coarse: 63.6})]


def run(dataset: str, settings: Settings, out: Path, device: torch.device,
        say: Callable[[str], None], ranks: Alone = ALONE) -> dict[str, Any]:
    """Train what is missing and return {name: {last, best}} and the findings, held or not.

    The three strides are one chain; its first net is also the heavy regime and the trained trunk.
    """
    claims = findings(dataset)
    images = EXPERIMENTS['accum'].row.schedule.iter_size
    if settings.block is None or settings.block % images:
        raise ValueError(f'a block of {settings.block} images: accumulation steps once in {images} '
                         f'images, so a block must be a multiple of {images}')
    strides = claims[1].order
    coarse, _, fine = strides
    _check_options(settings, (*strides, *OTHERS))
    chained = _options_of(settings, strides)
    results = _stages(replace(settings, name=fine, options=chained), out / 'strides', device, say,
                      ranks)
    for name in OTHERS:
        options = _renamed(_options_of(settings, (coarse, name)), coarse, name)
        results |= _stages(replace(settings, name=name, net=coarse, options=options),
                           out / name, device, say, ranks)
    return {'settings': {'dataset': dataset, 'width': settings.width, 'block': settings.block,
                         'blocks': settings.blocks, 'options': settings.options},
            'runs': results, 'findings': [_judged(claim, results) for claim in claims]}


def _check_options(settings: Settings, names: tuple[str, ...]) -> None:
    """Raise ValueError where a solver field is for what is not trained here."""
    for key in settings.options:
        net = key.rpartition('.')[0]
        if net and net not in names:
            raise ValueError(f'--set {key}: no net {net!r} is trained here; there are '
                             f'{", ".join(names)}')


def _options_of(settings: Settings, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the solver fields of all nets and of those named."""
    return {key: value for key, value in settings.options.items()
            if key.rpartition('.')[0] in ('', *names)}


def _renamed(options: dict[str, Any], coarse: str, name: str) -> dict[str, Any]:
    """Hand the options of the coarse net on to an experiment with it, which may have its own."""
    handed = {f'{name}.{key.rpartition(".")[2]}': value for key, value in options.items()
              if key.startswith(f'{coarse}.')}
    return handed | {key: value for key, value in options.items()
                     if not key.startswith(f'{coarse}.')}


def _stages(settings: Settings, out: Path, device: torch.device,
            say: Callable[[str], None], ranks: Alone) -> dict[str, dict[str, float]]:
    """Return the figures of each net of a run."""
    content = reproduce(settings, out, device, say, ranks=ranks)
    return {row['name']: {'last': row['measured']['mean IU'], 'best': row['best']['mean IU'],
                          'iterations': row['iterations'],
                          'seconds': sum(b['seconds'] + b['trained'] for b in row['blocks'])}
            for row in content['stages']}


def _judged(claim: Finding, results: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Tell whether the order of the paper holds here, by each run's best block as it reports."""
    scores = [results[name]['best'] for name in claim.order]
    held = all(a < b for a, b in zip(scores, scores[1:], strict=False))
    return {'name': claim.name, 'claim': claim.claim, 'order': list(claim.order),
            'measured': scores, 'published': [claim.published[n] for n in claim.order],
            'held': held}


def markdown(content: dict[str, Any]) -> str:
    """Write the findings as tables, held or not."""
    parts = [f'# Ablations on {content["settings"]["dataset"]}',
             ', '.join(f'{key} {value}' for key, value in content['settings'].items())]
    for claim in content['findings']:
        rows = [['run', 'best mean IU', 'after the last block', 'iterations', 'published on VOC']]
        for name, value in zip(claim['order'], claim['published'], strict=True):
            found = content['runs'][name]
            rows.append([name, number(found['best']), number(found['last']),
                         f'{found["iterations"]:,}', f'{value:g}'])
        verdict = 'holds here' if claim['held'] else 'DOES NOT hold here'
        parts += [f'## {claim["name"]}', f'{claim["claim"]}: {verdict}.', md_table(rows)]
    return '\n\n'.join(parts) + '\n'
