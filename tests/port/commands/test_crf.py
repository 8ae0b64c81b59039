"""fcn crf: the list of published weights, and a small search on drawn scenes."""

import json
from pathlib import Path

import pytest

from port.commands import crf
from port.crf.crf_weights import SOURCES


def test_list(fcn) -> None:
    lines = fcn('crf', 'list').stdout.splitlines()
    assert len(lines) == 1 + len(SOURCES)
    assert lines[0].split() == ['model', 'pos_w,pos_xy,bi_w,bi_xy,bi_rgb', 'source']
    rows = {line.split()[0]: line.split()[1] for line in lines[1:]}
    assert rows['deeplab-largefov'] == '3,3,4,121,5' and set(rows) == set(SOURCES)


def test_search(trained: Path, lively: Path, tmp_path: Path, fcn) -> None:
    """What it prints of the best is what fcn score counts with it; run again, it is done."""
    shared = (trained / 'val.prototxt', '--weights', lively, '--limit', '2')
    asked = ('crf', 'search', *shared, '--bi-w', '3,5', '--bi-xy', '20:20:40', '--bi-rgb', '5',
             '--rounds', '2', '--out', tmp_path / 's.json')
    done = fcn(*asked)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith('without a CRF') and lines[1].startswith('--crf 3,3,')
    for name, line in ((None, lines[0]), (lines[1].split()[1], lines[1])):
        crf = ('--crf', name) if name else ()
        score = fcn('score', *shared, *crf, f'--json={tmp_path / "f.json"}')
        assert score.exit_code == 0
        figures = json.loads((tmp_path / 'f.json').read_text())['score']
        assert line.split()[-1] == f'{100 * figures["mean_IU"]:.2f}'
    kept = json.loads((tmp_path / 's.json').read_text())
    assert {row['images'] for row in kept['counted']} == {2}
    assert kept['what']['grid'] == {'bi_w': [3, 5], 'bi_xy': [20, 40], 'bi_rgb': [5]}
    assert fcn(*asked).stdout == done.stdout


def test_no_image_twice(trained: Path, lively: Path, tmp_path: Path, fcn, monkeypatch) -> None:
    """The split has three; off a terminal a line says where the search stands."""
    monkeypatch.setattr(crf, 'EVERY', 0.0)
    done = fcn('crf', 'search', trained / 'val.prototxt', '--weights', lively, '--bi-w', '3',
               '--bi-xy', '20,40', '--bi-rgb', '5', '--rounds', '2', '--out', tmp_path / 's.json')
    assert done.exit_code == 0
    kept = json.loads((tmp_path / 's.json').read_text())
    assert kept['what']['images'] == 3 and {row['images'] for row in kept['counted']} == {3}
    said = done.stderr.splitlines()
    assert said[0].startswith('round 1 of 2, 2 weights: image 2, about ')
    assert len(said) == 4 and all(line.endswith(' left in all') for line in said)


@pytest.mark.parametrize('text', ['3,x', '6:3', '1:0:5', '1:2:3:4', '0,1', 'nan', 'inf', ''])
def test_ranges_refused(text: str, trained: Path, lively: Path, tmp_path: Path, refused) -> None:
    line = refused('crf', 'search', trained / 'val.prototxt', '--weights', lively,
                   '--out', tmp_path / 's.json', '--bi-xy', text, status=2)
    assert f'{text!r} is neither numbers above 0 such as 3,4,6 nor a range' in line


def test_refusals(trained: Path, lively: Path, tmp_path: Path, refused) -> None:
    def line(model: str, *more: object) -> str:
        return refused('crf', 'search', trained / model, '--weights', lively, *more)
    assert 'no SoftmaxWithLoss layer' in line('deploy.prototxt', '--out', tmp_path / 's.json')
    assert 'name another --out' in line('val.prototxt', '--out', lively)
