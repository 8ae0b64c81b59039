"""The face of the published drivers, on a net that looks like pycaffe's."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from port.scoring.metrics import fast_hist
from port.scoring.seg_tests import compute_hist, do_seg_tests, seg_tests


class FakeNet:
    """A net as pycaffe shows one: each forward puts the next truth and score into its blobs."""

    def __init__(self, truths: list[np.ndarray], scores: list[np.ndarray], tensors: bool) -> None:
        self.passes = iter(zip(truths, scores, strict=True))
        self.blobs = {name: SimpleNamespace(data=None) for name in ('score', 'label', 'loss')}
        self.face = torch.from_numpy if tensors else np.asarray
        self.put(np.zeros((1, 1, 1, 1)), np.zeros((1, 3, 1, 1)), 0.)
        self.count = 0

    def put(self, truth: np.ndarray, score: np.ndarray, loss: float) -> None:
        for name, value in (('label', truth), ('score', score), ('loss', np.array(loss))):
            self.blobs[name].data = self.face(value)

    def forward(self) -> None:
        self.put(*next(self.passes), float(self.count))
        self.count += 1

    def share_with(self, other: object) -> None:
        self.shared = other


@pytest.fixture(params=[False, True], ids=['numpy', 'torch'])
def net(request: pytest.FixtureRequest) -> FakeNet:
    rng = np.random.default_rng(1)
    sizes = [(4, 5), (6, 3)]
    truths = [rng.choice([0, 1, 2, 255], (1, 1, *s)).astype(np.float32) for s in sizes]
    scores = [rng.normal(size=(1, 3, *s)).astype(np.float32) for s in sizes]
    net = FakeNet(truths, scores, request.param)
    net.expected = sum(fast_hist(t[0, 0], s[0].argmax(0), 3)
                       for t, s in zip(truths, scores, strict=True))
    net.last = scores[1][0].argmax(0)
    return net


def test_compute_hist_runs_each_image_and_saves_predictions(net: FakeNet, tmp_path: Path) -> None:
    seen: list[str] = []
    hist, loss = compute_hist(net, str(tmp_path / 'out'), np.array(['a', 'b']), each=seen.append)
    assert np.array_equal(hist, net.expected) and loss == 0.5 and seen == ['a', 'b']
    png = Image.open(tmp_path / 'out/b.png')
    assert png.mode == 'P' and np.array_equal(np.asarray(png), net.last)


def test_seg_tests_logs_the_published_lines(net: FakeNet, tmp_path: Path,
                                            capsys: pytest.CaptureFixture[str],
                                            plain_metrics: Callable) -> None:
    solver = SimpleNamespace(test_nets=[net], net=object(), iter=4000)
    hist = seg_tests(solver, str(tmp_path / 'seg_{}'), ['a', 'b'])
    assert net.shared is solver.net and np.array_equal(hist, net.expected)
    assert (tmp_path / 'seg_4000/a.png').is_file()
    lines = capsys.readouterr().out.splitlines()
    stamp = r'>>> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ '
    assert re.fullmatch(stamp + 'Begin seg tests', lines[0])
    pixel, mean_acc, mean_iu, fw_iu = plain_metrics(net.expected)
    for line, name, value in zip(lines[1:], ('loss', 'overall accuracy', 'mean accuracy',
                                             'mean IU', 'fwavacc'),
                                 (.5, pixel, mean_acc, mean_iu, fw_iu), strict=True):
        found = re.fullmatch(rf'{stamp}Iteration 4000 {name} (\S+)', line)
        assert found and float(found[1]) == pytest.approx(value)


def test_a_missing_blob_lists_those_there_are(net: FakeNet) -> None:
    with pytest.raises(KeyError, match="no blob 'score_sem'; it has: score, label, loss"):
        do_seg_tests(net, 0, None, ['a'], 'score_sem', 'sem')
    with pytest.raises(ValueError, match='the data set to score is empty'):
        compute_hist(net, None, [])
