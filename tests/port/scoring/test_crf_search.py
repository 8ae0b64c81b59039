"""The search: which weights it tries, that it goes on where it stopped, what it refuses."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from port.crf.crf_weights import CrfWeights
from port.scoring import crf_search
from port.scoring.crf_search import GRIDS, CrfSearch, edges, finer, points

BEST = CrfWeights(3, 3, 4.25, 62, 5)
GRID = {'bi_w': (3, 4, 5), 'bi_xy': (40, 50, 60, 70), 'bi_rgb': (5,)}


def errors(weights: CrfWeights | None) -> float:
    """How far weights are from the best, in 0..1."""
    if weights is None:
        return .9
    return .1 * abs(weights.bi_w - BEST.bi_w) + .01 * abs(weights.bi_xy - BEST.bi_xy)


class Images:
    """Pictures whose labels are the worse the further the weights are from the best."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop, self.asked = stop, []

    def __call__(self, first: int) -> Iterator:
        for number in count(first):
            if number == self.stop:
                raise KeyboardInterrupt
            truth = np.random.default_rng(number).integers(0, 2, 1000)

            def labels(weights, number=number, truth=truth):
                self.asked.append((number, weights))
                return np.where(np.arange(1000) < 1000 * errors(weights), 1 - truth, truth)
            yield labels, truth


def test_the_papers_grids() -> None:
    """ICLR 2015 and PAMI 2017, section 4.1: w1, sigma_alpha, sigma_beta."""
    assert [len(points(grid, (3, 3))) for grid in GRIDS.values()] == [6 * 6 * 8, 4 * 8 * 4]
    assert points(GRIDS['v2'], (3, 3))[0] == CrfWeights(3, 3, 3, 30, 3)


def test_finer_and_finer() -> None:
    grid = finer(GRID, CrfWeights(3, 3, 4, 60, 5), 1)
    assert grid == {'bi_w': (3.5, 4, 4.5), 'bi_xy': (55, 60, 65), 'bi_rgb': (5,)}
    grid = finer(GRID, CrfWeights(3, 3, 4.5, 60, 5), 2)
    assert grid == {'bi_w': (4.25, 4.5, 4.75), 'bi_xy': (57.5, 60, 62.5), 'bi_rgb': (5,)}
    low = finer({'bi_w': (1, 4)}, CrfWeights(3, 3, 1, 60, 5), 1)
    assert low == {'bi_w': (1, 2.5)}                # none at or below 0


def test_it_finds_the_best(tmp_path: Path) -> None:
    images = Images()
    search = CrfSearch(tmp_path / 'deep' / 's.json', {'a': 1}, GRID, rounds=4, threads=2)
    ranked = search.run(images, 5, 2)
    assert errors(ranked[0]) < .02 and ranked[0].bi_w == 4.25
    assert search.scores(ranked[0]).mean_iu > search.scores(None).mean_iu
    assert len(set(images.asked)) == len(images.asked)          # nothing twice
    assert {number for number, _ in images.asked} == set(range(5))
    hist = sum((_hist(number, ranked[0]) for number in range(5)), np.zeros((2, 2)))
    assert np.array_equal(search.counted[ranked[0]][1], hist)


def _hist(number: int, weights: CrfWeights) -> np.ndarray:
    labels, truth = next(Images()(number))
    found, hist = labels(weights), np.zeros((2, 2))
    for t, f in zip(truth, found, strict=True):
        hist[t, f] += 1
    return hist


def test_what_is_left(tmp_path: Path, monkeypatch) -> None:
    """A picture takes a second: 12 weights and none in the first round, then the 8 around the best.
    """
    clock = count()
    monkeypatch.setattr(crf_search, 'time', SimpleNamespace(monotonic=lambda: next(clock)))
    told = []

    def progress(numbers, what, left):
        for number in numbers:
            told.append((what[:7], number, left()))
            yield number
    search = CrfSearch(tmp_path / 's.json', {}, GRID, rounds=2)
    search.run(Images(), 4, 2, progress)
    assert told[0] == ('round 1', 0, 0) and search.left() == 0
    assert search.refined == 4 * 13 + 4 * 8 and search.spent == 8
    assert told[1][2] == pytest.approx((3 * 13 + 4 * 8) * 1 / 13)
    assert told[5][2] == pytest.approx(3 * 8 * 5 / (4 * 13 + 8))


def test_it_goes_on(tmp_path: Path) -> None:
    def made() -> CrfSearch:
        return CrfSearch(tmp_path / 's.json', {'images': 4}, GRID, rounds=3)
    whole = CrfSearch(tmp_path / 'whole.json', {'images': 4}, GRID, rounds=3)
    ranked = whole.run(Images(), 4, 2)
    with pytest.raises(KeyboardInterrupt):
        made().run(Images(stop=2), 4, 2)
    kept = json.loads((tmp_path / 's.json').read_text())
    assert {row['images'] for row in kept['counted']} == {2}
    images, again = Images(), made()
    assert again.run(images, 4, 2) == ranked
    assert all(number >= 2 for number, weights in images.asked[:13])
    assert all(np.array_equal(again.counted[point][1], whole.counted[point][1])
               for point in whole.counted)
    done = Images()
    assert made().run(done, 4, 2) == ranked and not done.asked


@pytest.mark.parametrize('text, message', [
    ('{"what": {"images": 9}, "counted": []}', r'that search has images 9, this one 4'),
    ('{"what": {"images": 4, "grid": 1}, "counted": []}', 'that search has grid 1, this one None'),
    ('{"what": {}', 'not the file of a search'), ('[]', 'not the file of a search'),
    ('{"what": {"images": 4}, "counted": [{"weights": [1], "images": 2, "hist": []}]}',
     'not the file of a search')])
def test_files_of_others(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / 's.json').write_text(text)
    with pytest.raises(ValueError, match=message):
        CrfSearch(tmp_path / 's.json', {'images': 4}, GRID).run(Images(), 4, 2)
    assert (tmp_path / 's.json').read_text() == text


def test_edges() -> None:
    assert edges(GRID, CrfWeights(3, 3, 4, 60, 5)) == []
    assert edges(GRID, CrfWeights(3, 3, 3, 70, 5)) == ['bi_w', 'bi_xy']
