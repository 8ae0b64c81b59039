"""For tests of predictors."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture
def impatient() -> Iterator[None]:
    """Have threads change over as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
