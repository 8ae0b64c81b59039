"""The dense CRF against numbers recorded from its authors' program and from pydensecrf's core, and
against the exact Gaussian kernel over all pairs of pixels.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from port.crf import crf_kernels, lattice, native_field, refine
from port.crf.mean_field import features, threads_here
from port.crf.plain_field import PlainTerm

GOLDEN = Path(__file__).resolve().parents[2] / 'golden' / 'crf'
RECORDED = sorted(GOLDEN.glob('drawn_*.npz'))
STEP = 1 / 65535            # in which probabilities are recorded
ROUNDING = 2e-5             # float32 through ten iterations; seen: 2e-6
TERMS = [('gaussian', 3, 3), ('bilateral', 5, 50, 10)]


@pytest.fixture(params=['native', 'plain'])
def route(request, monkeypatch) -> str:
    """Compute by the kernels, and without a compiler."""
    if request.param == 'plain':
        monkeypatch.setattr(crf_kernels, 'library', lambda: None)
    elif crf_kernels.library() is None:
        pytest.skip('no C compiler here')
    return request.param


def picture(height: int, width: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that know two halves of the picture roughly, and a picture that knows them well."""
    rng = np.random.default_rng(seed)
    right = np.arange(width) >= width // 2
    image = np.where(right[:, None], (200, 80, 60), (60, 90, 180)) + rng.normal(
        0, 8, (height, width, 3))
    score = rng.normal(0, 1, (classes, height, width)).astype(np.float32)
    score[0] += ~right
    score[-1] += right
    return score, image.clip(0, 255).astype(np.uint8)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(0))
    return e / e.sum(0)


@pytest.mark.parametrize('normalization, peer', [('after', 'program'), ('symmetric', 'symmetric')])
@pytest.mark.parametrize('path', RECORDED, ids=lambda path: path.stem)
def test_recorded(path: Path, normalization: str, peer: str, route: str) -> None:
    record = np.load(path)
    terms = [(kind, *map(float, numbers)) for kind, *numbers
             in (term.split() for term in str(record['terms']).split(';'))]
    q = refine(record['score'], record['image'], terms, 10, normalization)
    theirs = record[peer] * STEP
    assert np.abs(q - theirs).max() < ROUNDING + STEP
    assert (q.argmax(0) == theirs.argmax(0)).mean() > .999


def exact(term: tuple, size: int, image: np.ndarray) -> np.ndarray:
    """exp(-|f_i - f_j|^2 / 2) for all pairs."""
    y, x = np.divmod(np.arange(size * size), size)
    planes = [x / term[2], y / term[2]]
    if term[0] == 'bilateral':
        planes += list(image.reshape(-1, 3).T / term[3])
    f = np.stack(planes, 1).astype(float)
    return np.exp(-((f[:, None] - f[None]) ** 2).sum(2) / 2)


@pytest.mark.parametrize('term', TERMS, ids=lambda term: term[0])
def test_the_filter_is_nearly_gaussian(term: tuple) -> None:
    score, image = picture(24, 24, 3)
    q = softmax(score).reshape(3, -1).T
    ours = PlainTerm(features(term, 24, 24, image), 1, False)(q)
    kernel = exact(term, 24, image)
    theirs = kernel @ q / kernel.sum(1, keepdims=True)
    assert np.abs(ours - theirs).max() < .05 and np.abs(ours - theirs).mean() < .01


def test_labels_are_those_of_all_pairs(route: str) -> None:
    score, image = picture(24, 24, 3)
    unary = score.reshape(3, -1).T.astype(float)
    kernels = [(term[1], exact(term, 24, image)) for term in TERMS]
    q = softmax(unary.T).T
    for _ in range(10):
        q = softmax((unary + sum(w * (k @ q) / k.sum(1, keepdims=True) for w, k in kernels)).T).T
    labels = refine(score, image, TERMS).argmax(0)
    assert (labels.ravel() == q.argmax(1)).mean() > .99
    assert (labels.ravel() != unary.argmax(1)).mean() > .2       # and it is not what came in


def test_it_follows_the_edge(route: str) -> None:
    score, image = picture(30, 40, 2)
    labels = refine(score, image, TERMS).argmax(0)
    assert (score.argmax(0) == (np.arange(40) >= 20)).mean() < .8
    assert (labels == (np.arange(40) >= 20)).mean() > .99


def test_classes_may_change_places(route: str) -> None:
    score, image = picture(17, 23, 5)
    order = [3, 0, 4, 1, 2]
    np.testing.assert_allclose(refine(score[order], image, TERMS),
                               refine(score, image, TERMS)[order], atol=ROUNDING)


@pytest.mark.parametrize('terms, iterations', [(TERMS, 0), ([], 3), (
    [('gaussian', 0, 3), ('bilateral', 0, 50, 10)], 3)])
def test_nothing_to_add_is_softmax(terms: list, iterations: int, route: str) -> None:
    score, image = picture(9, 13, 4)
    np.testing.assert_allclose(refine(score, image, terms, iterations), softmax(score),
                               atol=1e-6)


def test_a_sure_class_stays(route: str) -> None:
    score, image = picture(12, 15, 3)
    score[1] += 50
    assert (refine(score, image, TERMS)[1] > 1 - 1e-6).all()


def test_the_layer_s_picture_and_the_program_s_differ(route: str) -> None:
    """The lattice stands still, the mean moves the picture: the numbers are others."""
    score, image = picture(24, 32, 3)
    plain = refine(score, image, TERMS, 1)
    centred = refine(score, image - np.float32([122.675, 116.669, 104.008]), TERMS, 1)
    assert 1e-4 < np.abs(plain - centred).max() < .2


@pytest.mark.parametrize('classes', [1, 2, 8, 9, 21, 33, 70])
def test_both_routes_agree(classes: int, monkeypatch) -> None:
    if crf_kernels.library() is None:
        pytest.skip('no C compiler here')
    score, image = picture(19, 27, classes)
    terms = [*TERMS, ('bilateral', 2, 20, 4)]
    for normalization in ('after', 'symmetric'):
        with monkeypatch.context() as patch:
            native = refine(score, image, terms, 5, normalization)
            patch.setattr(crf_kernels, 'library', lambda: None)
            plain = refine(score, image, terms, 5, normalization)
        np.testing.assert_allclose(native, plain, atol=ROUNDING)


def test_threads_change_no_bit(monkeypatch) -> None:
    score, image = picture(33, 41, 21)
    alone = refine(score, image, TERMS, threads=1)
    for split in (0, native_field.SPLIT):       # axes of the blur shared, or terms
        monkeypatch.setattr(native_field, 'SPLIT', split)
        for threads in (1, 2, 3, 7):
            assert np.array_equal(refine(score, image, TERMS, threads=threads), alone)
    tiny = refine(score[:, :1, :2], image[:1, :2], TERMS, threads=1)
    assert np.array_equal(refine(score[:, :1, :2], image[:1, :2], TERMS, threads=5), tiny)


def test_several_at_once() -> None:
    """Calls from several threads do not meet."""
    cases = [picture(21 + i, 30 + i, 3 + i, i) for i in range(6)]
    alone = [refine(*case, TERMS, threads=1) for case in cases]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda case: refine(*case, TERMS, threads=2), cases * 3))
    assert all(np.array_equal(a, b) for a, b in zip(alone * 3, together, strict=True))


def test_the_number_of_threads(monkeypatch) -> None:
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    assert threads_here() == 3
    monkeypatch.setenv('OMP_NUM_THREADS', '0')
    assert threads_here() == 1
    monkeypatch.delenv('OMP_NUM_THREADS')
    assert threads_here() >= 1


@pytest.mark.parametrize('change, message', [
    ({'image': np.zeros((9, 14, 3), np.uint8)}, r'scores are 9 x 13 .* shape \[9, 14, 3\]'),
    ({'image': np.zeros((9, 13), np.uint8)}, 'expected 9 x 13 x 3'),
    ({'image': None}, 'a bilateral term needs the picture'),
    ({'score': np.zeros((9, 13))}, 'expected classes, height, width'),
    ({'terms': [('potts', 1, 2)]}, "'potts' is no pairwise term"),
    ({'terms': [('bilateral', 5, 50)]}, 'bilateral takes 3 numbers'),
    ({'terms': [('gaussian', 3, 0)]}, 'standard deviations above 0'),
    ({'terms': [('gaussian', float('nan'), 3)]}, 'standard deviations above 0'),
    ({'terms': [('bilateral', 5, 1e-4, 1e-6)]}, 'too small'),
    ({'normalization': 'before'}, "normalization 'before'"),
    ({'iterations': -1}, 'expected 0 or more'),
])
def test_refused(change: dict, message: str) -> None:
    score, image = picture(9, 13, 4)
    with pytest.raises(ValueError, match=message):
        refine(**{'score': score, 'image': image, 'terms': TERMS, **change})


def test_a_lattice_beyond_memory(tmp_path, monkeypatch, route: str) -> None:
    said = tmp_path / 'meminfo'
    said.write_text('MemAvailable: 40 kB\n')
    monkeypatch.setattr(lattice, 'MEMINFO', said)
    score, image = picture(20, 30, 4)
    with pytest.raises(MemoryError, match='GiB of memory, .* are free'):
        refine(score, image, TERMS)
