"""The order of the paper's findings, tried on another dataset with a narrow net: heavy against
online against accumulation, stride against stride, trunk trained against fixed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from netspec.experiments import EXPERIMENTS
from netspec.own_dataset import is_own, read_about, staged_name, staged_place
from netspec.spec import unknown
from netspec.variants import VARIANTS
from port.distributed.alone import ALONE, Alone
from port.reproduce import published_figures as published
from port.reproduce.recipe import Settings
from port.reproduce.report_pages import md_table, number
from port.reproduce.reproduction import reproduce

STRIDES = (32, 16, 8)
OTHERS = ('online', 'accum', 'fixed')     # what is done with the coarse net besides training it


@dataclass(frozen=True)
class Finding:
    """A claim of the paper: the runs in the order that it found, worst first, with its figures, if
    they are to stand beside ours.
    """

    name: str
    claim: str
    order: tuple[str, ...]
    published: dict[str, float]


def findings(dataset: str) -> list[Finding]:
    """Return the claims to try, with the dataset's own nets in the places of VOC's.

    Of a folder of `fcn new` nothing is published.
    """
    strides = tuple(nets_of(dataset))
    missing = [name for name in strides if name not in VARIANTS]
    if is_own(dataset):
        return [replace(claim, published={}) for claim in _claims(strides)]
    if missing:
        raise unknown('no dataset with nets of all three strides is named', dataset,
                      {row.dataset for row in VARIANTS.values()})
    return _claims(strides)


def nets_of(dataset: str) -> dict[str, str]:
    """Return the names of a dataset's nets of three strides, and by what each is found: on a user's
    own data by the path of its folder.
    """
    if not is_own(dataset):
        names = [f'{dataset}-fcn{stride}s' for stride in STRIDES]
        return dict(zip(names, names, strict=True))
    name = read_about(dataset)['name']
    return {staged_name(name, stride): staged_place(dataset, stride) for stride in STRIDES}


def _claims(strides: tuple[str, ...]) -> list[Finding]:
    """Return the paper's claims about nets of three strides and about the coarsest of them."""
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
    strides, found_by = claims[1].order, nets_of(dataset)
    coarse, _, fine = strides
    _check_options(settings, (*strides, *OTHERS))
    chained = _options_of(settings, strides)
    results = _stages(replace(settings, name=found_by[fine], options=chained), out / 'strides',
                      device, say, ranks)
    for name in OTHERS:
        options = _renamed(_options_of(settings, (coarse, name)), coarse, name)
        results |= _stages(replace(settings, name=name, net=found_by[coarse], options=options),
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
            'measured': scores, 'held': held,
            'published': [claim.published[n] for n in claim.order if claim.published]}


def markdown(content: dict[str, Any]) -> str:
    """Write the findings as tables, held or not."""
    parts = [f'# Ablations on {content["settings"]["dataset"]}',
             ', '.join(f'{key} {value}' for key, value in content['settings'].items())]
    for claim in content['findings']:
        rows = [['run', 'best mean IU', 'after the last block', 'iterations']]
        for name in claim['order']:
            found = content['runs'][name]
            rows.append([name, number(found['best']), number(found['last']),
                         f'{found["iterations"]:,}'])
        if claim['published']:
            values = ['published on VOC', *(f'{value:g}' for value in claim['published'])]
            rows = [[*row, value] for row, value in zip(rows, values, strict=True)]
        verdict = 'holds here' if claim['held'] else 'DOES NOT hold here'
        parts += [f'## {claim["name"]}', f'{claim["claim"]}: {verdict}.', md_table(rows)]
    return '\n\n'.join(parts) + '\n'
