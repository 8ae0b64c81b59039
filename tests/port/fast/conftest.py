"""`vectors`: tests of kernels run as compiled for this processor, and once more without AVX-512
(FCN_NATIVE=avx2), where blocks have other sizes.
"""

import ctypes
import os
from collections.abc import Iterator
from functools import cache
from unittest import mock

import pytest

from port.fast.kernels import calls

AVX2 = 8                    # floats a vector
load_all = calls.libraries.__wrapped__


@cache
def narrow_libraries() -> dict[str, ctypes.CDLL]:
    with mock.patch.dict(os.environ, FCN_NATIVE='avx2'):
        return load_all()


@pytest.fixture(params=['widest', 'avx2'])
def vectors(request, monkeypatch) -> Iterator[None]:
    """Run a test with both builds of the kernels; with one where they are the same."""
    if request.param == 'widest':
        yield
        return
    if not calls.available() or calls.vector_width() <= AVX2:
        pytest.skip('no C compiler here, or no vectors wider than those of AVX2')
    monkeypatch.setattr(calls, 'libraries', narrow_libraries)
    calls.kernels.cache_clear()
    calls.constant.cache_clear()
    assert calls.vector_width() == AVX2
    yield
    calls.kernels.cache_clear()
    calls.constant.cache_clear()
