"""SGD's update by the C kernel against its formula in double precision."""

import numpy as np
import pytest
import torch

from port.fast.kernels import calls, sgd

pytestmark = pytest.mark.skipif(not calls.available(), reason='no C compiler here')


def test_descend_equals_the_plain_update() -> None:
    rng = np.random.RandomState(0)
    w, v, g = (rng.randn(1000).astype('f') for _ in range(3))
    tensors = [torch.tensor(a) for a in (w, v, g)]
    sgd.descend([tensors], 0.9, 0.01, 0.05)
    velocity = 0.9 * v.astype('d') + 0.01 * (g + 0.05 * w.astype('d'))
    assert np.allclose(tensors[1], velocity, atol=1e-6)
    assert np.allclose(tensors[0], w - velocity, atol=1e-6)
    assert [t._version for t in tensors] == [1, 1, 0]     # whoever packed the weights can see it
