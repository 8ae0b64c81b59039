"""Dense CRF (Kraehenbuehl, Koltun 2011): labels that follow the picture's edges, by mean field.

As DeepLab's DenseCRF layer and its authors' own program compute it; pydensecrf's default
normalisation is an option.

Every pixel pair (i, j) of different labels costs
    sum_k w_k exp(-|f_i - f_j|^2 / 2)
where f is the place over a standard deviation (a `gaussian` term), or place and colour over theirs
(`bilateral`). The mean field gives each pixel a distribution Q_i of its own, starting from
softmax(score), and repeats
    Q_i = softmax(score_i + sum_k w_k n_k(i) (K_k Q)_i)
with K_k the filter over all pixels, the pixel itself included, and n_k(i) = 1 / (K_k 1)_i. The
filter is the permutohedral lattice's (lattice.py), which makes an iteration linear in the pixels.
"""

import os
from collections.abc import Sequence

import numpy as np

from port.crf import crf_kernels, native_field, plain_field

AXES = {'gaussian': 2, 'bilateral': 3}      # numbers after the name: weight, then deviations
NORMALIZATIONS = ('after', 'symmetric')
PairwiseTerm = tuple[str, float, float] | tuple[str, float, float, float]


def features(term: PairwiseTerm, height: int, width: int, image: np.ndarray | None) -> np.ndarray:
    """Return a term's features, 2 or 5 x pixels float32: x, y, and the picture's three colours."""
    kind, _, *deviations = term
    planes = np.empty((5 if kind == 'bilateral' else 2, height, width), np.float32)
    np.divide(np.arange(width), np.float32(deviations[0]), planes[0], dtype=np.float32)
    np.divide(np.arange(height)[:, None], np.float32(deviations[0]), planes[1], dtype=np.float32)
    if kind == 'bilateral':
        np.divide(np.moveaxis(np.asarray(image), 2, 0), np.float32(deviations[1]), planes[2:],
                  dtype=np.float32)
    return planes.reshape(len(planes), -1)


def check_terms(terms: Sequence[PairwiseTerm]) -> None:
    """Raise ValueError for a term that is not one."""
    for term in terms:
        kind, *numbers = term
        if kind not in AXES:
            raise ValueError(f'{kind!r} is no pairwise term; expected one of {", ".join(AXES)}')
        if len(numbers) != AXES[kind]:
            raise ValueError(f'{kind} takes {AXES[kind]} numbers, a weight and '
                             f'{AXES[kind] - 1} standard deviation(s); got {numbers}')
        if not all(np.isfinite(numbers)) or min(numbers[1:]) <= 0:
            raise ValueError(f'{kind} {numbers}: expected standard deviations above 0')


def threads_here() -> int:
    """Return how many threads to use: OMP_NUM_THREADS, else the processors of this process."""
    told = os.environ.get('OMP_NUM_THREADS', '').split(',')[0]
    here = getattr(os, 'sched_getaffinity', lambda _: range(os.cpu_count() or 1))
    return max(int(told), 1) if told.isdigit() else len(here(0))


def refine(score: np.ndarray, image: np.ndarray | None, terms: Sequence[PairwiseTerm],
           iterations: int = 10, normalization: str = 'after',
           threads: int | None = None) -> np.ndarray:
    """Return the probabilities, C x H x W float32, after the iterations.

    score: C x H x W, before softmax. image: H x W x 3, plain RGB uint8 for the authors' program
    and pydensecrf (the layer sees it B, G, R and mean off, which moves the lattice); None where
    no term is bilateral. terms: ('gaussian', weight, xy) and ('bilateral', weight, xy, rgb).
    normalization: 'after' the filter as the authors, or 'symmetric', half before it, as
    pydensecrf unless told otherwise. Raises ValueError for what does not fit together, and
    MemoryError.
    """
    score = np.ascontiguousarray(score, np.float32)
    if score.ndim != 3 or not score.size:
        raise ValueError(f'the scores have the shape {list(score.shape)}; expected classes, '
                         'height, width')
    check_terms(terms)
    if normalization not in NORMALIZATIONS:
        raise ValueError(f'normalization {normalization!r}: expected one of '
                         f'{", ".join(NORMALIZATIONS)}')
    if iterations < 0:
        raise ValueError(f'{iterations} iterations: expected 0 or more')
    height, width = score.shape[1:]
    if image is not None and np.shape(image) != (height, width, 3):
        raise ValueError(f'the scores are {height} x {width} pixels, the picture has the shape '
                         f'{list(np.shape(image))}; expected {height} x {width} x 3')
    if image is None and any(term[0] == 'bilateral' for term in terms):
        raise ValueError('a bilateral term needs the picture')
    route = native_field if crf_kernels.library() else plain_field
    return route.solve(score.reshape(len(score), -1),
                       [(features(term, height, width, image), term[1]) for term in terms],
                       normalization == 'symmetric', iterations,
                       threads or threads_here()).reshape(score.shape)
