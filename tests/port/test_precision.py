"""TF32 for a while, and the settings that were there afterwards."""

import pytest
import torch

from port.precision import tf32


def settings() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize('on', [True, False])
def test_tf32_is_put_back(on: bool) -> None:
    before = settings()
    with pytest.raises(RuntimeError, match='inside'), tf32(on):
        assert settings() == (on, on)
        raise RuntimeError('inside')
    assert settings() == before
