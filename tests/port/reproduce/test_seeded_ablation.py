"""fcn ablate --trunk: which runs there are, what is made of their scores; one tiny run of all."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from netspec.families import make_net
from netspec.schema.messages import TEST
from port.cli import main
from port.engine.net import Net
from port.engine.net_weights import save
from port.reproduce import seeded_ablation
from port.reproduce.recipe import Settings
from port.reproduce.report_pictures import Drawn
from port.reproduce.seeded_ablation import (
    CLAIMS,
    SeededAblation,
    chains_of,
    judged,
    next_rates,
    runs_of,
)
from port.training.solver import NonFiniteLoss


def test_each_run_comes_after_what_it_starts_from():
    runs = runs_of('camvid', 'squeezenet')
    seen = set()
    for name, run in runs.items():
        assert not run.start or run.start in seen
        assert not run.rated_as or run.rated_as in seen
        seen.add(name)
    assert all({claim.better, claim.worse} <= seen for claim in CLAIMS)
    with pytest.raises(KeyError, match="did you mean 'squeezenet'"):
        runs_of('camvid', 'squeezenit')


def test_what_is_compared_sees_as_many_images():
    runs = runs_of('camvid', 'squeezenet')

    def images(name: str) -> int:
        return runs[name].length + (images(runs[name].start) if runs[name].start else 0)
    assert all(images(claim.better) == images(claim.worse) for claim in CLAIMS)


@pytest.mark.parametrize(('worse', 'verdict'), [
    ((50, 51, 49), 'holds'), ((70, 71, 69), 'does not hold'),
    ((59, 62, 58), 'cannot be told at this noise')])
def test_verdicts(worse, verdict):
    better = (60.0, 61.0, 59.5)
    found = judged(CLAIMS[0], {CLAIMS[0].better: better, CLAIMS[0].worse: worse})
    gaps = np.subtract(better, worse)
    assert found['verdict'] == verdict and found['mean'] == pytest.approx(gaps.mean())
    # Student's t of two degrees of freedom is 4.303 at 97.5 %
    assert found['room'] == pytest.approx(4.3027 * gaps.std(ddof=1) / math.sqrt(3), rel=1e-4)


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Four frames to train on and two to score, 64 x 48, of random patches."""
    rng = np.random.default_rng(0)
    for split, count in (('train', 4), ('val', 2)):
        for folder in (split, f'{split}annot'):
            (tmp_path / folder).mkdir()
        for i in range(count):
            label = np.kron(rng.integers(0, 11, (3, 4)), np.ones((16, 16), int)).astype(np.uint8)
            shades = np.stack([label * 20, 255 - label * 20, label * 7 % 200], 2).astype(np.uint8)
            Image.fromarray(shades).save(tmp_path / split / f'{i}.png')
            Image.fromarray(label).save(tmp_path / f'{split}annot' / f'{i}.png')
        (tmp_path / f'{split}.txt').write_text('\n'.join(map(str, range(count))))
    return tmp_path


@pytest.fixture
def arguments(camvid: Path, tmp_path: Path, monkeypatch) -> Callable[..., list[str]]:
    """arguments('folder', …) -> those of a tiny ablation into that folder, without pictures."""
    monkeypatch.setattr('port.reproduce.report_pictures.draw', lambda *args: Drawn())
    net = Net(make_net('camvid-fcn16s-squeezenet', 'deploy', filler='msra'), TEST)
    weights = tmp_path / 'squeezenet.caffemodel'
    save(net, weights)
    return lambda out, *more: [
        'ablate', 'camvid', '--trunk', 'squeezenet', '--weights', str(weights), '--data',
        str(camvid), '--out', str(tmp_path / out), '--block', '20', '--blocks', '1', '--fast',
        '--seeds', '2', '--rate', '1e-10', *more]


@pytest.mark.slow
def test_a_tiny_ablation_is_resumed(arguments, tmp_path: Path) -> None:
    args = arguments('o', '--rate', '1e30')
    outcome = CliRunner().invoke(main, args)
    assert outcome.exit_code == 0, outcome.output
    content = json.loads((tmp_path / 'o/ablation.json').read_text())
    assert {len(found) for found in content['scores'].values()} == {2}
    assert content['rates']['heavy']['1e+30'] is None and content['chosen']['heavy'] == 1e-10
    page = (tmp_path / 'o/ablation.md').read_text()
    verdicts = ('holds', 'does not hold', 'cannot be told at this noise')
    assert 'diverged' in page and 'curves.png' in page
    assert sum(page.count(f'**{verdict}**') for verdict in verdicts) == len(CLAIMS)
    again = CliRunner().invoke(main, args)
    assert again.exit_code == 0 and 'mean IU' not in again.output.partition('# Findings')[0]


@pytest.mark.slow
@pytest.mark.usefixtures('one_thread')
def test_ranks_train_what_one_process_trains(arguments, torchrun, tmp_path: Path) -> None:
    """The same files, whoever made them; a rate at which a run diverges on one rank among them."""
    rates = '--rate', '1e30'
    assert CliRunner().invoke(main, arguments('one', *rates)).exit_code == 0
    ended = torchrun.run(*[lambda: main(arguments('two', *rates))] * 2, timeout=400)
    assert [one.status for one in ended] == [0, 0], [one.err for one in ended]
    assert '# Findings' in ended[0].out and '# Findings' not in ended[1].out
    for said in (one.out.partition('# Findings')[0] for one in ended):
        assert 'seed 1, ' in said and 'seed 0, ' in said, 'each has some'
    for name in ('ablation.json', 'ablation.md'):
        assert (tmp_path / 'two' / name).read_bytes() == (tmp_path / 'one' / name).read_bytes()
    names = [{str(path.relative_to(tmp_path / out)) for path in (tmp_path / out).rglob('*')}
             for out in ('one', 'two')]
    assert names[0] == names[1]
    for name in (name for name in names[0] if name.endswith('.caffemodel')):
        assert (tmp_path / 'two' / name).read_bytes() == (tmp_path / 'one' / name).read_bytes()


def test_data_that_are_not_there_are_told_of_once(arguments, torchrun, tmp_path: Path) -> None:
    (tmp_path / 'val.txt').unlink()
    ended = torchrun.fcn(2, *arguments('o'))
    assert [one.status for one in ended] == [1, 1], [one.err for one in ended]
    said = [line for one in ended for line in one.err.splitlines()]
    assert len(said) == 1 and 'val.txt' in said[0], said


def test_a_run_that_diverged_is_tried_again_at_another_rate_only(tmp_path: Path, monkeypatch
                                                                 ) -> None:
    tried = []

    def diverges(settings: Settings, folder: Path, *more: object) -> None:
        settings.claim(folder)
        tried.append(settings.options['base_lr'])
        raise NonFiniteLoss('the loss is nan. Lower the rate')
    monkeypatch.setattr(seeded_ablation, 'reproduce', diverges)
    ablation = SeededAblation('camvid', 'squeezenet', Settings('', 'd', 'w', block=20, blocks=1),
                              tmp_path, torch.device('cpu'))
    run = runs_of('camvid', 'squeezenet')['heavy']
    for rate in (1e-6, 1e-6, 1e-9, 1e-9):
        assert ablation._train('heavy', run, 1, rate, {}, print, tmp_path / 'heavy') is None
    assert tried == [1e-6, 1e-9]


def test_runs_are_chained_where_one_starts_from_another() -> None:
    assert [list(chain) for chain in chains_of(runs_of('camvid', 'squeezenet'))] == [
        ['heavy', 'staged-2', 'staged-3'], ['online'], ['accum'], ['random'], ['fixed'],
        ['longer'], ['at-once']]


@pytest.mark.parametrize(('tried', 'on'), [
    ({3e-10: 30, 1e-9: 20, 3e-9: 10}, [1e-10]), ({3e-10: 10, 1e-9: 20, 3e-9: 30}, [9e-9]),
    ({3e-10: 20, 1e-9: 30, 3e-9: 10}, []), ({3e-10: None, 1e-9: None}, [1e-10]),
    ({1e-10: 0, 3e-10: None}, [3e-11]),
    ({10.0 ** n: n for n in range(10)}, [])])
def test_rates_are_tried_until_the_best_lies_among_them(tried, on) -> None:
    assert next_rates(tried) == on
