"""fcn train by the fast engine, as by itself: the losses of --exact, on a real data layer."""

import re
from pathlib import Path

import pytest

ROUNDING = 1e-3      # of a loss, float32, after a few updates


def losses(log: Path) -> list[float]:
    """The losses that a log shows, iteration by iteration."""
    return [float(value) for value in re.findall(r'Iteration \d+ \(.*\), loss = (\S+)',
                                                 log.read_text())]


def test_same_losses(trained: Path, scenes, make_run, tmp_path: Path, fcn) -> None:
    found = {}
    for how in ([], ['--exact']):
        run = make_run(tmp_path / f'run{len(how)}', scenes)
        result = fcn('train', '--solver', run / 'solver.prototxt', '--weights',
                     trained / 'trained.caffemodel', '--iterations', 4,
                     '--log', run / 'train.log', *how)
        assert result.exit_code == 0, result.output
        found[len(how)] = losses(run / 'train.log')
        log = (run / 'train.log').read_text()
        assert ('the training net: by the fast engine' in log) != bool(how)
    assert len(found[0]) >= 4
    assert found[1] == pytest.approx(found[0], rel=ROUNDING)
