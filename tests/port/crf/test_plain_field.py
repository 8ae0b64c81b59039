"""The route without a compiler: its exponential, softmax and filter against their formulas."""

import numpy as np

from port.crf.plain_field import PlainTerm, exponential, softmax


def test_the_exponential_ends_at_minus_twenty() -> None:
    x = np.float32([0, -1, -19.99, -20, -20.01, -1e30])
    np.testing.assert_allclose(exponential(x), [*np.exp(x[:4]), 0, 0], rtol=1e-6)


def test_softmax_of_rows() -> None:
    x = np.random.default_rng(0).normal(0, 3, (7, 5)).astype(np.float32)
    np.testing.assert_allclose(softmax(x), np.exp(x) / np.exp(x).sum(1, keepdims=True), rtol=1e-5)


def test_ones_stay_ones_and_weights_multiply() -> None:
    f = np.random.default_rng(1).normal(0, 2, (3, 40)).astype(np.float32)
    ones = np.ones((40, 2), np.float32)
    np.testing.assert_allclose(PlainTerm(f, 1, False)(ones), 1, rtol=1e-5)
    np.testing.assert_allclose(PlainTerm(f, 2.5, False)(ones), 2.5, rtol=1e-5)


def test_symmetric_divides_by_the_root_on_both_sides() -> None:
    """K_ij / sqrt(K1_i K1_j), where `after` has K_ij / K1_i."""
    f, each = np.random.default_rng(2).normal(0, 2, (2, 30)).astype(np.float32), np.eye(30)
    after = PlainTerm(f, 1, False)
    total = 1 / after.after         # K1, but for a factor that the ratios lose
    np.testing.assert_allclose(PlainTerm(f, 1, True)(each), after(each) * np.sqrt(total / total.T),
                               atol=1e-6)
