"""fcn ablate: which runs it makes, what it makes of their figures; one tiny run of all."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from port.cli import main
from port.data.scenes import draw_dataset
from port.reproduce import ablation
from port.reproduce.report_pictures import Drawn


def result(best: float) -> dict[str, float]:
    return {'best': best, 'last': best - 1, 'iterations': 10, 'seconds': 1.0}


def test_findings_are_the_papers():
    regimes, strides, trunk = ablation.findings('camvid')
    assert list(regimes.published.values()) == [51.9, 60.7, 63.6]
    assert list(strides.published.values()) == [63.6, 65.0, 65.5]
    assert trunk.order == ('fixed', 'camvid-fcn32s')
    with pytest.raises(KeyError, match="did you mean 'camvid'"):
        ablation.findings('camvit')


@pytest.mark.parametrize(('scores', 'held'), [((1, 2, 3), True), ((1, 3, 3), False),
                                              ((3, 2, 1), False)])
def test_an_order_holds_or_not(scores, held):
    claim = ablation.findings('voc')[1]
    found = ablation._judged(claim, dict(zip(claim.order, map(result, scores), strict=True)))
    assert found['held'] is held
    content = {'settings': {'dataset': 'voc'}, 'findings': [found],
               'runs': dict(zip(claim.order, map(result, scores), strict=True))}
    assert ('holds here' if held else 'DOES NOT') in ablation.markdown(content)


def test_options_of_the_coarse_net_are_handed_on():
    assert ablation._renamed({'a-fcn32s.base_lr': 1, 'display': 2}, 'a-fcn32s', 'online') == {
        'online.base_lr': 1, 'display': 2}


def test_options_of_an_experiment_go_before_those_handed_on():
    assert ablation._renamed({'accum.clip_gradients': 20, 'a-fcn32s.clip_gradients': 1}, 'a-fcn32s',
                             'accum') == {'accum.clip_gradients': 20}


def test_options_of_a_net_that_is_not_trained_stop(tmp_path: Path):
    outcome = CliRunner().invoke(main, ['ablate', 'voc', '--data', str(tmp_path), '--out',
                                        str(tmp_path / 'o'), '--set', 'acum.base_lr=1'])
    assert outcome.exit_code == 1 and 'accum' in outcome.output
    assert not (tmp_path / 'o').exists()


def test_blocks_must_hold_whole_steps(tmp_path: Path):
    outcome = CliRunner().invoke(main, ['ablate', 'voc', '--data', str(tmp_path), '--out',
                                        str(tmp_path / 'o'), '--block', '30'])
    assert outcome.exit_code == 1 and 'multiple of 20' in outcome.output


def test_a_tiny_ablation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr('port.reproduce.report_pictures.draw', lambda *args: Drawn())
    data = draw_dataset(tmp_path / 'd', 4, 2, (16, 16))
    args = ['ablate', 'voc', '--data', str(data), '--out', str(tmp_path / 'o'), '--width', '0.01',
            '--block', '20', '--blocks', '1', '--limit', '1', '--fast',
            '--set', 'voc-fcn32s.base_lr=1e-8',
            '--set', 'accum.clip_gradients=20', '--set', 'clip_gradients=1']
    outcome = CliRunner().invoke(main, args)
    assert outcome.exit_code == 0, outcome.output
    content = json.loads((tmp_path / 'o/ablation.json').read_text())
    assert set(content['runs']) == {'voc-fcn32s', 'voc-fcn16s', 'voc-fcn8s', 'online', 'accum',
                                    'fixed'}
    assert 'base_lr: 1e-08' in (tmp_path / 'o/online/online/solver.prototxt').read_text()
    clips = {name: next((tmp_path / 'o').rglob(f'{name}/solver.prototxt')).read_text()
             for name in ('accum', 'voc-fcn8s')}
    assert 'clip_gradients: 20' in clips['accum'] and 'clip_gradients: 1\n' in clips['voc-fcn8s']
    assert '## regimes' in (tmp_path / 'o/ablation.md').read_text()
