"""The paper's metrics in plain loops, for the tests of what computes them."""

from collections.abc import Callable

import numpy as np
import pytest


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


@pytest.fixture(name='plain_metrics')
def the_formulas() -> Callable[[np.ndarray], list[float]]:
    """The function that spells out the four metrics of a histogram."""
    return plain_metrics
