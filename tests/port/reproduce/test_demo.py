"""The demo's steps on a plan of a few iterations: everything is made; the checks can fail."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from port.reproduce import demo
from port.scoring.metrics import Scores

TINY = demo.DemoPlan(tuple(demo.DemoStage(s.name, s.base_lr, 2) for s in demo.PLAN.stages),
                     width=0.03125, train=3, val=2, size=(40, 56), pictures=2)


def test_every_step_leaves_its_results(tmp_path) -> None:
    said = []
    folders = demo.make_nets(TINY, tmp_path)
    results = demo.run_stages(TINY, folders, said.append, hidden=True)
    sheet, curve = demo.draw_results(TINY, results, tmp_path)
    onnx, row = demo.export_last(TINY, results, tmp_path)
    demo.write_figures(results, tmp_path / 'figures.json')
    with Image.open(sheet) as wide, Image.open(curve) as drawn:
        assert wide.width > 4 * 56 and drawn.width > 100
    assert onnx.exists() and row.agreement > .999
    assert demo.table(results).count('\n') == 3 and len(said) == 6


def results(*diagonal: float) -> list[demo.Result]:
    """Stages whose share of right pixels is given, for two classes of equal size."""
    return [demo.Result(stage, None, '', Scores(np.array([[p, 1 - p], [1 - p, p]]) * 1000), 1.0)
            for stage, p in zip(demo.PLAN.stages, diagonal, strict=True)]


def test_a_finer_net_must_be_better_and_good() -> None:
    demo.check(demo.PLAN, results(.5, .7, .9))
    with pytest.raises(ArithmeticError, match='is not above'):
        demo.check(demo.PLAN, results(.9, .9, .9))
    with pytest.raises(ArithmeticError, match='expected at least 0.60'):
        demo.check(replace(demo.PLAN), results(.2, .3, .4))
