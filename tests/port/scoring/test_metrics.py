"""The histogram, the four metrics of the paper, tables, and the face of the published drivers."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from port.scoring.metrics import Scores, compute_hist, do_seg_tests, fast_hist, seg_tests

HIST = np.array([[50, 3, 0, 2], [4, 20, 0, 1], [0, 0, 0, 0], [5, 0, 6, 9]])


def test_hist_counts_truth_by_prediction_and_leaves_void_out() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.choice([0, 1, 2, 255, -1], 400), rng.integers(0, 3, 400)
    plain = np.zeros((3, 3), int)
    for t, p in zip(truth, predicted, strict=True):
        if t in (0, 1, 2):
            plain[t, p] += 1
    assert np.array_equal(fast_hist(truth, predicted, 3), plain)
    assert np.array_equal(fast_hist(truth.astype(np.float32), predicted, 3), plain)


def test_hist_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match='truth has 3 pixels but the prediction 4'):
        fast_hist(np.zeros(3), np.zeros(4), 2)
    with pytest.raises(ValueError, match=r'outside the 2 classes: 0\.\.2'):
        fast_hist(np.zeros(2), np.array([0, 2]), 2)


def plain_metrics(hist: np.ndarray) -> list[float]:
    """The paper's formulas, spelled out; means over the classes with t_i > 0."""
    n = hist.tolist()
    present = [i for i in range(len(n)) if sum(n[i])]
    t = {i: sum(n[i]) for i in present}
    iu = {i: n[i][i] / (t[i] + sum(row[i] for row in n) - n[i][i]) for i in present}
    total = sum(t.values())
    return [sum(n[i][i] for i in present) / total,
            sum(n[i][i] / t[i] for i in present) / len(present),
            sum(iu.values()) / len(present), sum(t[i] * iu[i] for i in present) / total]


def test_the_four_metrics() -> None:
    scores = Scores(HIST)
    np.testing.assert_allclose(list(scores.metrics.values()), plain_metrics(HIST), rtol=1e-12)
    assert list(scores.metrics) == ['pixel accuracy', 'mean accuracy', 'mean IU', 'f.w. IU']
    assert math.isnan(scores.class_iu[2]) and math.isnan(scores.class_acc[2])


def test_a_class_that_is_only_predicted_does_not_count() -> None:
    assert HIST[2].sum() == 0 and HIST[:, 2].sum() > 0
    assert Scores(HIST).mean_iu == pytest.approx(plain_metrics(HIST)[2])


def test_nothing_counted_is_nan() -> None:
    scores = Scores(np.zeros((3, 3)))
    assert all(math.isnan(value) for value in scores.metrics.values())
    assert scores.as_dict()['mean_IU'] is None


def test_tables() -> None:
    scores = Scores(HIST, ('ground', 'car', 'moon', 'cat'), loss=1.5)
    assert re.search(r'^pixel accuracy +79\.00$', scores.text(), re.M)
    assert re.search(r'^moon +- +- +0$', scores.text(), re.M)
    assert re.search(r'^ground +78\.12 +90\.91 +55$', scores.text(), re.M)
    assert '| ground | 78.12 | 90.91 | 55 |' in scores.markdown()
    found = json.loads(scores.json())
    assert found['pixel_accuracy'] == pytest.approx(.79) and found['loss'] == 1.5
    assert found['classes'][2] == {'class': 'moon', 'iu': None, 'accuracy': None, 'pixels': 0}
    assert found['hist'] == HIST.tolist()
    assert [key for key in found if 'IU' in key] == ['mean_IU', 'fw_IU']


def test_shapes_and_names_are_checked() -> None:
    with pytest.raises(ValueError, match='3 class names for a histogram of 4'):
        Scores(HIST, ('a', 'b', 'c'))
    with pytest.raises(ValueError, match=r'got shape \(2, 3\)'):
        Scores(np.zeros((2, 3)))


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
                                            capsys: pytest.CaptureFixture[str]) -> None:
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
